//! Decoding of one PNG or JPEG file into channel planes.

use std::fs;
use std::io::{BufRead, Cursor, Seek};
use std::path::Path;

use image::{ColorType, DynamicImage, ImageDecoder, ImageReader};

use super::jpeg;
use crate::error::{DataError, Place, Result};
use crate::image_set::ImageShape;

/// Endings of the files that are decoded; the format is that of the content.
pub(crate) const READABLE: [&str; 5] = ["png", "jpg", "jpeg", "jpe", "jfif"];

/// Endings of images in formats that are not read; such a file is an error and is not skipped.
pub(crate) const UNREADABLE: [&str; 8] = ["webp", "bmp", "gif", "tif", "tiff", "avif", "heic", "ppm"];

/// Size and channels (1 or 3) of an image, without decoding it.
pub(super) fn read_header(path: &Path) -> Result<ImageShape> {
    header(open(path)?, path)
}

/// The same for the bytes of an image file; `path` serves the error messages.
pub(crate) fn header_of_bytes(bytes: &[u8], path: &Path) -> Result<ImageShape> {
    header(in_memory(bytes, path)?, path)
}

fn header<R: BufRead + Seek>(reader: ImageReader<R>, path: &Path) -> Result<ImageShape> {
    let decoder = reader.into_decoder().map_err(DataError::picture("decode", path))?;
    let (width, height) = decoder.dimensions();
    let channels = match decoder.color_type() {
        ColorType::L8 | ColorType::La8 => 1,
        ColorType::Rgb8 | ColorType::Rgba8 => 3,
        other => {
            let got = format!("{other:?}");
            return Err(DataError::malformed(path, Place::WholeFile, "8 bits a channel", got));
        }
    };
    Ok(ImageShape::new(channels, height as usize, width as usize))
}

fn open(path: &Path) -> Result<ImageReader<std::io::BufReader<fs::File>>> {
    let read = DataError::io("read", path);
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    reader.map_err(read)
}

fn in_memory<'a>(bytes: &'a [u8], path: &Path) -> Result<ImageReader<Cursor<&'a [u8]>>> {
    ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(DataError::io("read", path))
}

/// Decodes one image into channel planes.
pub(crate) fn decode_file(path: &Path, shape: ImageShape, planes: &mut [u8]) -> Result<()> {
    decode_bytes(&fs::read(path).map_err(DataError::io("read", path))?, path, shape, planes)
}

/// The same for the bytes of an image file; `path` serves the error messages.
pub(crate) fn decode_bytes(bytes: &[u8], path: &Path, shape: ImageShape, planes: &mut [u8]) -> Result<()> {
    if jpeg::is_cut(bytes) {
        let got = format!("the end of the file after {} bytes", bytes.len());
        return Err(DataError::malformed(path, Place::WholeFile, "JPEG's end-of-image marker", got));
    }
    let decoded = in_memory(bytes, path)?.decode().map_err(DataError::picture("decode", path))?;
    into_planes(decoded, path, shape, planes)
}

fn into_planes(decoded: DynamicImage, path: &Path, shape: ImageShape, planes: &mut [u8]) -> Result<()> {
    let size = (decoded.width() as usize, decoded.height() as usize);
    if size != (shape.width, shape.height) {
        let got = format!("{}x{}", size.0, size.1);
        let expected = format!("an image of {}x{}", shape.width, shape.height);
        return Err(DataError::malformed(path, Place::WholeFile, expected, got));
    }
    let translucent = match &decoded {
        DynamicImage::ImageLumaA8(image) => image.pixels().any(|pixel| pixel[1] != u8::MAX),
        DynamicImage::ImageRgba8(image) => image.pixels().any(|pixel| pixel[3] != u8::MAX),
        _ => false,
    };
    if translucent {
        let expected = "opaque pixels (flatten it onto a background first)";
        return Err(DataError::malformed(path, Place::WholeFile, expected, "transparent ones"));
    }
    if shape.channels == 1 && decoded.color().has_color() {
        let expected = "a grey image, as the first of the set";
        return Err(DataError::malformed(path, Place::WholeFile, expected, "one with colours"));
    }
    let pixels = match shape.channels {
        1 => decoded.into_luma8().into_raw(),
        _ => decoded.into_rgb8().into_raw(),
    };
    if pixels.len() != planes.len() {
        let expected = format!("{} bytes ({shape})", planes.len());
        return Err(DataError::malformed(path, Place::WholeFile, expected, pixels.len()));
    }
    for (channel, plane) in planes.chunks_exact_mut(shape.height * shape.width).enumerate() {
        let values = pixels.iter().skip(channel).step_by(shape.channels);
        plane.iter_mut().zip(values).for_each(|(target, value)| *target = *value);
    }
    Ok(())
}
