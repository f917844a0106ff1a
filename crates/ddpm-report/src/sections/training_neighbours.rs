//! How near samples are to training images, in words.

use crate::kit::number;
use crate::results::TrainingNeighbours;

/// One or two sentences.
pub(crate) fn in_words(near: &TrainingNeighbours) -> String {
    let text = format!(
        "The nearest training image of a sample lies at a distance of {} in feature space (median)",
        number::number(near.samples_median)
    );
    let (Some(held_out), Some(share), Some([low, high])) =
        (near.held_out_median, near.near_share, near.near_interval)
    else {
        return text + ". Without held-out images it is not known how near new images would be.";
    };
    let percent = |value: f64| number::plain(100.0 * value, 2);
    text + &format!(
        ", that of a held-out image at {}. {}\u{202f}% of the samples (95\u{202f}% interval {} to {}) are nearer to a training image than all but \
         5\u{202f}% of the held-out images; 5\u{202f}% are expected of new images.",
        number::number(held_out),
        percent(share),
        percent(low),
        percent(high)
    )
}
