//! The cache folder of fetched datasets.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::{DataError, Result};
use crate::name::DatasetName;

/// The environment variable that replaces the user's cache folder.
const OVERRIDE: &str = "DDPM_CACHE";

/// The folder of fetched datasets: `$DDPM_CACHE/datasets`, or `ddpm/datasets` in the user's cache folder
/// (`~/.cache` on Linux, `~/Library/Caches` on macOS).
pub fn datasets_dir() -> Result<PathBuf> {
    let root = match env::var_os(OVERRIDE) {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => dirs::cache_dir().ok_or(DataError::NoCacheFolder)?.join("ddpm"),
    };
    Ok(root.join("datasets"))
}

/// The folder of one dataset's files below the folder of all.
pub(crate) fn dataset_dir(datasets: &Path, name: DatasetName) -> PathBuf {
    datasets.join(name.as_str())
}
