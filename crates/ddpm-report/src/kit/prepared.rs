//! A plot whose axes have ends and whose points can all be drawn.

use super::plot::{Plot, Reference, Series};

/// A plot with its axes fixed and only points that can be drawn.
pub(super) struct Prepared<'a> {
    pub(super) plot: &'a Plot,
    pub(super) series: Vec<PreparedSeries<'a>>,
    /// The marked values that lie on the axis.
    pub(super) references: Vec<&'a Reference>,
    pub(super) x: Domain,
    pub(super) y: Domain,
    /// What was left out or changed, in sentences.
    pub(super) notes: Vec<String>,
}

/// One series of a [`Prepared`] plot.
pub(super) struct PreparedSeries<'a> {
    pub(super) source: &'a Series,
    /// Which colour, dash and mark it has; guides have none of their own.
    pub(super) place: Option<usize>,
    pub(super) points: Vec<PreparedPoint>,
}

/// A point in the units of the axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PreparedPoint {
    pub(super) x: f64,
    /// The value itself.
    pub(super) value: f64,
    /// Where it is drawn: the value, or for stacks the sum up to it.
    pub(super) top: f64,
    /// Where a bar begins; the lower end of the axis where absent.
    pub(super) base: Option<f64>,
    pub(super) interval: Option<(f64, f64)>,
    /// Whether a point before this one was dropped: a line is broken here.
    pub(super) gap: bool,
}

/// The ends of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Domain {
    pub(super) log: bool,
    pub(super) min: f64,
    pub(super) max: f64,
}
