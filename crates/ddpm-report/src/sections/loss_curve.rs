//! A quantity that was logged during training, with its running mean.

use crate::kit::{Axis, Plot, Series, Style};

/// Points in a window of the running mean: a fiftieth of the curve, so that it follows the fast fall at the start.
fn window(points: usize) -> usize {
    (points / 50).max(3)
}

/// The logged values of (step, value) and their running mean.
pub(crate) fn plot(title: &str, y: Axis, description: &str, values: Vec<(f64, f64)>) -> Plot {
    let logged = Series::new("as logged", Style::Faint, values);
    let smooth = logged.smoothed("running mean", window(logged.points.len()));
    Plot::new(title, Axis::linear("step"), y).description(description).series(logged).series(smooth)
}
