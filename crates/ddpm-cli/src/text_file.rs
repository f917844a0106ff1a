//! Text that a user names: configurations, targets, lists of numbers.

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes beyond which a file is refused: a device has no end.
const MOST_BYTES: u64 = 1 << 25;

/// Reads a whole file, which may be a pipe. Errors name it.
pub(crate) fn read(path: &Path) -> Result<String> {
    let name = path.display();
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| name.to_string())?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).with_context(|| name.to_string())?;
    ensure!(bytes.len() as u64 <= MOST_BYTES, "{name}: expected text of at most {MOST_BYTES} bytes");
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
        anyhow::anyhow!("{name}: line {line}: expected text in UTF-8")
    })
}
