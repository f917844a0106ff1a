//! The plot of the held-out error over the training error at each noise level.

use super::SNR_AXIS;
use crate::kit::{Axis, Plot, Point, Series};

/// Points are the excess in per cent of the training error, with intervals; `quantity` names the error.
pub(crate) fn plot(points: Vec<Point>, quantity: &str) -> Plot {
    let zero: Vec<(f64, f64)> = points.iter().map(|point| (point.x, 0.0)).collect();
    Plot::new(
        "Held-out error over training error",
        Axis::log(SNR_AXIS),
        Axis::linear(format!("excess of the held-out {quantity} (%)")),
    )
    .description("The held-out error minus the error on training images, as a share of the latter.")
    .series(Series::line("held-out over training", points).with_band())
    .series(Series::guide("no difference", zero))
}
