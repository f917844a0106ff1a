//! The shapes of marks.

use super::pixels::px;

/// Half the extent of a mark, in pixels.
pub(super) const MARK_SIZE: f64 = 3.4;
const MARK_SHAPES: usize = 5;

/// The outline of a mark whose shape goes with the place of its series.
pub(super) fn mark(place: usize, x: f64, y: f64, r: f64) -> String {
    let at = |dx: f64, dy: f64| format!("{} {}", px(x + dx), px(y + dy));
    let polygon = |corners: &[(f64, f64)]| {
        let corners: Vec<String> = corners.iter().map(|&(dx, dy)| at(dx, dy)).collect();
        format!("M{}Z", corners.join("L"))
    };
    match place % MARK_SHAPES {
        0 => {
            let (r, d) = (px(r), px(2.0 * r));
            format!("M{}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0Z", at(-MARK_SIZE, 0.0))
        }
        1 => polygon(&[(-0.9 * r, -0.9 * r), (0.9 * r, -0.9 * r), (0.9 * r, 0.9 * r), (-0.9 * r, 0.9 * r)]),
        2 => polygon(&[(0.0, -1.2 * r), (1.1 * r, 0.8 * r), (-1.1 * r, 0.8 * r)]),
        3 => polygon(&[(0.0, -1.3 * r), (1.3 * r, 0.0), (0.0, 1.3 * r), (-1.3 * r, 0.0)]),
        _ => polygon(&[(0.0, 1.2 * r), (1.1 * r, -0.8 * r), (-1.1 * r, -0.8 * r)]),
    }
}
