//! IDX files, the layout of the MNIST family (<http://yann.lecun.com/exdb/mnist/>), gzipped or not:
//!
//! ```text
//! bytes 0..2   zero
//! byte  2      element type, 8 = unsigned byte
//! byte  3      number of dimensions d
//! 4 d bytes    the dimensions, big-endian u32
//! the rest     the elements, the last dimension fastest
//! ```

use std::path::Path;

use super::gzip;
use crate::error::{DataError, Place, Result};
use crate::format::regular_file::{self, MOST_BYTES};

const UNSIGNED_BYTE: u8 = 8;

/// Reads an IDX file of unsigned bytes whose dimensions must be `expected`, and returns its elements.
pub(crate) fn read<const D: usize>(path: &Path, expected: [usize; D]) -> Result<Vec<u8>> {
    let header = 4 + 4 * D;
    let mut bytes = regular_file::read(path, MOST_BYTES)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        bytes = gzip::decompress(path, &bytes, header + expected.iter().product::<usize>())?;
    }
    let magic = [0, 0, UNSIGNED_BYTE, D as u8];
    if bytes.len() < header {
        let expected = format!("an IDX header of {header} bytes");
        return Err(DataError::malformed(
            path,
            Place::Byte(bytes.len() as u64),
            expected,
            "the end of the file",
        ));
    }
    if bytes[..4] != magic {
        let spelled = |magic: &[u8]| format!("0x{}", hex::encode(magic));
        let expected = format!("the IDX magic number {}", spelled(&magic));
        return Err(DataError::malformed(path, Place::Byte(0), expected, spelled(&bytes[..4])));
    }
    for (k, dimension) in expected.into_iter().enumerate() {
        let start = 4 + 4 * k;
        let found =
            bytes[start..start + 4].iter().fold(0_usize, |value, &byte| value << 8 | usize::from(byte));
        if found != dimension {
            let expected = format!("dimension {} of {D} to be {dimension}", k + 1);
            return Err(DataError::malformed(path, Place::Byte(start as u64), expected, found));
        }
    }
    let size = header + expected.iter().product::<usize>();
    if bytes.len() != size {
        let place = Place::Byte(bytes.len().min(size) as u64);
        let got = format!("{} (uncompressed)", bytes.len());
        return Err(DataError::malformed(path, place, format!("{size} bytes in all"), got));
    }
    bytes.drain(..header);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use std::io::Write;
    use std::path::PathBuf;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tempfile::TempDir;

    use super::*;

    fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-idx3-ubyte");
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn cube() -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1];
        bytes.extend([9, 8, 7, 6, 5, 4]);
        bytes
    }

    #[test]
    fn elements_come_plain_and_gzipped() {
        let (_folder, path) = file(&cube());
        assert_eq!(read(&path, [2, 3, 1]).unwrap(), [9, 8, 7, 6, 5, 4]);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&cube()).unwrap();
        let packed = encoder.finish().unwrap();
        let (_folder, path) = file(&packed);
        assert_eq!(read(&path, [2, 3, 1]).unwrap(), [9, 8, 7, 6, 5, 4]);
        let (_folder, path) = file(&packed[..packed.len() - 9]);
        assert!(read(&path, [2, 3, 1]).unwrap_err().to_string().starts_with("cannot decompress"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_offset() {
        let message = |bytes: &[u8]| {
            let (_folder, path) = file(bytes);
            let message = read(&path, [2, 3, 1]).unwrap_err().to_string();
            message.strip_prefix(&format!("{}: ", path.display())).unwrap().to_string()
        };
        assert_eq!(
            message(&cube()[..9]),
            "byte 9: expected an IDX header of 16 bytes, got the end of the file"
        );
        let mut labels = cube();
        labels[3] = 1;
        assert_eq!(message(&labels), "byte 0: expected the IDX magic number 0x00000803, got 0x00000801");
        let mut wide = cube();
        wide[11] = 4;
        assert_eq!(message(&wide), "byte 8: expected dimension 2 of 3 to be 3, got 4");
        assert_eq!(message(&cube()[..20]), "byte 20: expected 22 bytes in all, got 20 (uncompressed)");
        let mut long = cube();
        long.extend([0; 3]);
        assert_eq!(message(&long), "byte 22: expected 22 bytes in all, got 25 (uncompressed)");
    }
}
