//! Thinning of long series to fewer points that draw the same line.
//!
//! Within one column of pixels a line through many points covers the span from its lowest to its highest point, and
//! joins its neighbours at the first and the last: these four are kept (the M4 aggregation of Jugel et al., "M4: A
//! Visualization-Oriented Time Series Data Aggregation", 2014).

/// A point in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    /// Whether the line is broken before this point.
    pub(super) gap: bool,
}

/// The points of a line that draw it at the resolution of the pixels.
pub(super) fn line(places: &[Place]) -> Vec<Place> {
    let in_one_column = |a: &Place, b: &Place| a.x.floor() == b.x.floor() && !b.gap;
    let mut drawn = Vec::new();
    for column in places.chunk_by(in_one_column) {
        drawn.extend(corners(column, |place| place.y).into_iter().map(|i| column[i]));
    }
    drawn
}

/// Which of many values to keep: all if they are few, otherwise the corners of each of `runs` equally long runs.
pub(super) fn selection(values: &[f64], runs: usize) -> Vec<usize> {
    if values.len() <= 4 * runs {
        return (0..values.len()).collect();
    }
    let length = values.len().div_ceil(runs.max(1));
    let mut selected = Vec::new();
    for (i, run) in values.chunks(length).enumerate() {
        selected.extend(corners(run, |value| *value).into_iter().map(|j| i * length + j));
    }
    selected
}

/// The indices of the first, lowest, highest and last item, in order and without repetition.
fn corners<T>(items: &[T], value: impl Fn(&T) -> f64) -> Vec<usize> {
    let by_value = |a: &usize, b: &usize| value(&items[*a]).total_cmp(&value(&items[*b]));
    let Some(last) = items.len().checked_sub(1) else { return Vec::new() };
    let mut corners = vec![0, last];
    corners.extend((0..items.len()).min_by(by_value));
    corners.extend((0..items.len()).max_by(by_value));
    corners.sort_unstable();
    corners.dedup();
    corners
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ends_and_extremes_survive(values in prop::collection::vec(-1e3..1e3_f64, 1..500), runs in 1..20_usize) {
            let selected = selection(&values, runs);
            prop_assert!(selected.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(selected.len() <= (4 * runs).max(4));
            let kept: Vec<f64> = selected.iter().map(|&i| values[i]).collect();
            let extremes = |v: &[f64]| v.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
            prop_assert_eq!(extremes(&kept), extremes(&values));
            prop_assert_eq!((kept.first(), kept.last()), (values.first(), values.last()));
        }

        #[test]
        fn a_line_keeps_its_gaps_and_at_most_four_points_a_column(
            points in prop::collection::vec((0.0..5.0_f64, 0.0..100.0_f64, prop::bool::weighted(0.05)), 0..300)
        ) {
            let mut places: Vec<Place> = points.iter().map(|&(x, y, gap)| Place { x, y, gap }).collect();
            places.sort_by(|a, b| a.x.total_cmp(&b.x));
            let drawn = line(&places);
            let gaps = |places: &[Place]| places.iter().filter(|place| place.gap).count();
            prop_assert_eq!(gaps(&drawn), gaps(&places));
            prop_assert!(drawn.len() <= 4 * (5 + gaps(&places)));
        }
    }
}
