//! What a reader should know first: what was trained and how long it took, the loss and where the error sits, and whether the network
//! remembers its images.

use super::TrainingReport;
use super::denoising::{Halves, relative_sum_gap};
use super::loss::final_loss;
use crate::denoising::LevelError;
use crate::estimate::{CONFIDENCE, confidence_in_words};
use crate::report::{Text, number};
use ddpm_data::Split;

pub(super) fn sentences(report: &TrainingReport) -> Vec<Text> {
    [Some(what(report)), outcome(report), generalization(report)].into_iter().flatten().collect()
}

fn what(report: &TrainingReport) -> Text {
    let (data, run) = (&report.data, &report.run);
    let text = Text::new(format!(
        "A {} of {} parameters learnt from {} images ({}) in ",
        run.model,
        number::count(run.parameters),
        number::count(data.train_images as u64),
        data.name,
    ))
    .strong(format!("{} steps", number::count(run.steps)))
    .plain(format!(" of {} images", run.batch_size));
    let training =
        run.seconds_of("train").map(|seconds| format!("training took {}", number::duration(seconds)));
    let whole = run.total_seconds().map(|seconds| format!("everything {}", number::duration(seconds)));
    match (training, whole) {
        (Some(training), Some(whole)) if run.stages.len() > 1 => {
            text.plain(format!("; {training} and {whole} on {}.", run.device))
        }
        (Some(training), _) => text.plain(format!("; {training} on {}.", run.device)),
        _ => text.plain(format!(" on {}.", run.device)),
    }
}

fn outcome(report: &TrainingReport) -> Option<Text> {
    let loss = final_loss(&report.loss).map(|loss| {
        let first = report.loss[0];
        let mut text = Text::new("The loss ended at ").strong(number::number(loss));
        if report.loss.len() > 1 && first.loss.is_finite() {
            text = text.plain(format!(
                ", from {} at step {}",
                number::number(first.loss),
                number::count(first.step)
            ));
        }
        text
    });
    let place = report.denoising.as_ref().and_then(Halves::of).map(|halves| {
        format!(
            "half of the error of the denoised image, summed over all levels, lies at {} and noisier ones, half of the error of the predicted noise, \
             which the loss counts, at {} and cleaner ones",
            name_of(&halves.image_above),
            name_of(&halves.noise_below)
        )
    });
    match (loss, place) {
        (Some(loss), Some(place)) => Some(loss.plain(format!("; {place}."))),
        (Some(loss), None) => Some(loss.plain(".")),
        (None, Some(place)) => Some(Text::new(capitalized(&place) + ".")),
        (None, None) => None,
    }
}

fn generalization(report: &TrainingReport) -> Option<Text> {
    let error = report.denoising.as_ref()?;
    let Some(gap) = relative_sum_gap(error) else {
        let has_train = error.mse_sum(Split::Train).is_some();
        return has_train.then(|| {
            Text::new("There are no held-out images: whether the network generalizes cannot be told from its error.")
        });
    };
    let (low, high) = gap.interval(CONFIDENCE);
    let percent = |value: f64| format!("{}\u{202f}%", number::typeset(&number::plain(value, 2)));
    let interval = format!("{} interval from {} to {}", confidence_in_words(), percent(low), percent(high));
    Some(if low > 0.0 {
        Text::new("Held-out images are denoised ")
            .strong(format!("{} worse", percent(gap.mean)))
            .plain(format!(" than training images ({interval}): the network knows its own images better."))
    } else if high < 0.0 {
        Text::new("Held-out images are denoised ").strong(format!("{} better", percent(-gap.mean))).plain(
            format!(
                " than training images (difference {}, {interval}): the held-out images are the easier ones.",
                percent(gap.mean)
            ),
        )
    } else {
        Text::new("Held-out and training images are denoised ")
            .strong("equally well within the error")
            .plain(format!(" (difference {}, {interval}): no sign of memorization.", percent(gap.mean)))
    })
}

fn name_of(level: &LevelError) -> String {
    match level.t {
        Some(t) => format!("t = {t}"),
        None => format!("a signal-to-noise ratio of {}", number::number(level.snr)),
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
