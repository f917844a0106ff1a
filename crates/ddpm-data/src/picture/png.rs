//! PNG files of pictures.

use std::fs;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat};

use crate::atomic;
use crate::error::{DataError, Place, Result};
use crate::image_set::ImageShape;

use super::raster::{Colour, Picture, count_images};

impl Picture {
    /// The picture as the bytes of a PNG file.
    pub fn encode_png(&self) -> Result<Vec<u8>> {
        let colour = match self.colour {
            Colour::Grey => ExtendedColorType::L8,
            Colour::Rgb => ExtendedColorType::Rgb8,
        };
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes)
            .write_image(&self.pixels, self.width as u32, self.height as u32, colour)
            .map_err(DataError::picture("encode", "a PNG"))?;
        Ok(bytes)
    }

    /// Writes the picture as a PNG file, atomically.
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic::write_bytes(path, &self.encode_png()?)
    }

    /// Reads a PNG file of 8-bit grey or RGB.
    pub fn read_png(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(DataError::io("read", path))?;
        let decoded = image::load_from_memory_with_format(&bytes, ImageFormat::Png)
            .map_err(DataError::picture("decode", path))?;
        let (width, height) = (decoded.width() as usize, decoded.height() as usize);
        let (colour, pixels) = match decoded {
            DynamicImage::ImageLuma8(grey) => (Colour::Grey, grey.into_raw()),
            DynamicImage::ImageRgb8(rgb) => (Colour::Rgb, rgb.into_raw()),
            other => {
                let got = format!("{:?}", other.color());
                return Err(DataError::malformed(path, Place::WholeFile, "8-bit grey or RGB", got));
            }
        };
        Ok(Self { width, height, colour, pixels })
    }
}

/// Writes each image of `planes`, `[n, channels, height, width]`, as `folder/000000.png` and so on, numbered from
/// `first`.
pub fn write_png_folder(
    folder: impl AsRef<Path>,
    planes: &[u8],
    shape: ImageShape,
    first: usize,
) -> Result<()> {
    count_images(planes, shape)?;
    for (k, image) in planes.chunks_exact(shape.dimension()).enumerate() {
        let path = folder.as_ref().join(format!("{:06}.png", first + k));
        Picture::from_planes(image, shape)?.write_png(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for shape in [ImageShape::new(1, 5, 7), ImageShape::new(3, 5, 7)] {
            let planes: Vec<u8> = (0..2 * shape.dimension()).map(|k| (k * 37 % 256) as u8).collect();
            write_png_folder(folder.path(), &planes, shape, 10).unwrap();
            for (k, image) in planes.chunks_exact(shape.dimension()).enumerate() {
                let read = Picture::read_png(folder.path().join(format!("{:06}.png", 10 + k))).unwrap();
                assert_eq!((read.height(), read.width()), (5, 7));
                assert_eq!(read, Picture::from_planes(image, shape).unwrap());
            }
        }
    }

    #[test]
    fn broken_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.png");
        let whole = Picture::from_planes(&[7; 64], ImageShape::new(1, 8, 8)).unwrap().encode_png().unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = Picture::read_png(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot decode {}", path.display())), "{error}");
    }
}
