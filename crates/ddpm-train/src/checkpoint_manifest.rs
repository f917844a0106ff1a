//! The SHA-256 digests of a checkpoint's files, `state/manifest.json`, by which a damaged checkpoint is recognized.
//!
//! ```text
//! {"sha256": {"model_index.json": "5f2c...", "state/weights.safetensors": "90ab...", ...}}
//! ```
//!
//! Files that are written later beside them (`denoising_error.json`) are not listed and not checked.

use crate::TrainError;
use ddpm_data::sha256_file;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// SHA-256 in hexadecimal digits by path relative to the checkpoint, with `/` between its parts.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    sha256: BTreeMap<String, String>,
}

fn path_in(checkpoint: &Path) -> PathBuf {
    checkpoint.join("state").join("manifest.json")
}

/// Lists every file below a checkpoint that is otherwise complete.
pub(crate) fn write(checkpoint: &Path) -> Result<(), TrainError> {
    let mut sha256 = BTreeMap::new();
    digest_folder(checkpoint, "", &mut sha256)?;
    let path = path_in(checkpoint);
    let text = serde_json::to_string_pretty(&Manifest { sha256 })
        .map_err(|e| TrainError::State { path: path.clone(), reason: e.to_string() })?;
    Ok(ddpm_data::atomic::write_bytes(&path, text.as_bytes())?)
}

fn digest_folder(
    folder: &Path,
    prefix: &str,
    digests: &mut BTreeMap<String, String>,
) -> Result<(), TrainError> {
    for entry in fs::read_dir(folder).map_err(TrainError::io(folder))? {
        let path = entry.map_err(TrainError::io(folder))?.path();
        let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            digest_folder(&path, &format!("{name}/"), digests)?;
        } else {
            digests.insert(name, sha256_file(&path)?);
        }
    }
    Ok(())
}

/// Compares every listed file with its digest; the error names the first that is missing, unreadable or different.
///
/// A checkpoint without a manifest comes from a version that wrote none: it passes with a warning.
pub(crate) fn verify(checkpoint: &Path) -> Result<(), TrainError> {
    if !compare(checkpoint, |_| true)? {
        let path = path_in(checkpoint);
        if !checkpoint.join("state").is_dir() {
            return Err(TrainError::State { path, reason: "is missing".to_string() });
        }
        tracing::warn!("{}: there is no manifest, so its files are not checked", path.display());
    }
    Ok(())
}

/// Compares the files outside `state/`: the published network, its scheduler, and the index. Pipelines without a manifest, such as those that
/// diffusers wrote, pass.
pub fn verify_published(checkpoint: &Path) -> Result<(), TrainError> {
    compare(checkpoint, |name| !name.starts_with("state/")).map(|_| ())
}

/// Whether there is a manifest; an error if a listed file that is `wanted` differs from it.
fn compare(checkpoint: &Path, wanted: impl Fn(&str) -> bool) -> Result<bool, TrainError> {
    let path = path_in(checkpoint);
    let text = match fs::read_to_string(&path) {
        Err(e) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&e.kind()) => return Ok(false),
        text => text.map_err(TrainError::io(&path))?,
    };
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|e| TrainError::State { path, reason: e.to_string() })?;
    for (name, expected) in manifest.sha256.iter().filter(|(name, _)| wanted(name)) {
        let path = checkpoint.join(name);
        let got = sha256_file(&path)?;
        if got != *expected {
            let reason = format!("expected SHA-256 {expected}, got {got}");
            return Err(TrainError::State { path, reason });
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_cut_or_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path();
        let weights = checkpoint.join("unet").join("weights");
        for part in ["unet", "state"] {
            fs::create_dir(checkpoint.join(part)).unwrap();
        }
        fs::write(&weights, [7; 1000]).unwrap();
        verify(checkpoint).unwrap();
        fs::write(checkpoint.join("state/weights"), [3; 10]).unwrap();
        write(checkpoint).unwrap();
        verify(checkpoint).unwrap();
        fs::write(checkpoint.join("state/weights"), [4; 10]).unwrap();
        assert!(verify(checkpoint).is_err());
        verify_published(checkpoint).unwrap();
        fs::write(checkpoint.join("state/weights"), [3; 10]).unwrap();
        fs::write(checkpoint.join("denoising_error.json"), "{}").unwrap();
        verify(checkpoint).unwrap();

        let mut flipped = vec![7; 1000];
        flipped[517] ^= 1;
        for content in [&flipped, &vec![7; 999], &Vec::new()] {
            fs::write(&weights, content).unwrap();
            let error = verify(checkpoint).unwrap_err().to_string();
            assert!(error.contains("unet/weights: expected SHA-256 "), "{error}");
        }
        let error = verify_published(checkpoint).unwrap_err().to_string();
        assert!(error.contains("unet/weights"), "{error}");
        fs::remove_file(&weights).unwrap();
        let error = verify(checkpoint).unwrap_err().to_string();
        assert!(error.contains("unet/weights"), "{error}");
    }
}
