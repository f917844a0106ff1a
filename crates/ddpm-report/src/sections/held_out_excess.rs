//! The plot of the held-out error over the training error at each noise level, for either error.

use super::SNR_AXIS;
use crate::kit::{Axis, Plot, Point, Series};

/// Points are the excess in per cent of the training error, with intervals; `quantity` names what the error is of: two pages show two errors.
pub(crate) fn plot(points: Vec<Point>, quantity: &str) -> Plot {
    let zero: Vec<(f64, f64)> = points.iter().map(|point| (point.x, 0.0)).collect();
    Plot::new(
        format!("Held-out error over training error, {quantity}"),
        Axis::log(SNR_AXIS),
        Axis::linear("excess of the held-out error (%)"),
    )
    .description(format!(
        "The held-out error of the {quantity} minus that on training images, as a share of the latter."
    ))
    .series(Series::line("held-out over training", points).with_band())
    .series(Series::guide("no difference", zero))
}
