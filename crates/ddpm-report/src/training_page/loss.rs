//! The loss curve.

use crate::kit::{Axis, Page, Plot, Series, Style, number};

/// What a run measured at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossPoint {
    /// Optimizer steps done.
    pub step: u64,
    /// The loss, averaged over the steps since the point before.
    pub loss: f64,
    /// The global norm of the gradient before clipping.
    pub gradient_norm: Option<f64>,
    /// Images a second.
    pub images_per_second: Option<f64>,
}

/// The share of a run whose mean loss counts as the loss at its end.
pub(super) const FINAL_SHARE: f64 = 0.1;

/// The mean loss of the last tenth of the steps.
pub(super) fn final_loss(points: &[LossPoint]) -> Option<f64> {
    let last = points.last()?;
    let from = last.step as f64 * (1.0 - FINAL_SHARE);
    mean(points.iter().filter(|point| point.step as f64 >= from).map(|point| point.loss))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) =
        values.filter(|value| value.is_finite()).fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// Points in a window of the running mean: a fiftieth of the curve, so that it follows the fast fall at the start.
fn window(points: usize) -> usize {
    (points / 50).max(3)
}

pub(super) fn add_to(page: &mut Page, points: &[LossPoint], batch_size: usize) {
    if points.is_empty() {
        return;
    }
    let section = page.section("Loss");
    let series = |of: &dyn Fn(&LossPoint) -> Option<f64>| {
        let values = points.iter().filter_map(|point| Some((point.step as f64, of(point)?)));
        Series::new("as logged", Style::Faint, values.collect::<Vec<_>>())
    };
    let loss = series(&|point| Some(point.loss));
    let smooth = loss.smoothed("running mean", window(loss.points.len()));
    let rate = mean(points.iter().filter_map(|point| point.images_per_second));
    let rate = rate.map_or_else(String::new, |rate| {
        format!(" On average {} images a second were learnt from.", number::number(rate))
    });
    section.plot(
        Plot::new("Training loss", Axis::linear("step"), Axis::log("L_simple"))
            .description("The training loss against the optimizer step.")
            .series(loss)
            .series(smooth),
        format!(
            "L_simple, the mean squared error of the predicted noise per component (Ho et al. 2020, eq. 14), over batches of {batch_size} \
             images at random noise levels.{rate}"
        ),
    );
    let norm = series(&|point| point.gradient_norm);
    if !norm.points.is_empty() {
        let smooth = norm.smoothed("running mean", window(norm.points.len()));
        section.plot(
            Plot::new("Norm of the gradient", Axis::linear("step"), Axis::log("norm before clipping"))
                .description("The global norm of the gradient against the optimizer step.")
                .series(norm)
                .series(smooth),
            "The norm of all gradients together, before it is clipped. Single peaks are harmless; a rise that stays is a sign of divergence.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_loss_is_the_mean_of_the_last_tenth() {
        let point = |step: u64| LossPoint {
            step,
            loss: if step >= 900 { 0.25 } else { 1.0 },
            gradient_norm: None,
            images_per_second: None,
        };
        let points: Vec<LossPoint> = (1..=100).map(|k| point(10 * k)).collect();
        assert_eq!(final_loss(&points), Some(0.25));
        assert_eq!(final_loss(&points[..1]), Some(1.0));
        assert_eq!(final_loss(&[]), None);
        let broken = LossPoint { loss: f64::NAN, ..point(5) };
        assert_eq!(final_loss(&[broken]), None);
    }
}
