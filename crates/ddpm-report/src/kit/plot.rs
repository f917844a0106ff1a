//! A plot as data: axes, series, and how each is drawn.

use ddpm_core::interval::Interval;

/// A plot of one or more series over a common pair of axes.
///
/// ```
/// # use ddpm_report::kit::{Axis, Plot, Series};
/// let plot = Plot::new("Discretization", Axis::log("steps N"), Axis::log("KL (nats)"))
///     .series(Series::line_and_points("analytic", [(10.0, 0.31), (20.0, 0.16), (40.0, 0.079)]))
///     .series(Series::guide("∝ 1/N", [(10.0, 0.2), (40.0, 0.05)]));
/// let svg = plot.to_svg();
/// # assert!(svg.starts_with("<svg"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// What the plot shows; drawn above it.
    pub title: String,
    /// What the plot says, for readers who cannot see it; extents of the series are added to it.
    pub description: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The series, drawn in this order and coloured by their place in it.
    pub series: Vec<Series>,
    /// Lines that mark a value of the vertical axis.
    pub references: Vec<Reference>,
}

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The quantity and its unit, such as `KL (nats)`.
    pub label: String,
    /// How values map to places.
    pub scale: Scale,
    /// The ends of the axis; the extent of the data where absent or unusable on this scale.
    pub range: Option<(f64, f64)>,
    /// The numerical error of the values, for a vertical axis. A smaller value is drawn as 0 on a linear axis and left out on a logarithmic
    /// one; a note counts them.
    pub floor: f64,
}

/// How the values of an axis map to places.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// Equal steps are equal differences.
    Linear,
    /// Equal steps are equal ratios; what is not positive cannot be shown.
    Log,
    /// The values 0, 1, 2, ... stand for these names.
    Categories(Vec<String>),
}

/// A sequence of points that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// The points, in the order in which a line visits them.
    pub points: Vec<Point>,
    /// How the points are drawn.
    pub style: Style,
    /// How the intervals of the points are drawn.
    pub error: ErrorStyle,
}

/// A value and what is known of its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The place on the horizontal axis.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// The lower and upper end of the 95 % confidence interval of `y`.
    pub interval: Option<(f64, f64)>,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A line through the points.
    Line,
    /// A line through marked points.
    LineAndPoints,
    /// A thin pale line: single measurements behind a smoothed line.
    Faint,
    /// A thin dashed grey line: a theoretical slope or another comparison.
    Guide,
    /// Marks alone.
    Points,
    /// Bars from zero, side by side with those of the other `Bars` series.
    Bars,
    /// Bars on top of those of the earlier `StackedBars` series; the vertical axis is linear.
    StackedBars,
}

/// How the intervals of points are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStyle {
    /// A bar with caps at each point.
    Bars,
    /// A shaded band along the series.
    Band,
}

/// A horizontal line across the plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The value of the vertical axis.
    pub value: f64,
    /// What it stands for.
    pub label: String,
}

impl Plot {
    /// A plot without series.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            description: String::new(),
            x,
            y,
            series: Vec::new(),
            references: Vec::new(),
        }
    }

    /// Whether some point has an interval.
    pub(super) fn has_intervals(&self) -> bool {
        self.series.iter().flat_map(|series| &series.points).any(|point| point.interval.is_some())
    }

    /// Adds a series.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// Says in words what the plot shows.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Marks a value of the vertical axis with a labelled line.
    #[must_use]
    pub fn mark_y(mut self, value: f64, label: impl Into<String>) -> Self {
        self.references.push(Reference { value, label: label.into() });
        self
    }
}

impl Axis {
    /// A linear axis.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Linear, range: None, floor: 0.0 }
    }

    /// A logarithmic axis.
    pub fn log(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Log, range: None, floor: 0.0 }
    }

    /// A horizontal axis on which 0, 1, 2, ... stand for names.
    pub fn categories<S: Into<String>>(label: impl Into<String>, names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self { label: label.into(), scale: Scale::Categories(names), range: None, floor: 0.0 }
    }

    /// Fixes the ends of the axis; what lies beyond is cut off.
    #[must_use]
    pub fn range(mut self, min: f64, max: f64) -> Self {
        self.range = Some((min, max));
        self
    }

    /// States the numerical error of the values: see [`Axis::floor`].
    #[must_use]
    pub fn floor(mut self, error: f64) -> Self {
        self.floor = error;
        self
    }
}

impl Series {
    /// A series in a given style. Points are `(x, y)` or `(x, y, half width of the interval)`.
    pub fn new<P: Into<Point>>(
        name: impl Into<String>,
        style: Style,
        points: impl IntoIterator<Item = P>,
    ) -> Self {
        let points = points.into_iter().map(Into::into).collect();
        Self { name: name.into(), points, style, error: ErrorStyle::Bars }
    }

    /// A line.
    pub fn line<P: Into<Point>>(name: impl Into<String>, points: impl IntoIterator<Item = P>) -> Self {
        Self::new(name, Style::Line, points)
    }

    /// A line with marked points.
    pub fn line_and_points<P: Into<Point>>(
        name: impl Into<String>,
        points: impl IntoIterator<Item = P>,
    ) -> Self {
        Self::new(name, Style::LineAndPoints, points)
    }

    /// Marks alone.
    pub fn scatter<P: Into<Point>>(name: impl Into<String>, points: impl IntoIterator<Item = P>) -> Self {
        Self::new(name, Style::Points, points)
    }

    /// A theoretical curve or slope to compare with.
    pub fn guide<P: Into<Point>>(name: impl Into<String>, points: impl IntoIterator<Item = P>) -> Self {
        Self::new(name, Style::Guide, points)
    }

    /// Draws the intervals of the points as a shaded band instead of bars.
    #[must_use]
    pub fn with_band(mut self) -> Self {
        self.error = ErrorStyle::Band;
        self
    }

    /// The running mean of this series over `window` points around each, as a line.
    ///
    /// Near the ends the window is cut off; values that are not finite are left out of the means.
    #[must_use]
    pub fn smoothed(&self, name: impl Into<String>, window: usize) -> Self {
        let half = window / 2;
        let mean = |i: usize| {
            let around = &self.points[i.saturating_sub(half)..(i + half + 1).min(self.points.len())];
            let finite: Vec<f64> = around.iter().map(|point| point.y).filter(|y| y.is_finite()).collect();
            finite.iter().sum::<f64>() / finite.len() as f64
        };
        let points = self.points.iter().enumerate().map(|(i, point)| (point.x, mean(i)));
        Self::line(name, points)
    }
}

impl Point {
    /// A value with an interval that need not be symmetric.
    pub fn with_interval(x: f64, y: f64, low: f64, high: f64) -> Self {
        Self { x, y, interval: Some((low, high)) }
    }
}

impl From<(f64, f64)> for Point {
    fn from((x, y): (f64, f64)) -> Self {
        Self { x, y, interval: None }
    }
}

/// `(x, y, half width)` of the 95 % confidence interval.
impl From<(f64, f64, f64)> for Point {
    fn from((x, y, half): (f64, f64, f64)) -> Self {
        Self::with_interval(x, y, y - half, y + half)
    }
}

/// A value at a place, with its interval.
impl From<(f64, Interval)> for Point {
    fn from((x, Interval { value, low, high }): (f64, Interval)) -> Self {
        Self::with_interval(x, value, low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_averages_the_window_and_skips_what_is_not_finite() {
        let noisy = Series::line("a", [(0.0, 1.0), (1.0, 3.0), (2.0, f64::NAN), (3.0, 5.0)]);
        let means: Vec<f64> = noisy.smoothed("b", 3).points.iter().map(|point| point.y).collect();
        assert_eq!(means, [2.0, 2.0, 4.0, 5.0]);
        assert!(Series::line("a", [(0.0, f64::NAN)]).smoothed("b", 9).points[0].y.is_nan());
    }
}
