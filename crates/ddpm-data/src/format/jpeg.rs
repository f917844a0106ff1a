//! The end of a JPEG file (ITU-T T.81, annex B). Decoders fill the missing part of a file that was cut with grey.

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// Whether the bytes start as a JPEG file and end before its end-of-image marker.
pub(crate) fn is_cut(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, START_OF_IMAGE]) && !reaches_end(bytes)
}

/// Walks from marker to marker: `FF` and a code, then for most codes a two-byte length and the segment.
fn reaches_end(bytes: &[u8]) -> bool {
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
    fn every_cut_is_noticed_and_the_whole_is_not_one() {
        let image = image::GrayImage::from_fn(40, 30, |x, y| image::Luma([(x * y % 251) as u8]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        let bytes = bytes.into_inner();
        assert!(!is_cut(&bytes));
        let mut longer = bytes.clone();
        longer.extend(b"trailing bytes");
        assert!(!is_cut(&longer));
        for length in 2..bytes.len() {
            assert!(is_cut(&bytes[..length]), "{length} of {}", bytes.len());
        }
        assert!(!is_cut(b"\x89PNG\r\n"), "another format");
    }
}
