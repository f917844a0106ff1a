//! A monotone cubic through equally spaced falling values (Fritsch & Carlson 1980; Fritsch & Butland 1984's slopes).

/// A C^1 piecewise cubic through (1, y_1), ..., (n, y_n), strictly falling.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MonotoneCubic {
    values: Vec<f64>,
    slopes: Vec<f64>,
}

impl MonotoneCubic {
    /// `values` has at least two entries and falls strictly.
    pub(super) fn new(values: Vec<f64>) -> Self {
        let n = values.len();
        let secant = |i: usize| values[i + 1] - values[i];
        let slopes = (0..n)
            .map(|i| match i {
                _ if n == 2 => secant(0),
                0 => end_slope(secant(0), secant(1)),
                _ if i + 1 == n => end_slope(secant(n - 2), secant(n - 3)),
                // The harmonic mean keeps the cubic monotone.
                _ => 2.0 / (1.0 / secant(i - 1) + 1.0 / secant(i)),
            })
            .collect();
        MonotoneCubic { values, slopes }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The interval that holds `t` in [1, n] and the position in it.
    fn locate(&self, t: f64) -> (usize, f64) {
        let i = ((t - 1.0).floor().max(0.0) as usize).min(self.values.len() - 2);
        (i, t - 1.0 - i as f64)
    }

    pub(super) fn value(&self, t: f64) -> f64 {
        let (i, u) = self.locate(t);
        let (y0, y1, m0, m1) = (self.values[i], self.values[i + 1], self.slopes[i], self.slopes[i + 1]);
        if u == 0.0 {
            return y0;
        }
        if u == 1.0 {
            return y1;
        }
        y0 + u * (m0 + u * (3.0 * (y1 - y0) - 2.0 * m0 - m1 + u * (m0 + m1 - 2.0 * (y1 - y0))))
    }

    /// dy/dt.
    pub(super) fn slope(&self, t: f64) -> f64 {
        let (i, u) = self.locate(t);
        let (rise, m0, m1) = (self.values[i + 1] - self.values[i], self.slopes[i], self.slopes[i + 1]);
        m0 + u * (2.0 * (3.0 * rise - 2.0 * m0 - m1) + 3.0 * u * (m0 + m1 - 2.0 * rise))
    }

    /// The t with this value; beyond the ends a t outside [1, n].
    pub(super) fn inverse(&self, y: f64) -> f64 {
        let n = self.values.len();
        if y > self.values[0] {
            return 1.0 - (y - self.values[0]).min(1.0);
        }
        if y < self.values[n - 1] {
            return n as f64 + (self.values[n - 1] - y).min(1.0);
        }
        let i = self.values.partition_point(|&value| value >= y).clamp(1, n - 1) - 1;
        let (mut low, mut high) = (i as f64 + 1.0, i as f64 + 2.0);
        if y == self.values[i] {
            return low;
        }
        if y == self.values[i + 1] {
            return high;
        }
        // 60 halvings of a unit interval reach the spacing of f64.
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.value(middle) >= y { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    }
}

/// The three-point slope at an end, kept within the range that preserves monotonicity.
fn end_slope(near: f64, far: f64) -> f64 {
    let slope = 1.5 * near - 0.5 * far;
    if slope * near <= 0.0 {
        0.0
    } else if slope.abs() > 3.0 * near.abs() {
        3.0 * near
    } else {
        slope
    }
}
