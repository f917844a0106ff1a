//! Reading whole files. Only regular files are opened, because opening a pipe waits for a writer and a device has no end, and no file
//! beyond a limit is read into memory.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::error::{DataError, Place, Result};
use crate::memory::human_bytes;

/// Bytes of a file of one of the named data sets at most: twice the largest, CIFAR-10's archive.
pub(crate) const MOST_BYTES: u64 = 400_000_000;

/// Opens a regular file; its length in bytes.
pub(crate) fn open(path: &Path) -> Result<(File, u64)> {
    let metadata = fs::metadata(path).map_err(DataError::io("read", path))?;
    if !metadata.is_file() {
        return Err(DataError::malformed(path, Place::WholeFile, "a regular file", "another kind"));
    }
    Ok((File::open(path).map_err(DataError::io("read", path))?, metadata.len()))
}

/// The content of a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let (file, length) = open(path)?;
    if length > limit {
        let expected = format!("at most {limit} bytes");
        let got = format!("{length} ({})", human_bytes(u128::from(length)));
        return Err(DataError::malformed(path, Place::WholeFile, expected, got));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(limit).read_to_end(&mut bytes).map_err(DataError::io("read", path))?;
    Ok(bytes)
}
