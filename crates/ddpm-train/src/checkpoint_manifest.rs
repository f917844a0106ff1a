//! The SHA-256 digests of a checkpoint's files, `state/manifest.json`, by which a damaged checkpoint is recognized.
//!
//! ```text
//! {"sha256": {"model_index.json": "5f2c...", "state/weights.safetensors": "90ab...", ...}}
//! ```
//!
//! Files that are written later beside them (`denoising_error.json`) are not listed and not checked. To resume, every file must be the one that
//! training wrote. Sampling and measuring read the published network alone: weights that differ are refused, a configuration that was changed
//! by hand is taken with a warning, and nothing in `state/` matters but the list itself.

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

/// Compares every listed file with its digest; the error names the first that is missing, unreadable or different. A configuration that was
/// changed by hand is [`TrainError::Edited`].
///
/// A checkpoint without a manifest comes from a version that wrote none: it passes with a warning.
pub(crate) fn verify(checkpoint: &Path) -> Result<(), TrainError> {
    let path = path_in(checkpoint);
    let Some(manifest) = read(&path)? else {
        if !checkpoint.join("state").is_dir() {
            return Err(TrainError::State { path, reason: "is missing".to_string() });
        }
        tracing::warn!("{}: there is no manifest, so its files are not checked", path.display());
        return Ok(());
    };
    for (name, expected) in &manifest.sha256 {
        let path = checkpoint.join(name);
        let got = sha256_file(&path)?;
        if got != *expected {
            return Err(match is_configuration(name) && is_json(&path) {
                true => TrainError::Edited(path),
                false => {
                    TrainError::State { path, reason: format!("expected SHA-256 {expected}, got {got}") }
                }
            });
        }
    }
    Ok(())
}

/// Compares the files outside `state/`, which sampling and measuring read: weights that differ are an error, a changed configuration is a
/// warning. Pipelines without a manifest, such as those that diffusers wrote, pass; so does one whose manifest is damaged, with a warning.
pub fn verify_published(checkpoint: &Path) -> Result<(), TrainError> {
    let list = path_in(checkpoint);
    let manifest = match read(&list) {
        Ok(manifest) => manifest,
        Err(error) => {
            tracing::warn!("{error}; the weights are not checked");
            None
        }
    };
    let listed = manifest.iter().flat_map(|manifest| &manifest.sha256);
    for (name, expected) in listed.filter(|(name, _)| !name.starts_with("state/")) {
        let path = checkpoint.join(name);
        // Loading says what is missing: a folder may hold the weights in another form.
        if !path.is_file() {
            continue;
        }
        let got = sha256_file(&path)?;
        if got == *expected {
            continue;
        }
        if is_configuration(name) {
            tracing::warn!("{}: was changed since training wrote it; it is taken as it is", path.display());
            continue;
        }
        let reason = format!(
            "expected SHA-256 {expected}, got {got}: the file is damaged, or it was replaced; bring back a copy, or remove {} to \
             accept it (training cannot resume from it then)",
            list.display()
        );
        return Err(TrainError::State { path, reason });
    }
    Ok(())
}

/// Whether two checkpoints have the same files with the same content.
pub(crate) fn same_files(one: &Path, other: &Path) -> Result<bool, TrainError> {
    let [mut a, mut b] = [BTreeMap::new(), BTreeMap::new()];
    digest_folder(one, "", &mut a)?;
    digest_folder(other, "", &mut b)?;
    Ok(a == b)
}

/// Whether a listed file is a configuration that people change by hand.
fn is_configuration(name: &str) -> bool {
    name.ends_with(".json") && !name.starts_with("state/")
}

fn is_json(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).is_ok())
}

/// The list, where there is one.
fn read(path: &Path) -> Result<Option<Manifest>, TrainError> {
    let text = match fs::read_to_string(path) {
        Err(e) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&e.kind()) => return Ok(None),
        text => text.map_err(TrainError::io(path))?,
    };
    let manifest = serde_json::from_str(&text);
    manifest.map(Some).map_err(|e| TrainError::State { path: path.to_path_buf(), reason: e.to_string() })
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
        assert!(error.contains("unet/weights") && error.contains("remove"), "{error}");
        fs::remove_file(&weights).unwrap();
        let error = verify(checkpoint).unwrap_err().to_string();
        assert!(error.contains("unet/weights"), "{error}");
    }

    #[test]
    fn a_changed_configuration_is_taken_for_sampling_and_refused_for_training() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path();
        for part in ["scheduler", "state"] {
            fs::create_dir(checkpoint.join(part)).unwrap();
        }
        let config = checkpoint.join("scheduler/scheduler_config.json");
        fs::write(&config, r#"{"beta_end": 0.02}"#).unwrap();
        fs::write(checkpoint.join("state/state.json"), "{}").unwrap();
        write(checkpoint).unwrap();
        fs::write(&config, r#"{"beta_end": 0.03}"#).unwrap();
        verify_published(checkpoint).unwrap();
        let error = verify(checkpoint).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, TrainError::Edited(_)) && text.contains("restore the file"), "{text}");
        assert!(text.contains("scheduler/scheduler_config.json"), "{text}");
        // Half a file is no edit.
        fs::write(&config, r#"{"beta_"#).unwrap();
        assert!(matches!(verify(checkpoint).unwrap_err(), TrainError::State { .. }));

        // Nothing in state/ matters for sampling.
        fs::write(&config, r#"{"beta_end": 0.02}"#).unwrap();
        fs::write(checkpoint.join("state/state.json"), "damaged").unwrap();
        verify_published(checkpoint).unwrap();
        fs::write(path_in(checkpoint), "damaged").unwrap();
        verify_published(checkpoint).unwrap();
        fs::remove_dir_all(checkpoint.join("state")).unwrap();
        verify_published(checkpoint).unwrap();
    }
}
