//! The loss curve.

use crate::kit::{Axis, Page, number};
use crate::sections::loss_curve;

/// What a run measured at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossPoint {
    /// Optimizer steps done.
    pub step: u64,
    /// The loss, averaged over the steps since the point before.
    pub loss: f64,
    /// The global norm of the gradient before clipping.
    pub gradient_norm: Option<f64>,
    /// Images per second.
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

pub(super) fn add_to(page: &mut Page, points: &[LossPoint], batch_size: usize) {
    if points.is_empty() {
        return;
    }
    let section = page.section("Loss");
    let values = |of: &dyn Fn(&LossPoint) -> Option<f64>| {
        points.iter().filter_map(|point| Some((point.step as f64, of(point)?))).collect::<Vec<_>>()
    };
    let rate = mean(points.iter().filter_map(|point| point.images_per_second));
    let rate = rate.map_or_else(String::new, |rate| {
        format!(" Mean training speed: {} images per second.", number::number(rate))
    });
    section.plot(
        loss_curve::plot(
            "Training loss",
            Axis::log("L_simple"),
            "The training loss against the optimizer step.",
            values(&|point| Some(point.loss)),
        ),
        format!(
            "L_simple, the mean squared error of the predicted noise per component (Ho et al. 2020, eq. 14), over batches of {batch_size} \
             images at random noise levels.{rate}"
        ),
    );
    let norms = values(&|point| point.gradient_norm);
    if !norms.is_empty() {
        section.plot(
            loss_curve::plot(
                "Norm of the gradient",
                Axis::log("norm before clipping"),
                "The global norm of the gradient against the optimizer step.",
                norms,
            ),
            "The global norm of the gradient before clipping. Single peaks are harmless. A lasting rise is a sign of divergence.",
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
