//! The beginning and the end of a JPEG file (ITU-T T.81, annex B). The header is read here because decoders read the whole file for it, and
//! the end because decoders fill the missing part of a file that was cut with grey.

use std::io::{self, Read, Seek, SeekFrom};

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

const EXIF_SEGMENT: u8 = 0xe1;
const EXIF: &[u8] = b"Exif\0\0";

/// What the header of a JPEG file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Columns.
    pub(super) width: u16,
    /// Rows.
    pub(super) height: u16,
    /// Bits a channel.
    pub(super) precision: u8,
    /// 1 for grey, 3 for RGB and 4 for CMYK.
    pub(super) components: u8,
    /// The Exif metadata, if there are any.
    pub(super) exif: Option<Vec<u8>>,
}

/// Reads the segments of a JPEG file up to its frame header; none if the file is not JPEG or has no such header.
pub(super) fn frame_header(reader: &mut (impl Read + Seek)) -> io::Result<Option<FrameHeader>> {
    match segments(reader) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        other => other,
    }
}

fn segments(reader: &mut (impl Read + Seek)) -> io::Result<Option<FrameHeader>> {
    let mut pair = [0; 2];
    reader.read_exact(&mut pair)?;
    if pair != [0xff, START_OF_IMAGE] {
        return Ok(None);
    }
    let mut exif = None;
    loop {
        // Fill bytes may come before a marker.
        let mut code = [0];
        reader.read_exact(&mut code)?;
        if code[0] != 0xff {
            return Ok(None);
        }
        while code[0] == 0xff {
            reader.read_exact(&mut code)?;
        }
        match code[0] {
            0x01 | 0xd0..=0xd7 => continue,
            END_OF_IMAGE | START_OF_SCAN => return Ok(None),
            _ => reader.read_exact(&mut pair)?,
        }
        let length = u16::from_be_bytes(pair);
        let Some(content) = length.checked_sub(2) else { return Ok(None) };
        match code[0] {
            // Frame headers of all processes; the codes between them are tables.
            0xc0..=0xcf if !matches!(code[0], 0xc4 | 0xc8 | 0xcc) => {
                let mut frame = [0; 6];
                reader.read_exact(&mut frame)?;
                let [precision, y1, y0, x1, x0, components] = frame;
                let (height, width) = (u16::from_be_bytes([y1, y0]), u16::from_be_bytes([x1, x0]));
                return Ok(Some(FrameHeader { width, height, precision, components, exif }));
            }
            EXIF_SEGMENT if exif.is_none() => {
                let mut segment = vec![0; usize::from(content)];
                reader.read_exact(&mut segment)?;
                exif = segment.strip_prefix(EXIF).map(<[u8]>::to_vec);
            }
            _ => {
                reader.seek(SeekFrom::Current(i64::from(content)))?;
            }
        }
    }
}

/// Walks from marker to marker: `FF` and a code, then for most codes a two-byte length and the segment.
pub(super) fn reaches_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(0xff), Some(&END_OF_IMAGE)) => return true,
            // A fill byte before a marker.
            (Some(0xff), Some(0xff)) => at += 1,
            // Markers without a segment: TEM and the restarts.
            (Some(0xff), Some(0x01 | 0xd0..=0xd7)) => at += 2,
            (Some(0xff), Some(&code)) => {
                let (Some(&high), Some(&low)) = (bytes.get(at + 2), bytes.get(at + 3)) else { return false };
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
                if code == START_OF_SCAN {
                    at += scan_length(bytes.get(at..).unwrap_or_default());
                }
            }
            // Bytes between segments, which decoders skip.
            (Some(_), Some(_)) => at += 1,
            _ => return false,
        }
    }
}

/// Bytes of entropy-coded data up to the next marker. In it `FF` is followed by a zero or belongs to a restart.
fn scan_length(bytes: &[u8]) -> usize {
    bytes
        .windows(2)
        .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7))
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_is_noticed_and_the_header_is_read() {
        let image = image::GrayImage::from_fn(40, 30, |x, y| image::Luma([(x * y % 251) as u8]));
        let mut bytes = io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        let bytes = bytes.into_inner();
        let header = |bytes: &[u8]| frame_header(&mut io::Cursor::new(bytes)).unwrap();
        let expected = FrameHeader { width: 40, height: 30, precision: 8, components: 1, exif: None };
        assert_eq!(header(&bytes), Some(expected));
        assert!(reaches_end(&bytes));
        let mut longer = bytes.clone();
        longer.extend(b"trailing bytes");
        assert!(reaches_end(&longer));
        for length in 2..bytes.len() {
            assert!(!reaches_end(&bytes[..length]), "{length} of {}", bytes.len());
            header(&bytes[..length]);
        }
        assert_eq!(header(b"\x89PNG\r\n"), None, "another format");
    }
}
