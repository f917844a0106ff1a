//! PNG files of pictures.

use std::fs;
use std::io;
use std::path::Path;

use image::{DynamicImage, ImageFormat};

use crate::atomic;
use crate::error::{DataError, Place, Result};
use crate::image_set::ImageShape;

use super::raster::{Colour, Picture, count_images};

impl Picture {
    /// The picture as the bytes of a PNG file.
    pub fn encode_png(&self) -> Result<Vec<u8>> {
        self.encode(None)
    }

    /// The same with an entry of text, in ASCII: a chunk `tEXt` with this key.
    pub fn encode_png_with_text(&self, key: &str, text: &str) -> Result<Vec<u8>> {
        self.encode(Some((key, text)))
    }

    fn encode(&self, text: Option<(&str, &str)>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes, text).map_err(|error| {
            let error = io::Error::other(error.to_string());
            DataError::picture("encode", "a PNG")(image::ImageError::IoError(error))
        })?;
        Ok(bytes)
    }

    fn encode_into(&self, bytes: &mut Vec<u8>, text: Option<(&str, &str)>) -> Result<(), png::EncodingError> {
        let mut encoder = png::Encoder::new(bytes, self.width as u32, self.height as u32);
        encoder.set_color(match self.colour {
            Colour::Grey => png::ColorType::Grayscale,
            Colour::Rgb => png::ColorType::Rgb,
        });
        encoder.set_compression(png::Compression::Fast);
        encoder.set_filter(png::Filter::Adaptive);
        if let Some((key, text)) = text {
            encoder.add_text_chunk(key.to_string(), text.to_string())?;
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()
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

/// The name of image `index` in a folder of PNGs.
pub fn png_name(index: u64) -> String {
    format!("{index:06}.png")
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
        let path = folder.as_ref().join(png_name((first + k) as u64));
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
