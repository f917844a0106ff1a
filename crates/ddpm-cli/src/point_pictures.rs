//! Pictures of points: in the plane, and on a line against the noise level. Darker where there are more.

use anyhow::Result;
use ddpm_data::ImageShape;
use ddpm_data::picture::{GridLayout, Picture};
use tch::{Kind, Tensor};

/// Side of a picture of the plane, in pixels.
const SIDE: usize = 240;
/// Height of a picture against the level, and pixels from level to level.
const HEIGHT: usize = 400;
const STEP: usize = 40;
/// Paths that are drawn at most; more make one grey area.
const PATHS: usize = 200;
/// Brightness of the line around a plane.
const FRAME: u8 = 200;
/// What a point takes from the brightness.
const INK: u8 = 70;

/// The square around the origin that holds all points of all levels.
pub(crate) struct Plane {
    half: f64,
}

impl Plane {
    /// For points [n, 2] of several levels.
    pub(crate) fn around(levels: &[Tensor]) -> Result<Self> {
        Ok(Plane { half: largest(levels)? })
    }

    /// Points [n, 2] as a picture.
    pub(crate) fn picture(&self, points: &Tensor) -> Result<Picture> {
        Ok(Picture::from_planes(&self.bytes(points)?, shape())?)
    }

    /// The points of each level in a picture of its own, from left to right.
    pub(crate) fn side_by_side(&self, levels: &[Tensor]) -> Result<Picture> {
        let planes: Vec<Vec<u8>> = levels.iter().map(|points| self.bytes(points)).collect::<Result<_>>()?;
        let layout = GridLayout { columns: levels.len().min(6), padding: 2, scale: 1 };
        Ok(Picture::grid(&planes.concat(), shape(), &layout)?)
    }

    fn bytes(&self, points: &Tensor) -> Result<Vec<u8>> {
        let mut canvas = Canvas::new(SIDE, SIDE);
        canvas.frame();
        for point in values(points)?.chunks_exact(2) {
            let place = |value: f64| (value / self.half + 1.0) / 2.0;
            canvas.dot(place(point[0]), 1.0 - place(point[1]));
        }
        Ok(canvas.pixels)
    }
}

/// Samples [n, 1] of several levels as paths: the level to the right, the value upwards.
pub(crate) fn paths_over_levels(levels: &[Tensor]) -> Result<Picture> {
    let half = largest(levels)?;
    let columns: Vec<Vec<f64>> = levels.iter().map(values).collect::<Result<_>>()?;
    let width = STEP * (levels.len() - 1) + 1;
    let mut canvas = Canvas::new(width, HEIGHT);
    for path in 0..columns[0].len().min(PATHS) {
        for (k, pair) in columns.windows(2).enumerate() {
            let (from, to) = (pair[0][path], pair[1][path]);
            // A steep line has as many dots as it has rows.
            let dots = STEP.max((HEIGHT as f64 * (to - from).abs() / (2.0 * half)) as usize);
            for dot in 0..dots {
                let share = dot as f64 / dots as f64;
                let value = from + (to - from) * share;
                let x = (k as f64 + share) / (levels.len() - 1) as f64;
                canvas.dot(x, (1.0 - value / half) / 2.0);
            }
        }
    }
    let shape = ImageShape::new(1, HEIGHT, width);
    Ok(Picture::grid(&canvas.pixels, shape, &GridLayout { columns: 1, padding: 2, scale: 1 })?)
}

fn shape() -> ImageShape {
    ImageShape::new(1, SIDE, SIDE)
}

fn values(points: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::try_from(points.to_kind(Kind::Double).contiguous().reshape([-1]))?)
}

/// A little more than the largest coordinate.
fn largest(levels: &[Tensor]) -> Result<f64> {
    let mut most = f64::MIN_POSITIVE;
    for level in levels {
        most =
            values(level)?.into_iter().filter(|value| value.is_finite()).map(f64::abs).fold(most, f64::max);
    }
    Ok(1.05 * most)
}

/// White paper.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Canvas { width, height, pixels: vec![255; width * height] }
    }

    /// A thin line around the paper.
    fn frame(&mut self) {
        for y in 0..self.height {
            for x in 0..self.width {
                if x == 0 || y == 0 || x + 1 == self.width || y + 1 == self.height {
                    self.pixels[y * self.width + x] = FRAME;
                }
            }
        }
    }

    /// A dot of two pixels' side at a place given by shares of width and height; nothing outside.
    fn dot(&mut self, x: f64, y: f64) {
        let pixel = |share: f64, size: usize| {
            let place = (share * (size - 1) as f64).round();
            (0.0..size as f64).contains(&place).then_some(place as usize)
        };
        let (Some(x), Some(y)) = (pixel(x, self.width), pixel(y, self.height)) else { return };
        for (x, y) in [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)] {
            if x < self.width && y < self.height {
                let pixel = &mut self.pixels[y * self.width + x];
                *pixel = pixel.saturating_sub(INK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_where_their_coordinates_say() {
        let points = Tensor::from_slice(&[1.0f64, 1.0, -1.0, -1.0]).reshape([2, 2]);
        let plane = Plane::around(&[points.shallow_clone()]).unwrap();
        let picture = plane.picture(&points).unwrap();
        let dark = |x: usize, y: usize| picture.pixels()[y * SIDE + x] < 255;
        // 1 of 1.05 to the right and up; rows count from the top.
        let (near, far) = (((1.0 / 1.05 + 1.0) / 2.0 * 239.0f64).round() as usize, 6);
        assert!(dark(near, far) && dark(far, near));
        assert!(!dark(far, far) && !dark(near, near));
        let paths = paths_over_levels(&[points.narrow(1, 0, 1), points.narrow(1, 0, 1) * 0.0]).unwrap();
        assert_eq!((paths.width(), paths.height()), (STEP + 5, HEIGHT + 4));
    }
}
