//! Stacked bars.

use std::collections::BTreeMap;

use super::prepared::{PreparedPoint, PreparedSeries};

/// A finite `f64` by value, as a key.
#[derive(Clone, Copy, PartialEq)]
struct Key(f64);
impl Eq for Key {}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Puts each stacked series on top of those before it, at every place where one of them has a value.
///
/// Positive values add up above zero and negative ones below.
pub(super) fn pile_up(series: &mut [PreparedSeries<'_>], notes: &mut Vec<String>) {
    let mut sums: BTreeMap<Key, (f64, f64)> = series
        .iter()
        .filter(|s| s.source.style.is_stacked())
        .flat_map(|s| s.points.iter().map(|point| (Key(point.x + 0.0), (0.0, 0.0))))
        .collect();
    for s in series.iter_mut().filter(|s| s.source.style.is_stacked()) {
        let own: BTreeMap<Key, PreparedPoint> = s.points.iter().map(|p| (Key(p.x + 0.0), *p)).collect();
        if own.len() < sums.len() {
            notes.push(format!(
                "“{}” has no value at {} of {} places and counts as 0 there.",
                s.source.name,
                sums.len() - own.len(),
                sums.len()
            ));
        }
        s.points = sums
            .iter_mut()
            .map(|(x, (above, below))| {
                let point = own.get(x);
                let value = point.map_or(0.0, |p| p.value);
                let sum = if value < 0.0 { below } else { above };
                let base = *sum;
                *sum += value;
                let shift = |(low, high): (f64, f64)| (low + base, high + base);
                let interval = point.and_then(|p| p.interval).map(shift);
                PreparedPoint { x: x.0, value, top: *sum, base: Some(base), interval, gap: false }
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use crate::kit::{
        plot::{Axis, Plot, Series, Style},
        prepare::prepare,
    };

    fn plot(y: Axis, series: Vec<Series>) -> Plot {
        Plot { series, ..Plot::new("t", Axis::linear("x"), y) }
    }

    #[test]
    fn stacks_add_up_with_negative_values_below_zero() {
        let series = |name: &str, values: [f64; 2]| {
            Series::new(name, Style::StackedBars, values.into_iter().enumerate().map(|(i, v)| (i as f64, v)))
        };
        let plot = plot(
            Axis::log("y"),
            vec![series("a", [1.0, -2.0]), series("b", [0.5, -1.0]), series("c", [2.0, 4.0])],
        );
        let prepared = prepare(&plot);
        let tops: Vec<Vec<f64>> =
            prepared.series.iter().map(|s| s.points.iter().map(|p| p.top).collect()).collect();
        assert_eq!(tops, [[1.0, -2.0], [1.5, -3.0], [3.5, 4.0]]);
        let last = prepared.series[2].points[1];
        assert_eq!((last.base, last.value), (Some(0.0), 4.0));
        assert!(!prepared.y.log && prepared.y.min <= -3.0 && prepared.y.max >= 4.0);
        assert_eq!(prepared.notes.len(), 1);
    }

    #[test]
    fn a_stack_says_where_a_series_is_missing() {
        let a = Series::new("a", Style::StackedBars, [(0.0, 1.0), (1.0, 1.0)]);
        let b = Series::new("b", Style::StackedBars, [(1.0, 2.0)]);
        let plot = plot(Axis::linear("y"), vec![a, b]);
        let prepared = prepare(&plot);
        assert_eq!(prepared.notes, ["“b” has no value at 1 of 2 places and counts as 0 there."]);
        let b: Vec<(f64, f64)> = prepared.series[1].points.iter().map(|p| (p.x, p.top)).collect();
        assert_eq!(b, [(0.0, 1.0), (1.0, 3.0)]);
    }
}
