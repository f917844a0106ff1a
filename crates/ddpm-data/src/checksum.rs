//! SHA-256 of files and of bytes in memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{DataError, Mismatch, Result};
use crate::manifest::FileEntry;

/// SHA-256 of a block of bytes, in hexadecimal digits.
pub fn sha256_bytes(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// SHA-256 of a whole file, in hexadecimal digits.
pub fn sha256_file(path: &Path) -> Result<String> {
    sha256_open(&mut File::open(path).map_err(DataError::io("read", path))?, path)
}

/// SHA-256 of a whole open file, whatever its position; `path` serves the error messages.
pub(crate) fn sha256_open(file: &mut File, path: &Path) -> Result<String> {
    file.seek(SeekFrom::Start(0)).map_err(DataError::io("read", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer).map_err(DataError::io("read", path))? {
            0 => return Ok(hex::encode(hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Checks the size, then the checksum of the file at `path` against its entry in the manifest.
pub(crate) fn verify(path: &Path, entry: &FileEntry) -> Result<()> {
    let mut file = File::open(path).map_err(DataError::io("read", path))?;
    let size = file.metadata().map_err(DataError::io("read", path))?.len();
    let corrupt = |expected: String, got: String| {
        DataError::Corrupt(Mismatch { what: path.display().to_string(), expected, got })
    };
    if size != entry.size {
        return Err(corrupt(format!("bytes {}", entry.size), size.to_string()));
    }
    let digest = sha256_open(&mut file, path)?;
    if digest != entry.sha256 {
        return Err(corrupt(format!("SHA-256 {}", entry.sha256), digest));
    }
    Ok(())
}
