//! Whether the file of an image is whole. Decoders differ in what they make of the missing rest of a file that was cut: each format is
//! therefore followed to its end here. Bytes after the end are allowed, because cameras and editors append their own data.

use image::ImageFormat;

use super::{jpeg, tiff};

/// What is missing from the file of an image, as the thing that was expected; none if the file is whole.
pub(super) fn missing(format: ImageFormat, bytes: &[u8]) -> Option<&'static str> {
    let (whole, expected) = match format {
        ImageFormat::Png => (png(bytes), "PNG's IEND chunk"),
        ImageFormat::Jpeg => (jpeg::reaches_end(bytes), "JPEG's end-of-image marker"),
        ImageFormat::Gif => (gif(bytes), "GIF's trailer"),
        ImageFormat::Bmp => (stated_size(bytes, 2, 0), "all bytes that BMP's header states"),
        ImageFormat::WebP => (stated_size(bytes, 4, 8), "all bytes that WebP's RIFF header states"),
        ImageFormat::Tiff => (tiff::is_whole(bytes), "all directories and values of TIFF"),
        _ => return None,
    };
    (!whole).then_some(expected)
}

/// Walks from chunk to chunk: four bytes of length, four of type, the content, four of checksum.
fn png(bytes: &[u8]) -> bool {
    let mut at = 8;
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        at += 12 + length;
        if &head[4..] == b"IEND" {
            return at <= bytes.len();
        }
    }
    false
}

/// Walks from block to block up to the trailer: extensions (`21`) and images (`2C`), each with sub-blocks up to an empty one.
fn gif(bytes: &[u8]) -> bool {
    let colours = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let Some(&flags) = bytes.get(10) else { return false };
    let mut at = 13 + colours(flags);
    loop {
        match bytes.get(at) {
            Some(0x3b) => return true,
            Some(0x21) => at += 2,
            Some(0x2c) => {
                let Some(&flags) = bytes.get(at + 9) else { return false };
                at += 11 + colours(flags);
            }
            _ => return false,
        }
        loop {
            match bytes.get(at) {
                Some(0) => break,
                Some(&length) => at += 1 + usize::from(length),
                None => return false,
            }
        }
        at += 1;
    }
}

/// Whether the file has as many bytes as the little-endian number at `at` and `beyond` more.
fn stated_size(bytes: &[u8], at: usize, beyond: usize) -> bool {
    let Some(&[a, b, c, d]) = bytes.get(at..at + 4) else { return false };
    bytes.len() >= u32::from_le_bytes([a, b, c, d]) as usize + beyond
}
