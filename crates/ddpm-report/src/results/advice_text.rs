//! What would reduce the error most, in three sentences.

use crate::kit::number;
use ddpm_core::decomposition::{Advice, MeasuredModel};
use ddpm_core::interval::Interval;

/// Changes of the total below this share are not worth a recommendation.
const WORTH: f64 = 0.01;

/// Three sentences for the top of a report; `init` is the initialization term with its interval.
pub fn advice_sentences(advice: &Advice, input: &MeasuredModel, init: &Interval) -> [String; 3] {
    [placement(advice, input), steps(advice, input), shares(advice, input, init)]
}

/// What the sampler in use costs, and the best of the same number of steps.
fn placement(advice: &Advice, input: &MeasuredModel) -> String {
    let [_, discretization, training] = advice.now.map(number::number);
    let MeasuredModel { grid, steps, variance, .. } = input;
    let now = format!(
        "With {steps} {grid} levels and variance {variance}, discretization costs {discretization} nats and training {training} nats."
    );
    let share = advice.shares().placement;
    if share < WORTH {
        return format!(
            "{now} No other variance or placement of {steps} levels lowers the total by 1 % or more."
        );
    }
    format!(
        "{now} With variance {} on the best-placed {steps} levels, they would cost {} and {} nats, which lowers the total by {}.",
        advice.best_variance,
        number::number(advice.placement.discretization),
        number::number(advice.placement_training),
        percent(share)
    )
}

/// How many steps are enough.
fn steps(advice: &Advice, input: &MeasuredModel) -> String {
    let (steps, all) = (input.steps, input.floor.levels().len());
    let training = advice.now[2];
    match advice.enough_steps {
        Some(enough) if enough <= steps => format!(
            "Discretization is below the training error ({} nats) from {enough} steps on: more than {steps} steps will not help much, a better \
             denoiser will.",
            number::number(training)
        ),
        Some(enough) => format!(
            "With variance {} discretization falls below the training error ({} nats) at {enough} steps; more steps than that will not help much.",
            advice.best_variance,
            number::number(training)
        ),
        None => {
            let left = number::number(advice.discretization_of_all);
            let reading = if training > 0.0 {
                format!(
                    ", above the training error of {} nats: more or better placed levels help more than training.",
                    number::number(training)
                )
            } else {
                ". The denoiser is ideal: only another variance, or more or better placed levels, lower the total."
                    .to_owned()
            };
            format!(
                "Even all {all} steps with variance {} leave {left} nats of discretization{reading}",
                advice.best_variance
            )
        }
    }
}

/// The shares of the total, and by how much each change would lower it.
fn shares(advice: &Advice, input: &MeasuredModel, init: &Interval) -> String {
    let (steps, all) = (input.steps, input.floor.levels().len());
    let shares = advice.shares();
    let more = if steps == all { "on the same levels".to_owned() } else { format!("on all {all} levels") };
    format!(
        "Of the total of {} nats, {} is initialization ({} nats). Each change by itself would lower the total: a denoiser as good as the floor by {}, \
         variance {} {more} by {}, variance {} on the best-placed {steps} levels by {}.",
        number::number(advice.total().max(0.0)),
        percent(shares.initialization),
        number::at_least_zero(init),
        percent(shares.training),
        advice.best_variance,
        percent(shares.more_steps),
        advice.best_variance,
        percent(shares.placement)
    )
}

/// Whole per cent: the curves do not support more digits.
fn percent(share: f64) -> String {
    match 100.0 * share {
        0.0 => "0 %".to_owned(),
        percent if percent < 1.0 => "less than 1 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}
