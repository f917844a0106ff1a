//! The sentences at the top of a training page: what was trained in which time, the loss and the levels of its error, memorization.

use super::denoising::{Halves, loss_gap};
use super::loss::final_loss;
use super::training_report::TrainingReport;
use crate::confidence::confidence_in_words;
use crate::kit::{Text, capitalized, number};
use crate::results::LevelError;
use ddpm_core::interval::CONFIDENCE;
use ddpm_core::interval::Interval;
use ddpm_data::Split;

pub(super) fn sentences(report: &TrainingReport) -> Vec<Text> {
    [Some(what(report)), outcome(report), generalization(report)].into_iter().flatten().collect()
}

fn what(report: &TrainingReport) -> Text {
    let (data, run) = (&report.data, &report.run);
    let text = Text::new(format!(
        "A {} of {} parameters, trained on {} images ({}) for ",
        run.model,
        number::count(run.parameters),
        number::count(data.train_images as u64),
        data.name,
    ))
    .strong(format!("{} steps", number::count(run.steps)))
    .plain(format!(" of {} images", run.batch_size));
    let training =
        run.seconds_of("train").map(|seconds| format!("training took {}", number::duration(seconds)));
    let whole = run.total_seconds().map(|seconds| format!("all stages {}", number::duration(seconds)));
    match (training, whole) {
        (Some(training), Some(whole)) if run.stages.len() > 1 => {
            text.plain(format!("; {training}, {whole} on {}.", run.device))
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
            "half of the error of the denoised image comes from {}, and half of the error of the predicted noise (the loss) from {}",
            side(&halves.image_above, "≥", "below"),
            side(&halves.noise_below, "≤", "above")
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
    let train = error.loss(Split::Train)?;
    let (Some(gap), Some(held_out)) = (loss_gap(error), error.loss(Split::HeldOut)) else {
        return Some(Text::new(
            "Without held-out images the run does not show whether the network memorizes.",
        ));
    };
    let Interval { low, high, .. } = gap.interval(CONFIDENCE);
    let percent = |value: f64| format!("{}\u{202f}%", number::typeset(&number::plain(value, 2)));
    let interval = format!("{} interval {} to {}", confidence_in_words(), percent(low), percent(high));
    let losses = format!(
        "The averaged network’s noise error is {} on held-out and {} on training images, ",
        number::interval(&held_out.interval(CONFIDENCE)),
        number::interval(&train.interval(CONFIDENCE))
    );
    let (difference, verdict) = if low > 0.0 {
        (
            format!("{} more", percent(gap.mean)),
            "either the network memorizes, or the held-out images differ from the training images",
        )
    } else if high < 0.0 {
        (format!("{} less", percent(-gap.mean)), "the held-out images are easier to denoise")
    } else {
        ("no difference within the interval".to_string(), "no sign of memorization")
    };
    Some(Text::new(losses).strong(difference).plain(format!(" ({interval}): {verdict}.")))
}

/// The levels on one side of this one, itself included.
fn side(level: &LevelError, of_t: &str, of_snr: &str) -> String {
    match level.t {
        Some(t) => format!("levels t\u{a0}{of_t}\u{a0}{t}"),
        None => format!("signal-to-noise ratios {of_snr} {}", number::number(level.snr)),
    }
}
