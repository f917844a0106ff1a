//! Mean and covariance of images scaled to `[-1, 1]`.
//!
//! With bytes `u` and `z = u - 128`, an image in model space is `x = 2 u / 255 - 1 = (2/255)(z + 128) - 1`, so that
//!
//! ```text
//! mean = (2/255)(S/n + 128) - 1              S = sum z
//! cov  = (2/255)^2 (Q/n - (S/n)(S/n)^T)      Q = sum z z^T
//! ```
//!
//! `S` and `Q` are whole numbers and are accumulated without any rounding. |z| <= 128 makes a product at most 2^14, so
//! that a sum of 2^10 of them stays within the 2^24 that f32 counts exactly: blocks of 1,024 images go through the
//! fast single-precision matrix product and are added up in f64, exact up to 2^53. The result therefore depends
//! neither on the order of the images nor on the blocks.

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::error::{DataError, Result};
use crate::image_set::ImageSet;

/// Images in a block: 2^24 / 128^2.
const BLOCK: usize = 1 << 10;

/// Subtracted from each byte to halve its magnitude.
const SHIFT: f32 = 128.0;

/// The sums are kept as square panels of this side, upper triangle only: the unit of parallel work.
const PANEL: usize = 256;

/// Bytes to model space: `x = SCALE * u - 1`.
const SCALE: f64 = 2.0 / 255.0;

/// Streaming sums from which mean and covariance follow.
#[derive(Debug, Clone)]
struct MomentAccumulator {
    dimension: usize,
    count: u64,
    /// `S`, one value a dimension.
    sum: Vec<f64>,
    /// `Q`, the panels on and above the diagonal.
    panels: Vec<Panel>,
}

/// Rows and columns of `Q` that start at `row` and `column`.
#[derive(Debug, Clone)]
struct Panel {
    row: usize,
    column: usize,
    products: DMatrix<f64>,
}

/// Mean and covariance in model space, `[-1, 1]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Images they were taken from.
    pub count: u64,
    /// Mean, one value a dimension, `[d]`.
    pub mean: Vec<f64>,
    /// Covariance of the empirical distribution (divided by n, not n - 1), row after row, `[d, d]`.
    pub covariance: Vec<f64>,
}

impl MomentAccumulator {
    /// Empty sums over images of `dimension` values.
    fn new(dimension: usize) -> Self {
        let starts = || (0..dimension).step_by(PANEL);
        let side = |start: usize| PANEL.min(dimension - start);
        let panels = starts()
            .flat_map(|row| starts().filter(move |&column| column >= row).map(move |column| (row, column)))
            .map(|(row, column)| Panel { row, column, products: DMatrix::zeros(side(row), side(column)) })
            .collect();
        Self { dimension, count: 0, sum: vec![0.0; dimension], panels }
    }

    /// Adds images, `[n, dimension]` bytes.
    fn add(&mut self, pixels: &[u8]) -> Result<()> {
        if self.dimension == 0 || !pixels.len().is_multiple_of(self.dimension) {
            let expected = format!("a multiple of {}", self.dimension);
            return Err(DataError::mismatch("pixel bytes", expected, pixels.len()));
        }
        pixels.chunks(BLOCK * self.dimension).for_each(|block| self.add_block(block));
        Ok(())
    }

    fn add_block(&mut self, pixels: &[u8]) {
        let count = pixels.len() / self.dimension;
        // Images are columns; the product below wants both the matrix and its transpose in memory.
        let images = DMatrix::from_iterator(
            self.dimension,
            count,
            pixels.iter().map(|&value| f32::from(value) - SHIFT),
        );
        let transposed = images.transpose();
        for (sum, values) in self.sum.iter_mut().zip(transposed.column_iter()) {
            *sum += values.iter().map(|&value| f64::from(value)).sum::<f64>();
        }
        self.panels.par_iter_mut().for_each(|panel| {
            let (rows, columns) = panel.products.shape();
            let mut products = DMatrix::<f32>::zeros(rows, columns);
            products.gemm(
                1.0,
                &images.rows(panel.row, rows),
                &transposed.columns(panel.column, columns),
                0.0,
            );
            for (total, &product) in panel.products.iter_mut().zip(products.iter()) {
                *total += f64::from(product);
            }
        });
        self.count += count as u64;
    }

    /// Mean and covariance of everything added; an error if nothing was.
    fn finish(&self) -> Result<Moments> {
        if self.count == 0 {
            return Err(DataError::mismatch("images", "at least 1", 0));
        }
        let (d, n) = (self.dimension, self.count as f64);
        let shifted_mean: Vec<f64> = self.sum.iter().map(|sum| sum / n).collect();
        let mut covariance = vec![0.0; d * d];
        for panel in &self.panels {
            let (rows, columns) = panel.products.shape();
            for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                let (row, column) = (panel.row + i, panel.column + j);
                let centred = panel.products[(i, j)] / n - shifted_mean[row] * shifted_mean[column];
                covariance[row * d + column] = SCALE * SCALE * centred;
                covariance[column * d + row] = SCALE * SCALE * centred;
            }
        }
        let mean = shifted_mean.iter().map(|mean| SCALE * (mean + f64::from(SHIFT)) - 1.0).collect();
        Ok(Moments { count: self.count, mean, covariance })
    }
}

/// Mean and covariance of all images of a set.
pub fn moments(images: &ImageSet) -> Result<Moments> {
    let mut accumulator = MomentAccumulator::new(images.shape().dimension());
    accumulator.add(images.pixels())?;
    accumulator.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permutation::{Purpose, keyed_bits};

    /// Correlated bytes: each value leans on the one before it.
    fn images(count: usize, dimension: usize) -> Vec<u8> {
        let mut previous = 0;
        (0..count * dimension)
            .map(|k| {
                let noise = keyed_bits(3, Purpose::Shuffle, k as u64) & 0xff;
                previous = (3 * previous + noise) / 4;
                (if k % 7 == 0 { noise } else { previous }) as u8
            })
            .collect()
    }

    /// The textbook two-pass formulas on `x = 2 u / 255 - 1`.
    fn directly(pixels: &[u8], d: usize) -> (Vec<f64>, Vec<f64>) {
        let n = (pixels.len() / d) as f64;
        let x: Vec<f64> = pixels.iter().map(|&u| 2.0 * f64::from(u) / 255.0 - 1.0).collect();
        let mean: Vec<f64> = (0..d).map(|i| x.iter().skip(i).step_by(d).sum::<f64>() / n).collect();
        let covariance = (0..d * d)
            .map(|k| {
                let (i, j) = (k / d, k % d);
                x.chunks(d).map(|x| (x[i] - mean[i]) * (x[j] - mean[j])).sum::<f64>() / n
            })
            .collect();
        (mean, covariance)
    }

    fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn agrees_with_the_direct_formulas() {
        // Several panels, the last one ragged; several blocks, the last one short.
        for (count, d) in [(2_500, 12), (1_100, PANEL + 37)] {
            let pixels = images(count, d);
            let mut accumulator = MomentAccumulator::new(d);
            accumulator.add(&pixels).unwrap();
            let Moments { count: seen, mean, covariance } = accumulator.finish().unwrap();
            let (direct_mean, direct_covariance) = directly(&pixels, d);
            assert_eq!(seen, count as u64);
            assert!(largest_difference(&mean, &direct_mean) < 1e-12);
            assert!(largest_difference(&covariance, &direct_covariance) < 1e-12);
        }
    }

    /// The extremes are where f32 would lose bits first: 1,024 products of 128 * 128 are exactly 2^24.
    #[test]
    fn constant_images_have_no_variance_at_all() {
        for value in [0, 1, 127, 128, 255] {
            let mut accumulator = MomentAccumulator::new(5);
            accumulator.add(&vec![value; 5 * 4_001]).unwrap();
            let Moments { mean, covariance, .. } = accumulator.finish().unwrap();
            let expected = 2.0 * f64::from(value) / 255.0 - 1.0;
            assert!(mean.iter().all(|mean| (mean - expected).abs() < 1e-15));
            assert!(covariance.iter().all(|&value| value == 0.0), "{covariance:?}");
        }
    }

    #[test]
    fn order_and_blocks_change_no_bit() {
        let (n, d) = (3_000, 20);
        let pixels = images(n, d);
        let mut whole = MomentAccumulator::new(d);
        whole.add(&pixels).unwrap();
        let mut parts = MomentAccumulator::new(d);
        pixels.rchunks(77 * d).for_each(|part| parts.add(part).unwrap());
        assert_eq!(whole.finish().unwrap(), parts.finish().unwrap());
    }

    #[test]
    fn impossible_inputs_are_refused() {
        assert!(MomentAccumulator::new(3).finish().is_err());
        assert!(MomentAccumulator::new(3).add(&[0; 4]).is_err());
    }
}
