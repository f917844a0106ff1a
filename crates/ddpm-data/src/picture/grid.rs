//! Grids of small images.

use crate::error::{DataError, Result};
use crate::image_set::ImageShape;

use super::raster::{Colour, Picture, count_images};

/// The lines between images are white, which separates images with a dark border.
const BACKGROUND: u8 = 255;

/// The side, in pixels, below which images in a grid are enlarged by [`GridLayout::readable`].
const READABLE_SIDE: usize = 64;

/// How images are arranged in a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridLayout {
    /// Images side by side.
    pub columns: usize,
    /// Pixels between images and around the grid.
    pub padding: usize,
    /// Each image pixel is drawn as a square of this side.
    pub scale: usize,
}

impl GridLayout {
    /// A grid with the given columns, lines of 2 pixels, and images enlarged by a whole factor until a person can
    /// read them (8x8 digits by 8, 32x32 photographs by 2).
    pub fn readable(columns: usize, shape: ImageShape) -> Self {
        let side = shape.height.max(shape.width).max(1);
        Self { columns: columns.max(1), padding: 2, scale: (READABLE_SIDE / side).max(1) }
    }

    /// A readable grid of `count` images that is as square as possible.
    pub fn square(count: usize, shape: ImageShape) -> Self {
        Self::readable((count as f64).sqrt().ceil() as usize, shape)
    }
}

impl Picture {
    /// A grid of the images in `planes`, `[n, channels, height, width]`, row after row.
    pub fn grid(planes: &[u8], shape: ImageShape, layout: &GridLayout) -> Result<Self> {
        let GridLayout { columns, padding, scale } = *layout;
        if columns == 0 || scale == 0 {
            let got = format!("{columns} columns, scale {scale}");
            return Err(DataError::mismatch("grid", "at least 1 column and scale 1", got));
        }
        let count = count_images(planes, shape)?;
        let columns = columns.min(count);
        let rows = count.div_ceil(columns);
        let (cell_width, cell_height) = (shape.width * scale + padding, shape.height * scale + padding);
        let mut picture = Self::filled(
            columns * cell_width + padding,
            rows * cell_height + padding,
            Colour::of(shape)?,
            BACKGROUND,
        );
        for (k, image) in planes.chunks_exact(shape.dimension()).enumerate() {
            let (row, column) = (k / columns, k % columns);
            picture.draw(image, shape, padding + column * cell_width, padding + row * cell_height, scale);
        }
        Ok(picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_where_it_belongs() {
        // Three 1x2 grey images in two columns, padding 1, scale 2.
        let shape = ImageShape::new(1, 1, 2);
        let layout = GridLayout { columns: 2, padding: 1, scale: 2 };
        let picture = Picture::grid(&[1, 2, 3, 4, 5, 6], shape, &layout).unwrap();
        #[rustfmt::skip]
        let expected = [
            255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
            255,   1,   1,   2,   2, 255,   3,   3,   4,   4, 255,
            255,   1,   1,   2,   2, 255,   3,   3,   4,   4, 255,
            255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
            255,   5,   5,   6,   6, 255, 255, 255, 255, 255, 255,
            255,   5,   5,   6,   6, 255, 255, 255, 255, 255, 255,
            255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        ];
        assert_eq!((picture.width(), picture.height()), (11, 7));
        assert_eq!(picture.pixels(), expected);
    }

    #[test]
    fn planes_become_pixels() {
        let shape = ImageShape::new(3, 2, 2);
        let planes: Vec<u8> = (0..12).collect();
        let picture = Picture::from_planes(&planes, shape).unwrap();
        assert_eq!(picture.pixels(), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
        // At scale 3 each pixel is a square of 3x3.
        let layout = GridLayout { columns: 1, padding: 0, scale: 3 };
        let large = Picture::grid(&planes, shape, &layout).unwrap();
        let pixel = |picture: &Picture, row, column| {
            picture.pixels()[(row * picture.width() + column) * 3..][..3].to_vec()
        };
        for (row, column) in (0..6).flat_map(|row| (0..6).map(move |column| (row, column))) {
            assert_eq!(pixel(&large, row, column), pixel(&picture, row / 3, column / 3));
        }
    }

    #[test]
    fn layouts_suit_the_images() {
        assert_eq!(
            GridLayout::square(64, ImageShape::new(1, 8, 8)),
            GridLayout { columns: 8, padding: 2, scale: 8 }
        );
        assert_eq!(GridLayout::square(10, ImageShape::new(3, 32, 32)).columns, 4);
        assert_eq!(GridLayout::readable(5, ImageShape::new(3, 256, 256)).scale, 1);
    }

    #[test]
    fn impossible_grids_are_refused() {
        let shape = ImageShape::new(1, 2, 2);
        let layout = GridLayout::square(1, shape);
        assert!(Picture::grid(&[], shape, &layout).is_err());
        assert!(Picture::grid(&[0; 5], shape, &layout).is_err());
        assert!(Picture::grid(&[0; 4], shape, &GridLayout { columns: 0, ..layout }).is_err());
        let error = Picture::grid(&[0; 8], ImageShape::new(2, 2, 2), &layout).unwrap_err().to_string();
        assert_eq!(error, "channels of a picture: expected 1 (grey) or 3 (RGB), got 2");
    }
}
