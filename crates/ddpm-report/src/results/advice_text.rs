//! What would reduce the error most, in three sentences.

use ddpm_core::decomposition::{Advice, MeasuredModel};

/// Three sentences for the top of a report.
pub fn advice_sentences(advice: &Advice, situation: &MeasuredModel) -> [String; 3] {
    let [init, discretization, training] = advice.now;
    let (steps, all) = (situation.steps, situation.floor.levels().len());
    let shares = advice.shares();
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let placement = format!(
        "With {steps} {} levels and variance {}, discretization costs {discretization:.4} nats; variance {} on the best {steps} levels would \
         cost {:.4}.",
        situation.grid, situation.variance, advice.best_variance, advice.placement.discretization
    );
    let more = match advice.enough_steps {
        Some(enough) if enough <= steps => format!(
            "Discretization is below the training error ({training:.4} nats) from {enough} steps on: more than {steps} steps will not help \
             much, a better denoiser will."
        ),
        Some(enough) => format!(
            "With variance {} discretization falls below the training error ({training:.4} nats) at {enough} steps; beyond that more steps will \
             not help much.",
            advice.best_variance
        ),
        None => format!(
            "Even all {all} steps leave {:.4} nats of discretization, above the training error of {training:.4} nats: a longer or better placed \
             chain helps more than training.",
            advice.discretization_of_all
        ),
    };
    let total = advice.total();
    let share = format!(
        "Of the total of {total:.4} nats, {} is initialization ({init:.2e} nats), and these could still be removed: {} by training, {} by more \
         steps, {} by placing the same number better.",
        percent(shares.initialization),
        percent(shares.training),
        percent(shares.more_steps),
        percent(shares.placement)
    );
    [placement, more, share]
}
