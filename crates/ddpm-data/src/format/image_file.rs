//! Headers and decoding of image files in every format that is read, into channel planes.

use std::fmt;
use std::io::{BufRead, Cursor, Seek, SeekFrom};
use std::path::Path;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::{convert, jpeg, whole};
use crate::error::{DataError, Place, Result};
use crate::image_options::Resize;
use crate::image_set::ImageShape;
use crate::memory::human_bytes;

/// Endings of the files that are decoded; the format is that of the content.
pub(crate) const READABLE: [&str; 10] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "gif", "tif", "tiff"];

/// Endings of images in formats that are not read; such a file is an error and is not passed over.
pub(crate) const UNREADABLE: [&str; 12] =
    ["avif", "heic", "heif", "jxl", "jp2", "j2k", "ppm", "pgm", "pbm", "pnm", "tga", "exr"];

/// What is read, for error messages.
pub(crate) const FORMATS: &str = "PNG, JPEG, WebP, BMP, GIF or TIFF";

/// Largest size in bytes of an image file.
pub(crate) const MAX_FILE: u64 = 1 << 30;

/// Largest size in bytes of a decoded image.
const MAX_DECODED: u64 = 1 << 29;

/// What the header of an image file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Channels (1 or 3), and height and width as the image is shown: its orientation is applied.
    pub(crate) shape: ImageShape,
    /// Whether it has more than 8 bits a channel.
    pub(crate) deep: bool,
    /// Whether it is a GIF, of which the first frame is read.
    pub(crate) gif: bool,
}

/// How every image of a set is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decoding {
    /// The shape that all images get.
    pub(crate) shape: ImageShape,
    /// How an image of another size gets it.
    pub(crate) resize: Resize,
    /// Whether 16 bits a channel and transparency are converted; they are refused otherwise.
    pub(crate) kinds: bool,
}

/// Height, width and colour of an image for error messages, as `6x4 RGB` (width first, as image viewers show it).
pub(crate) struct Described(pub(crate) ImageShape);

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImageShape { channels, height, width } = self.0;
        write!(f, "{width}x{height} {}", if channels == 1 { "grey" } else { "RGB" })
    }
}

fn malformed(path: &Path, expected: impl fmt::Display, got: impl fmt::Display) -> DataError {
    DataError::malformed(path, Place::WholeFile, expected, got)
}

/// Reads the header of an image file; `path` serves the error messages.
pub(crate) fn header<R: BufRead + Seek>(mut reader: R, path: &Path) -> Result<Header> {
    let frame = jpeg::frame_header(&mut reader).map_err(DataError::io("read", path))?;
    reader.seek(SeekFrom::Start(0)).map_err(DataError::io("read", path))?;
    let (size, orientation, channels, deep, gif) = match frame {
        Some(frame) => {
            if frame.precision != 8 {
                return Err(malformed(path, "8 bits a channel", format!("JPEG of {} bits", frame.precision)));
            }
            let exif = frame.exif.as_deref().and_then(Orientation::from_exif_chunk);
            let size = (u32::from(frame.width), u32::from(frame.height));
            let channels = if frame.components == 1 { 1 } else { 3 };
            check_decoded(path, size, u64::from(size.0) * u64::from(size.1) * channels)?;
            (size, exif.unwrap_or(Orientation::NoTransforms), channels as usize, false, false)
        }
        None => {
            let (mut decoder, format) = decoder(reader, path)?;
            let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
            let (channels, deep) = match decoder.color_type() {
                ColorType::L8 | ColorType::La8 => (1, false),
                ColorType::Rgb8 | ColorType::Rgba8 => (3, false),
                ColorType::L16 | ColorType::La16 => (1, true),
                ColorType::Rgb16 | ColorType::Rgba16 => (3, true),
                other => return Err(malformed(path, "8 or 16 bits a channel", format!("{other:?}"))),
            };
            (decoder.dimensions(), orientation, channels, deep, format == ImageFormat::Gif)
        }
    };
    let turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let (width, height) = if turned { (size.1, size.0) } else { size };
    let shape = ImageShape::new(channels, height as usize, width as usize);
    if shape.dimension() == 0 {
        return Err(malformed(path, "an image of at least 1x1", format!("{width}x{height}")));
    }
    Ok(Header { shape, deep, gif })
}

/// Refuses an image whose decoded pixels would fill the memory, whatever the file's size is.
fn check_decoded(path: &Path, (width, height): (u32, u32), bytes: u64) -> Result<()> {
    if bytes <= MAX_DECODED {
        return Ok(());
    }
    let expected = format!("an image of at most {} decoded", human_bytes(u128::from(MAX_DECODED)));
    Err(malformed(path, expected, format!("{width}x{height} pixels ({})", human_bytes(u128::from(bytes)))))
}

/// A decoder of the content's format, which is known not to need much memory.
fn decoder<'a, R: BufRead + Seek + 'a>(
    reader: R,
    path: &Path,
) -> Result<(impl ImageDecoder + 'a, ImageFormat)> {
    let reader = ImageReader::new(reader).with_guessed_format().map_err(DataError::io("read", path))?;
    let format = reader.format().ok_or_else(|| malformed(path, FORMATS, "another format"))?;
    let decoder = reader.into_decoder().map_err(DataError::picture("decode", path))?;
    check_decoded(path, decoder.dimensions(), decoder.total_bytes())?;
    Ok((decoder, format))
}

/// Decodes the bytes of an image file into channel planes; `path` serves the error messages.
pub(crate) fn decode(bytes: &[u8], path: &Path, decoding: &Decoding, planes: &mut [u8]) -> Result<()> {
    let (mut decoder, format) = decoder(Cursor::new(bytes), path)?;
    if let Some(expected) = whole::missing(format, bytes) {
        let got = format!("the end of the file after {} bytes", bytes.len());
        return Err(malformed(path, expected, got));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(DataError::picture("decode", path))?;
    decoded.apply_orientation(orientation);
    if !decoding.kinds && convert::is_translucent(&decoded) {
        let expected = "opaque pixels (data.channels = 3 or 1 puts them over black)";
        return Err(malformed(path, expected, "transparent ones"));
    }
    let opaque =
        convert::opaque(decoded).ok_or_else(|| malformed(path, "8 or 16 bits a channel", "others"))?;
    let (shape, [height, width]) = (decoding.shape, opaque.height_width());
    if decoding.resize == Resize::None && [height, width] != [shape.height, shape.width] {
        let expected = format!("an image of {}x{}", shape.width, shape.height);
        return Err(malformed(path, expected, format!("{width}x{height}")));
    }
    opaque.into_planes(shape, decoding.resize, planes);
    Ok(())
}
