//! What would reduce the error most, in three sentences.
//!
//! Every change is judged by the total, names all that it consists of (variance, levels, denoiser), and is recommended where the total falls
//! by more than the uncertainty of the difference.

use super::network_result::Floor;
use crate::kit::number;
use ddpm_core::decomposition::{Advice, MeasuredModel};
use ddpm_core::interval::Interval;

/// Changes of the total below this share are not worth a recommendation.
const WORTH: f64 = 0.01;

/// What the result itself says, with the intervals of its tables.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdviceBasis {
    /// Initialization, discretization and training.
    pub terms: [Interval; 3],
    /// Their sum.
    pub total: Interval,
    /// What stands for the ideal denoiser; none where it is known. The initialization term is a lower bound if it is not.
    pub floor: Option<Floor>,
    /// Half widths of the 95 % intervals of the shares by which the best placement and all levels lower the total.
    pub uncertainty: [f64; 2],
}

impl AdviceBasis {
    /// The basis of an ideal denoiser that is known: the differences between settings are as uncertain as the total, relative to it.
    pub fn of_target(terms: [Interval; 3], total: Interval) -> Self {
        let relative = 0.5 * (total.high - total.low) / total.value.abs().max(f64::MIN_POSITIVE);
        // A change that removes nearly everything leaves little that could be uncertain.
        AdviceBasis { terms, total, floor: None, uncertainty: [relative; 2] }
    }

    fn half_width(interval: &Interval) -> f64 {
        0.5 * (interval.high - interval.low)
    }

    /// A term as the table of the terms shows it: of a known denoiser it is never negative.
    fn in_words(&self, term: &Interval) -> String {
        if self.floor.is_some() { number::interval(term) } else { number::at_least_zero(term) }
    }

    /// The share of training and half the width of its interval: the other terms are hardly uncertain beside it.
    fn training(&self) -> (f64, f64) {
        let ([.., training], total) = (self.terms, self.total.value);
        let others = (total - training.value) / total.powi(2);
        (training.value / total, Self::half_width(&training) * others.abs())
    }
}

/// Three sentences for the top of a report.
pub fn advice_sentences(advice: &Advice, input: &MeasuredModel, basis: &AdviceBasis) -> [String; 3] {
    [placement(advice, input, basis), steps(advice, input, basis), shares(advice, input, basis)]
}

/// What the sampler in use costs, and the best of the same number of steps.
fn placement(advice: &Advice, input: &MeasuredModel, basis: &AdviceBasis) -> String {
    let MeasuredModel { grid, steps, variance, chosen, .. } = input;
    let grid = if chosen.is_some() { "chosen" } else { grid.name() };
    let [_, discretization, training] = basis.terms.map(|term| basis.in_words(&term));
    let now = format!(
        "With {steps} {grid} levels and variance {variance}, discretization costs {discretization} nats and training {training} nats."
    );
    let (share, uncertainty) = (advice.shares().placement, basis.uncertainty[0]);
    let all = input.floor.levels().len();
    let levels = (*steps < all).then(|| format!("the best-placed {steps} levels"));
    let change = change(advice, input, levels);
    if change.is_empty() || share < WORTH || share <= uncertainty {
        let other = if *steps < all { " or placement of the levels" } else { "" };
        let threshold = if uncertainty > WORTH { uncertainty } else { WORTH };
        return format!(
            "{now} No other variance{other} is known to lower the total by {} or more.",
            percent(threshold, 0.0)
        );
    }
    let relative = |term: &Interval| AdviceBasis::half_width(term) / term.value.abs();
    let costs = |discretization: f64, training: f64| {
        let [_, of_discretization, of_training] = &basis.terms;
        let discretization = number::about(discretization, relative(of_discretization));
        format!("{discretization} and {} nats", number::about(training, relative(of_training)))
    };
    let [down_discretization, down_training] = advice.down_to_the_lowest;
    let down = if advice.compared_total() == advice.total() {
        String::new()
    } else {
        format!(
            " Continued to the lowest level of the schedule in one more step, they cost {}.",
            costs(down_discretization, down_training)
        )
    };
    format!(
        "{now}{down} With {change}, they would cost {}, which lowers the total by {}.",
        costs(advice.placement.discretization, advice.placement_training),
        percent(share, uncertainty)
    )
}

/// The best variance where it is not the one in use, and other levels: what a change of both consists of.
fn change(advice: &Advice, input: &MeasuredModel, levels: Option<String>) -> String {
    let best = advice.best_variance;
    let variance = (best != input.variance).then(|| format!("variance {best}"));
    variance.into_iter().chain(levels).collect::<Vec<_>>().join(" and ")
}

/// How many steps are enough.
fn steps(advice: &Advice, input: &MeasuredModel, basis: &AdviceBasis) -> String {
    let (steps, all) = (input.steps, input.floor.levels().len());
    let best = advice.best_variance;
    let about = if basis.total.high > basis.total.low { "about " } else { "" };
    let discretization = if best == input.variance {
        "Discretization".to_owned()
    } else {
        format!("With variance {best}, discretization")
    };
    match advice.enough_steps {
        Some(enough) if enough <= steps => format!(
            "{discretization} is below the training error from {about}{enough} steps on: more than {steps} steps will not help much, a better denoiser will."
        ),
        Some(enough) => format!(
            "{discretization} falls below the training error at {about}{enough} steps; more steps than that will not help much."
        ),
        None => {
            let left = number::number(advice.discretization_of_all);
            let other =
                change(advice, input, (steps < all).then(|| "more or better placed levels".to_owned()));
            let training = advice.training_of_all;
            let reading = match (training > 0.0, other.as_str()) {
                (true, "") => format!(", above the training error of {} nats.", number::number(training)),
                (true, other) => format!(
                    ", above the training error of {} nats: {other} can help more than training.",
                    number::number(training)
                ),
                (false, "") => {
                    ". The denoiser is ideal: none of the changes compared lowers the total.".to_owned()
                }
                (false, other) => format!(". The denoiser is ideal: only {other} can lower the total."),
            };
            format!("Even all {all} steps with variance {best} leave {left} nats of discretization{reading}")
        }
    }
}

/// The shares of initialization and of training, with what would remove the latter, and what all levels would change.
fn shares(advice: &Advice, input: &MeasuredModel, basis: &AdviceBasis) -> String {
    let (steps, all) = (input.steps, input.floor.levels().len());
    let [init, _, training] = basis.terms;
    let shares = advice.shares();
    let initialization = if init.high > init.low && init.contains(0.0) {
        format!("initialization is at most {} nats (consistent with 0)", number::number(init.high))
    } else {
        let bound = if basis.floor.is_some() { "at least " } else { "" };
        let nats = number::number(init.value.max(0.0));
        format!("{} is initialization ({bound}{nats} nats)", percent(shares.initialization, 0.0))
    };
    let mut text = format!("Of the total of {} nats, {initialization}", basis.in_words(&basis.total));
    let (share, uncertainty) = basis.training();
    if training.value > 0.0 && share >= WORTH {
        let removed = match basis.floor {
            None => "what the ideal denoiser would remove",
            Some(Floor::EmpiricalTraining) => "what only memorizing the training images would remove",
            Some(Floor::Reference) => "what a denoiser as good as the reference would remove",
            Some(Floor::EmpiricalLowerBound) => "an upper bound of what a better denoiser could remove",
        };
        text += &format!(" and {} is training: {removed}", percent(share, uncertainty));
    }
    text.push('.');
    let more = (steps < all).then(|| format!("all {all} levels"));
    let change = change(advice, input, more);
    if steps < all && shares.more_steps >= WORTH && shares.more_steps > basis.uncertainty[1] {
        text += &format!(
            " With {change}, the total{} would be {} lower.",
            if advice.compared_total() == advice.total() {
                ""
            } else {
                " down to the lowest level of the schedule"
            },
            percent(shares.more_steps, basis.uncertainty[1])
        );
    }
    text
}

/// A share in whole per cent, with its uncertainty where that is 1 % or more.
fn percent(share: f64, half_width: f64) -> String {
    let (percent, half) = (100.0 * share, 100.0 * half_width);
    if half >= 1.0 && half.is_finite() {
        return format!("({percent:.0} ± {half:.0}) %");
    }
    match percent {
        0.0 => "0 %".to_owned(),
        percent if percent < 1.0 => "less than 1 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}
