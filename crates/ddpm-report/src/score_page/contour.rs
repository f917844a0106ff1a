//! Contour lines of a function on a grid, by marching squares.
//!
//! Each cell of the grid gives at most two straight pieces, which join at the edges that they cross. Higher values lie to the left of a line.

use std::collections::BTreeMap;

/// Values on a regular grid: `values[row][column]` at (column, row).
#[derive(Debug)]
pub(super) struct Grid {
    columns: usize,
    rows: usize,
    values: Vec<f64>,
}

/// An edge of the grid: from a point to its neighbour on the right (`true`) or above.
type Edge = (usize, usize, bool);

impl Grid {
    /// A function sampled at `columns` x `rows` places (column, row).
    pub(super) fn sampled(columns: usize, rows: usize, f: impl Fn(usize, usize) -> f64) -> Self {
        let values =
            (0..rows).flat_map(|r| (0..columns).map(move |c| (c, r))).map(|(c, r)| f(c, r)).collect();
        Grid { columns, rows, values }
    }

    fn at(&self, column: usize, row: usize) -> f64 {
        self.values[row * self.columns + column]
    }

    /// The largest value.
    pub(super) fn largest(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The lines where the function equals `level`, as points (column, row); closed where the first point comes again at the end.
    pub(super) fn lines(&self, level: f64) -> Vec<Vec<[f64; 2]>> {
        let mut next: BTreeMap<Edge, Edge> = BTreeMap::new();
        for row in 0..self.rows.saturating_sub(1) {
            for column in 0..self.columns.saturating_sub(1) {
                next.extend(self.pieces(column, row, level));
            }
        }
        let mut starts: Vec<Edge> = next.keys().copied().collect();
        // Lines that leave the grid begin where none comes before; they must not be cut in the middle.
        let inner: std::collections::BTreeSet<Edge> = next.values().copied().collect();
        starts.sort_by_key(|edge| inner.contains(edge));
        let mut lines = Vec::new();
        for start in starts {
            let mut line = Vec::new();
            let mut edge = start;
            while let Some(following) = next.remove(&edge) {
                line.push(self.crossing(edge, level));
                edge = following;
            }
            if !line.is_empty() {
                line.push(self.crossing(edge, level));
                lines.push(line);
            }
        }
        lines
    }

    /// The pieces of a cell, from the edge where the line comes in to that where it goes out.
    fn pieces(&self, column: usize, row: usize, level: f64) -> Vec<(Edge, Edge)> {
        let corners = [
            self.at(column, row),
            self.at(column + 1, row),
            self.at(column + 1, row + 1),
            self.at(column, row + 1),
        ];
        let edges: [Edge; 4] =
            [(column, row, true), (column + 1, row, false), (column, row + 1, true), (column, row, false)];
        let above = corners.map(|value| value >= level);
        // Around the cell, edge k lies between corners k and k + 1. With the high side on the left the line comes in where the corners fall
        // and goes out where they rise.
        let falls: Vec<usize> = (0..4).filter(|&k| above[k] && !above[(k + 1) % 4]).collect();
        let rises: Vec<usize> = (0..4).filter(|&k| !above[k] && above[(k + 1) % 4]).collect();
        match falls[..] {
            [fall] => vec![(edges[fall], edges[rises[0]])],
            [first, second] => {
                // A saddle: the middle decides which corners belong together.
                let joined = corners.iter().sum::<f64>() / 4.0 >= level;
                let after = |fall: usize| edges[(fall + 1) % 4];
                let before = |fall: usize| edges[(fall + 3) % 4];
                let out = |fall| if joined { after(fall) } else { before(fall) };
                vec![(edges[first], out(first)), (edges[second], out(second))]
            }
            _ => Vec::new(),
        }
    }

    /// Where the function passes through `level` on an edge, linearly.
    fn crossing(&self, (column, row, right): Edge, level: f64) -> [f64; 2] {
        let low = self.at(column, row);
        let high = if right { self.at(column + 1, row) } else { self.at(column, row + 1) };
        let share = if high == low { 0.5 } else { ((level - low) / (high - low)).clamp(0.0, 1.0) };
        let (x, y) = (column as f64, row as f64);
        if right { [x + share, y] } else { [x, y + share] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(line: &[[f64; 2]]) -> f64 {
        line.windows(2).map(|p| 0.5 * (p[0][0] * p[1][1] - p[1][0] * p[0][1])).sum()
    }

    #[test]
    fn a_circle_closes_and_has_its_area_on_the_left() {
        let grid = Grid::sampled(61, 61, |c, r| -(c as f64 - 30.0).powi(2) - (r as f64 - 30.0).powi(2));
        let lines = grid.lines(-400.0);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].first(), lines[0].last());
        let expected = std::f64::consts::PI * 400.0;
        assert!((area(&lines[0]) / expected - 1.0).abs() < 5e-3, "{}", area(&lines[0]));
    }

    #[test]
    fn lines_that_leave_the_grid_are_whole_and_islands_are_apart() {
        let slope = Grid::sampled(9, 5, |c, _| c as f64);
        let lines = slope.lines(3.5);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].len(), 5);
        assert!(lines[0].iter().all(|point| point[0] == 3.5));
        let bumps = |c: usize, r: usize| {
            let at = |x: f64, y: f64| (-((c as f64 - x).powi(2) + (r as f64 - y).powi(2)) / 8.0).exp();
            at(8.0, 8.0) + at(24.0, 24.0)
        };
        assert_eq!(Grid::sampled(33, 33, bumps).lines(0.5).len(), 2);
        assert!(Grid::sampled(33, 33, bumps).lines(5.0).is_empty());
        // A saddle: the high corners of a single cell are apart below the middle's value, joined above.
        let saddle = Grid::sampled(2, 2, |c, r| if c == r { 1.0 } else { 0.0 });
        assert_eq!(saddle.lines(0.4).len(), 2);
        assert_eq!(saddle.lines(0.6).len(), 2);
        assert_ne!(saddle.lines(0.4), saddle.lines(0.6));
    }
}
