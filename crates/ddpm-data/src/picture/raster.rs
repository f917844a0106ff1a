//! A picture in memory: rows of 8-bit pixels, grey or RGB.

use crate::error::{DataError, Result};
use crate::image_set::ImageShape;

/// The channels of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// One byte a pixel.
    Grey,
    /// Red, green, blue.
    Rgb,
}

impl Colour {
    pub(super) fn of(shape: ImageShape) -> Result<Self> {
        match shape.channels {
            1 => Ok(Self::Grey),
            3 => Ok(Self::Rgb),
            other => Err(DataError::mismatch("channels of a picture", "1 (grey) or 3 (RGB)", other)),
        }
    }

    /// Bytes a pixel.
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}

/// A picture in the layout of image files: `[height, width, channels]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) colour: Colour,
    pub(super) pixels: Vec<u8>,
}

impl Picture {
    /// A picture of one image given as channel planes, `[channels, height, width]`.
    pub fn from_planes(planes: &[u8], shape: ImageShape) -> Result<Self> {
        let mut picture = Self::filled(shape.width, shape.height, Colour::of(shape)?, 0);
        check_length(planes, shape, 1)?;
        picture.draw(planes, shape, 0, 0, 1);
        Ok(picture)
    }

    /// Columns of pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Channels: 1 for grey, 3 for RGB.
    pub fn channels(&self) -> usize {
        self.colour.channels()
    }

    /// The bytes, `[height, width, channels]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The values by channel, as [`Picture::from_planes`] takes them.
    pub fn planes(&self) -> Vec<u8> {
        let channel = |c| self.pixels.iter().skip(c).step_by(self.channels()).copied();
        (0..self.channels()).flat_map(channel).collect()
    }

    pub(super) fn filled(width: usize, height: usize, colour: Colour, value: u8) -> Self {
        Self { width, height, colour, pixels: vec![value; width * height * colour.channels()] }
    }

    /// Draws channel planes with their corner at column `left`, row `top`, each pixel `scale` pixels wide and high.
    pub(super) fn draw(&mut self, planes: &[u8], shape: ImageShape, left: usize, top: usize, scale: usize) {
        let channels = self.colour.channels();
        for (channel, plane) in planes.chunks_exact(shape.height * shape.width).enumerate() {
            for row in 0..shape.height * scale {
                let source = &plane[row / scale * shape.width..][..shape.width];
                let start = ((top + row) * self.width + left) * channels + channel;
                let target = self.pixels[start..].iter_mut().step_by(channels);
                for (column, pixel) in target.take(shape.width * scale).enumerate() {
                    *pixel = source[column / scale];
                }
            }
        }
    }
}

/// Checks that `planes` holds `count` images of a shape.
fn check_length(planes: &[u8], shape: ImageShape, count: usize) -> Result<()> {
    if planes.len() == count * shape.dimension() {
        return Ok(());
    }
    let expected = format!("{} ({count} of {shape})", count * shape.dimension());
    Err(DataError::mismatch("bytes of a picture", expected, planes.len()))
}

/// The number of images of a shape that `planes` holds, if it is a whole and positive one.
pub(super) fn count_images(planes: &[u8], shape: ImageShape) -> Result<usize> {
    if planes.is_empty() || shape.dimension() == 0 || !planes.len().is_multiple_of(shape.dimension()) {
        let expected = format!("a positive multiple of {} ({shape})", shape.dimension());
        return Err(DataError::mismatch("bytes of pictures", expected, planes.len()));
    }
    Ok(planes.len() / shape.dimension())
}
