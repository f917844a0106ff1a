//! Decompression of gzip files whose content has a known largest size.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::error::{DataError, Place, Result};

/// Decompresses `bytes`; content of more than `limit` bytes is refused before it fills the memory. `path` serves the
/// error messages.
pub(crate) fn decompress(path: &Path, bytes: &[u8], limit: usize) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut decoder = GzDecoder::new(bytes).take(limit as u64 + 1);
    decoder.read_to_end(&mut content).map_err(DataError::io("decompress", path))?;
    if content.len() > limit {
        let expected = format!("at most {limit} bytes of content");
        return Err(DataError::malformed(path, Place::WholeFile, expected, "more"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn content_beyond_the_limit_is_refused() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&[7; 1000]).unwrap();
        let packed = encoder.finish().unwrap();
        let path = Path::new("a.gz");
        assert_eq!(decompress(path, &packed, 1000).unwrap(), [7; 1000]);
        let error = decompress(path, &packed, 999).unwrap_err().to_string();
        assert_eq!(error, "a.gz: whole file: expected at most 999 bytes of content, got more");
    }
}
