//! Makes a plot drawable: drops and counts unusable points, sums stacks, chooses the ends of the axes.

use super::{
    number,
    plot::{Axis, Plot, Reference, Scale, Series, Style},
    prepared::{Domain, Prepared, PreparedPoint, PreparedSeries},
    stack, tick,
};

/// Magnitudes beyond this, and below its inverse on a logarithmic axis, are not drawn: sums and ratios of them overflow.
const LARGEST: f64 = 1e100;
/// Room beside the outermost marks, as a share of the axis.
const PADDING: f64 = 0.03;
/// How many parts the ends of a linear vertical axis are rounded to.
const END_PARTS: usize = 5;
/// Data that start below this share of their maximum are shown from zero.
const ZERO_SHARE: f64 = 0.3;
/// What lies beyond zero by less than this share of the rest is below a pixel: a linear axis ends at zero there.
const INVISIBLE: f64 = 1e-3;
/// A marked value beyond the data is drawn where it takes up at most this share of the extent of the data.
const REFERENCE_SHARE: f64 = 0.4;
/// A logarithmic vertical axis ends this far below the largest value, unless its range is fixed.
const LOG_RANGE: f64 = 1e-12;

pub(super) fn prepare(plot: &Plot) -> Prepared<'_> {
    let mut notes = Vec::new();
    let x_log = plot.x.scale == Scale::Log;
    let stacked = plot.series.iter().any(|series| series.style.is_stacked());
    let y_log = plot.y.scale == Scale::Log && !stacked;
    if plot.y.scale == Scale::Log && stacked {
        notes.push(
            "The vertical axis is linear, because lengths on a logarithmic one do not add up.".to_owned(),
        );
    }

    let floor = floor(plot, y_log);
    let mut place = 0;
    let mut series: Vec<PreparedSeries<'_>> = Vec::new();
    for source in &plot.series {
        let (points, note) = usable_points(source, x_log, y_log, floor);
        notes.extend(note);
        let own = (source.style != Style::Guide).then_some(place);
        // A pale line takes the colour of the series after it, of which it is the raw form.
        place += usize::from(!matches!(source.style, Style::Guide | Style::Faint));
        series.push(PreparedSeries { source, place: own, points });
    }
    stack::pile_up(&mut series, &mut notes);

    let any = |test: fn(Style) -> bool| series.iter().any(|s| test(s.source.style));
    let (bars, marks) =
        (any(Style::is_bars), any(|style| matches!(style, Style::Points | Style::LineAndPoints)));
    let x_data = Extent::of(series.iter().flat_map(|s| s.points.iter().map(|p| p.x)), x_log);
    let x = match (&plot.x.scale, fixed(&plot.x, x_log, &mut notes)) {
        (_, Some(domain)) => domain,
        (Scale::Categories(names), None) => {
            Domain { log: false, min: -0.5, max: names.len().max(1) as f64 - 0.5 }
        }
        (_, None) if bars => x_data.padded(x_log, bar_padding(&series, x_log)),
        (_, None) => x_data.padded(x_log, if marks { PADDING } else { 0.0 }),
    };

    let y_values = series.iter().flat_map(|s| s.points.iter()).flat_map(|p| {
        let (low, high) = p.interval.unwrap_or((p.top, p.top));
        [Some(p.top), p.base, Some(low), Some(high)].into_iter().flatten()
    });
    let shown = |value: &f64| !y_log || *value >= floor;
    let y_data = Extent::of(y_values.filter(shown), y_log);
    let drawn = series.iter().any(|series| !series.points.is_empty());
    let near = plot.references.iter().map(|reference| reference.value);
    let near = near
        .filter(|value| usable(*value, y_log) && shown(value) && (!drawn || y_data.is_near(*value, y_log)));
    let y_data = near.clone().fold(y_data, Extent::with);
    let y = match fixed(&plot.y, y_log, &mut notes) {
        Some(domain) => domain,
        None if y_log => y_data.padded(true, PADDING),
        None => y_data.rounded(),
    };
    let (references, beyond): (Vec<&Reference>, Vec<&Reference>) =
        plot.references.iter().partition(|reference| (y.min..=y.max).contains(&reference.value));
    notes.extend(beyond.into_iter().map(|Reference { value, label }| {
        let side = if *value > y.max { "above" } else { "below" };
        format!("Not drawn: {label} at {}, far {side} the data.", number::number(*value))
    }));
    Prepared { plot, series, references, x, y, notes }
}

impl Style {
    pub(super) fn is_stacked(self) -> bool {
        self == Self::StackedBars
    }

    pub(super) fn is_bars(self) -> bool {
        matches!(self, Self::Bars | Self::StackedBars)
    }
}

fn usable(value: f64, log: bool) -> bool {
    value.abs() <= LARGEST && (!log || value >= 1.0 / LARGEST)
}

/// The size below which values are not told from 0: the stated numerical error, and on a logarithmic axis [`LOG_RANGE`] of the largest.
fn floor(plot: &Plot, y_log: bool) -> f64 {
    let floor = if plot.y.floor > 0.0 { plot.y.floor } else { 0.0 };
    if !y_log || plot.y.range.is_some() {
        return floor;
    }
    let values = plot.series.iter().flat_map(|series| &series.points).map(|point| point.y);
    floor.max(LOG_RANGE * values.filter(|y| usable(*y, true)).fold(0.0, f64::max))
}

/// The points that both axes can show, and a sentence about the others.
fn usable_points(
    series: &Series,
    x_log: bool,
    y_log: bool,
    floor: f64,
) -> (Vec<PreparedPoint>, Option<String>) {
    let (mut not_finite, mut not_positive, mut beyond, mut below) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut points = Vec::with_capacity(series.points.len());
    let mut gap = true;
    for point in &series.points {
        let small = point.y != 0.0 && point.y.abs() < floor;
        below += u64::from(small && usable(point.x, x_log) && (point.y > 0.0 || !y_log));
        if usable(point.x, x_log) && usable(point.y, y_log) && !(small && y_log) {
            let interval = point.interval.filter(|(low, high)| usable(*low, false) && usable(*high, y_log));
            let base = (series.style.is_bars() && !y_log).then_some(0.0);
            let y = if small { 0.0 } else { point.y };
            points.push(PreparedPoint { x: point.x, value: y, top: y, base, interval, gap });
            gap = false;
            continue;
        }
        gap = true;
        if !(point.x.is_finite() && point.y.is_finite()) {
            not_finite += 1;
        } else if (x_log && point.x <= 0.0) || (y_log && point.y <= 0.0) {
            not_positive += 1;
        } else if !small {
            beyond += 1;
        }
    }
    let error = format!("below {}, the end of the axis", number::number(floor));
    let mut reasons = vec![
        (not_finite, "not finite".to_owned()),
        (not_positive, "not positive, as a logarithmic axis needs".to_owned()),
        (beyond, "beyond 10^±100".to_owned()),
    ];
    let list = |reasons: &[(u64, String)]| {
        let counted = reasons.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = counted
            .map(|(count, what)| {
                format!("{} {} {what}", number::count(*count), if *count == 1 { "is" } else { "are" })
            })
            .collect();
        parts.join(" and ")
    };
    let (name, total) = (&series.name, series.points.len());
    let mut notes = Vec::new();
    if y_log {
        reasons.push((below, error));
    } else if below > 0 {
        let what = vec![(below, format!("below the numerical error of {}", number::number(floor)))];
        notes.push(format!("Drawn as 0 from “{name}”: of {total} points, {}.", list(&what)));
    }
    if reasons.iter().any(|(count, _)| *count > 0) {
        notes.push(format!("Not drawn from “{name}”: of {total} points, {}.", list(&reasons)));
    }
    (points, (!notes.is_empty()).then(|| notes.join(" ")))
}

/// The ends that the axis asks for, if they can be used.
fn fixed(axis: &Axis, log: bool, notes: &mut Vec<String>) -> Option<Domain> {
    let (min, max) = axis.range?;
    let span_is_wide = max - min > 1e-9 * min.abs().max(max.abs());
    if usable(min, log) && usable(max, log) && min < max && span_is_wide {
        return Some(Domain { log, min, max });
    }
    notes.push(format!(
        "The range {} to {} asked for “{}” cannot be used; the axis follows the data.",
        number::number(min),
        number::number(max),
        axis.label
    ));
    None
}

/// Room for half a bar at both ends, as a share of the axis.
fn bar_padding(series: &[PreparedSeries<'_>], log: bool) -> f64 {
    let mut places: Vec<f64> = series
        .iter()
        .filter(|s| s.source.style.is_bars())
        .flat_map(|s| s.points.iter())
        .map(|p| if log { p.x.log10() } else { p.x })
        .collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    match places.as_slice() {
        [first, second, .., before, last] => {
            0.5 * (second - first).max(last - before) / (last - first) + 0.01
        }
        _ => 0.5,
    }
}

/// The smallest and largest value of some data.
#[derive(Clone, Copy)]
struct Extent {
    min: f64,
    max: f64,
}

impl Extent {
    /// 0 to 1, or 1 to 10 on a logarithmic axis, where there are no data. An extent of nothing is widened unless all values are 0.
    fn of(values: impl Iterator<Item = f64>, log: bool) -> Self {
        let (min, max) = values
            .filter(|value| usable(*value, log))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| (min.min(value), max.max(value)));
        if min > max {
            return if log { Self { min: 1.0, max: 10.0 } } else { Self { min: 0.0, max: 1.0 } };
        }
        let size = min.abs().max(max.abs());
        if log && max / min < 1.0 + 1e-6 {
            Self { min: min / 2.0, max: max * 2.0 }
        } else if max - min <= 1e-9 * size {
            Self { min: min - 0.1 * size, max: max + 0.1 * size }
        } else {
            Self { min, max }
        }
    }

    fn with(self, value: f64) -> Self {
        Self { min: self.min.min(value), max: self.max.max(value) }
    }

    /// Whether an axis that includes this value still shows the data in most of its length. A linear axis starts at zero where that is near.
    fn is_near(self, value: f64, log: bool) -> bool {
        let place = |value: f64| if log { value.ln() } else { value };
        let low = if !log && self.min > 0.0 && self.min < ZERO_SHARE * self.max { 0.0 } else { self.min };
        let (low, high, at) = (place(low), place(self.max), place(value));
        (low - at).max(at - high) <= REFERENCE_SHARE * (high - low)
    }

    fn padded(self, log: bool, share: f64) -> Domain {
        if log {
            let factor = 10_f64.powf(share * (self.max.log10() - self.min.log10()));
            Domain { log, min: self.min / factor, max: self.max * factor }
        } else if self.min == self.max {
            Domain { log, min: -1.0, max: 1.0 }
        } else {
            let pad = (self.max - self.min) * share;
            Domain { log, min: self.min - pad, max: self.max + pad }
        }
    }

    /// A linear axis that ends on round numbers, and at zero where that is near.
    fn rounded(self) -> Domain {
        let Self { mut min, mut max } = self;
        if min == max {
            max = 1.0; // All values are 0.
        } else if min < 0.0 && -min < INVISIBLE * max {
            min = 0.0;
        } else if max > 0.0 && max < -INVISIBLE * min {
            max = 0.0;
        }
        if min > 0.0 && min < ZERO_SHARE * max {
            min = 0.0;
        } else if max < 0.0 && max > ZERO_SHARE * min {
            max = 0.0;
        }
        let (min, max) = tick::linear_ends(min, max, END_PARTS);
        Domain { log: false, min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::plot::Point;

    fn plot(y: Axis, series: Vec<Series>) -> Plot {
        Plot { series, ..Plot::new("t", Axis::linear("x"), y) }
    }

    #[test]
    fn a_log_axis_drops_what_is_not_positive_and_says_so() {
        let points =
            [(0.0, 1.0), (1.0, 0.0), (2.0, -3.0), (3.0, f64::NAN), (4.0, 10.0), (5.0, f64::INFINITY)];
        let plot = plot(Axis::log("y"), vec![Series::line("loss", points)]);
        let prepared = prepare(&plot);
        let kept: Vec<(f64, bool)> = prepared.series[0].points.iter().map(|p| (p.x, p.gap)).collect();
        assert_eq!(kept, [(0.0, true), (4.0, true)]);
        assert_eq!(
            prepared.notes,
            [
                "Not drawn from “loss”: of 6 points, 2 are not finite and 2 are not positive, as a logarithmic axis needs."
            ]
        );
        assert!(prepared.y.log && prepared.y.min > 0.8 && prepared.y.max < 12.0);
    }

    #[test]
    fn values_below_the_numerical_error_are_not_drawn_as_if_they_were_known() {
        let bars = |floor: f64, points: [(f64, f64); 3]| {
            let axis = Axis::linear("nats").floor(floor);
            plot(axis, vec![Series::new("a", Style::StackedBars, points)])
        };
        // Remnants of rounding do not stretch the axis to the next round number, stated or not.
        for (floor, small) in [(1e-4, -1e-6), (0.0, -1e-6), (0.0, -1e-2)] {
            let plot = bars(floor, [(1.0, 31.0), (2.0, small), (3.0, 12.0)]);
            let prepared = prepare(&plot);
            assert_eq!((prepared.y.min, prepared.notes.len()), (0.0, usize::from(floor > 0.0)));
        }
        let plot = bars(1e-4, [(1.0, 31.0), (2.0, -1e-6), (3.0, 12.0)]);
        let prepared = prepare(&plot);
        assert_eq!(prepared.series[0].points[1].value, 0.0);
        assert_eq!(
            prepared.notes,
            ["Drawn as 0 from “a”: of 3 points, 1 is below the numerical error of 0.0001000."]
        );
        assert!(prepare(&bars(0.0, [(1.0, 31.0), (2.0, -4.0), (3.0, 12.0)])).y.min < -4.0 + 1e-9);
    }

    #[test]
    fn values_that_are_numerically_zero_do_not_stretch_an_axis() {
        let styles = [Style::Line, Style::LineAndPoints, Style::Points, Style::Bars, Style::StackedBars];
        let linear: [&[f64]; 6] =
            [&[1e-7, 100.0], &[0.0, 0.0], &[0.0], &[-1e-17, 3.0, 0.0], &[-0.0, 0.0], &[-1e-7, 0.0, 2e-4]];
        for (style, values) in styles.into_iter().flat_map(|style| linear.map(|values| (style, values))) {
            let points = values.iter().enumerate().map(|(x, &y)| (x as f64, y, 1e-9 * y.abs()));
            let plot = plot(Axis::linear("y"), vec![Series::new("a", style, points)]);
            let Domain { min, max, .. } = prepare(&plot).y;
            assert!(min == 0.0 && max > 0.0, "{style:?} {values:?}: {min} to {max}");
        }
        // All values below a stated error, of either sign.
        for values in [[-1e-9, 1e-7], [-1e-7, -1e-9], [1e-8, 1e-7]] {
            let points = values.map(|y: f64| (y.abs(), y));
            let linear = plot(Axis::linear("y").floor(1e-6), vec![Series::new("a", Style::Bars, points)]);
            assert_eq!((prepare(&linear).y.min, prepare(&linear).y.max), (0.0, 1.0), "{values:?}");
        }
        // A logarithmic axis ends at its floor, whatever the intervals and marks below it.
        for (floor, least) in [(0.0, 1e-10), (1e-4, 1e-4)] {
            let small = Point::with_interval(0.0, 1e-16, 1e-30, 1e-15);
            let points = [small, Point::with_interval(1.0, 100.0, 1e-40, 120.0)];
            let log =
                plot(Axis::log("y").floor(floor), vec![Series::line("a", points)]).mark_y(1e-20, "zero");
            let min = prepare(&log).y.min;
            assert!(min > 0.5 * least, "{floor}: {min}");
        }
    }

    #[test]
    fn a_log_axis_ends_at_a_stated_floor_and_counts_what_is_below() {
        let points = [(0.0, 1.0), (1.0, 1e-3), (2.0, 1e-22)];
        let plot = plot(Axis::log("y"), vec![Series::line("a", points)]);
        let prepared = prepare(&plot);
        assert!(prepared.y.min > 1e-4);
        assert_eq!(
            prepared.notes,
            ["Not drawn from “a”: of 3 points, 1 is below 1.000×10⁻¹², the end of the axis."]
        );
    }

    #[test]
    fn a_marked_value_far_from_the_data_is_said_and_not_drawn() {
        let lines = || vec![Series::line("a", [(0.0, 100.0), (1.0, 250.0)])];
        for (axis, near, far) in [(Axis::log("y"), 80.0, 20.0), (Axis::linear("y"), 300.0, 900.0)] {
            let near = plot(axis.clone(), lines()).mark_y(near, "exact");
            assert_eq!((prepare(&near).references.len(), prepare(&near).notes.len()), (1, 0));
            let far = plot(axis, lines()).mark_y(far, "exact");
            let prepared = prepare(&far);
            assert!(prepared.references.is_empty() && prepared.notes[0].starts_with("Not drawn: exact at"));
            let extent = if prepared.y.log { prepared.y.max / prepared.y.min } else { 2.5 };
            assert!(extent < 3.0, "{:?}", prepared.y);
        }
    }

    #[test]
    fn axes_without_extent_or_data_still_have_ends() {
        for value in [0.0, 3.0, -1e-9, 1e99] {
            let plot = plot(Axis::linear("y"), vec![Series::line("a", [(value, value)])]);
            let prepared = prepare(&plot);
            let Domain { min, max, .. } = prepared.x;
            assert!(min < value && value < max, "{value} {min} {max}");
            let Domain { min, max, .. } = prepared.y;
            assert!((min < value || min == 0.0 && value == 0.0) && value < max, "{value} {min} {max}");
        }
        let plot = plot(Axis::log("y"), vec![]);
        let prepared = prepare(&plot);
        assert_eq!((prepared.x.min, prepared.x.max), (0.0, 1.0));
        assert!(prepared.y.min > 0.0 && prepared.y.max > prepared.y.min);
    }

    #[test]
    fn an_unusable_range_is_reported() {
        let plot = plot(Axis::log("y").range(0.0, 1.0), vec![Series::line("a", [(0.0, 2.0), (1.0, 4.0)])]);
        let prepared = prepare(&plot);
        assert!(
            prepared.y.min > 1.0 && prepared.notes[0].contains("0 to 1.000 asked for “y”"),
            "{:?}",
            prepared.notes
        );
    }

    #[test]
    fn a_pale_line_shares_the_colour_of_the_next_and_guides_have_none() {
        let of = |style| Series::new("s", style, [(0.0, 1.0)]);
        let plot = plot(
            Axis::linear("y"),
            vec![of(Style::Faint), of(Style::Line), of(Style::Guide), of(Style::Line)],
        );
        let places: Vec<Option<usize>> = prepare(&plot).series.iter().map(|s| s.place).collect();
        assert_eq!(places, [Some(0), Some(0), None, Some(1)]);
    }
}
