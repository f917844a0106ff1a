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
        "{now} With {}, they would cost {} and {} nats, which lowers the total by {}.",
        change(advice, input, Some(format!("the best-placed {steps} levels"))),
        number::number(advice.placement.discretization),
        number::number(advice.placement_training),
        percent(share)
    )
}

/// The best variance where it is not the one in use, and other levels: what a change of both consists of.
fn change(advice: &Advice, input: &MeasuredModel, levels: Option<String>) -> String {
    let best = advice.best_variance;
    let variance = (best != input.variance).then(|| format!("variance {best}"));
    variance.into_iter().chain(levels).collect::<Vec<_>>().join(" and ")
}

/// How many steps are enough.
fn steps(advice: &Advice, input: &MeasuredModel) -> String {
    let (steps, all) = (input.steps, input.floor.levels().len());
    let best = advice.best_variance;
    let training = number::number(advice.now[2]);
    match advice.enough_steps {
        Some(enough) if enough <= steps => format!(
            "Discretization is below the training error ({training} nats) from {enough} steps on: more than {steps} steps will not help much, a better \
             denoiser will."
        ),
        Some(enough) => format!(
            "With variance {best} discretization falls below the training error ({training} nats) at {enough} steps; more steps than that will not \
             help much."
        ),
        None => {
            let left = number::number(advice.discretization_of_all);
            let other =
                change(advice, input, (steps < all).then(|| "more or better placed levels".to_owned()));
            let reading = match (advice.now[2] > 0.0, other.as_str()) {
                (true, "") => format!(", above the training error of {training} nats."),
                (true, other) => {
                    format!(
                        ", above the training error of {training} nats: {other} can help more than training."
                    )
                }
                (false, "") => {
                    ". The denoiser is ideal: none of the changes compared lowers the total.".to_owned()
                }
                (false, other) => format!(". The denoiser is ideal: only {other} can lower the total."),
            };
            format!("Even all {all} steps with variance {best} leave {left} nats of discretization{reading}")
        }
    }
}

/// The share of initialization, and by how much each change would lower the total. A change below [`WORTH`] is not listed.
fn shares(advice: &Advice, input: &MeasuredModel, init: &Interval) -> String {
    let (steps, all) = (input.steps, input.floor.levels().len());
    let shares = advice.shares();
    let now = format!(
        "Of the total of {} nats, {} is initialization ({} nats).",
        number::number(advice.total().max(0.0)),
        percent(shares.initialization),
        number::at_least_zero(init),
    );
    let more = (steps < all).then(|| format!("all {all} levels"));
    let placed = (steps < all).then(|| format!("the best-placed {steps} levels"));
    let mut changes = vec![
        (shares.training, "a denoiser as good as the floor".to_owned()),
        (shares.more_steps, change(advice, input, more)),
        (shares.placement, change(advice, input, placed)),
    ];
    changes.retain(|(share, _)| *share >= WORTH);
    changes.dedup_by(|a, b| a.1 == b.1);
    let listed: Vec<String> =
        changes.into_iter().map(|(share, name)| format!("{name} by {}", percent(share))).collect();
    if listed.is_empty() {
        return format!("{now} No change of denoiser, variance or levels lowers the total by 1 % or more.");
    }
    format!("{now} Each change by itself would lower the total: {}.", listed.join(", "))
}

/// Whole per cent: the curves do not support more digits.
fn percent(share: f64) -> String {
    match 100.0 * share {
        0.0 => "0 %".to_owned(),
        percent if percent < 1.0 => "less than 1 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}
