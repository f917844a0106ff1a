//! Trained networks: trained where they are not there yet, then decomposed at several numbers of steps, one after another.

mod recipe;
mod study;

pub(crate) use recipe::{NetworkName, Recipe};
#[cfg(test)]
pub(crate) use study::PartsOf;
pub(crate) use study::Study;

use super::cache::Cache;
use super::cell::Key;
use super::folder::{Folder, Log};
use super::salt::SALT;
use crate::config::Named;
use crate::exit::Interrupted;
use crate::pipeline::{self, LazySpectrum, Run};
use crate::runtime::StopFlag;
use anyhow::{Context, Result};
use ddpm_data::{Dataset, sha256_bytes};
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_train::Outcome;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;
use study::Work;
use tch::Device;

/// A network with what was found about it.
#[derive(Debug, Serialize)]
pub(crate) struct Studied {
    /// Which.
    pub(crate) name: NetworkName,
    /// Training steps.
    pub(crate) trained: u64,
    /// Numbers that it learnt.
    pub(crate) parameters: u64,
    /// Training images.
    pub(crate) training_images: usize,
    /// SHA-256 of its weights.
    pub(crate) weights_sha256: String,
    /// By number of steps.
    pub(crate) studies: Vec<Study>,
}

/// Trains what is missing and studies it.
pub(crate) fn study(
    recipe: &Recipe,
    data: &Dataset,
    folder: &Folder,
    device: Device,
    log: &Log,
    stop: &StopFlag,
) -> Result<Studied> {
    let named = Named { name: recipe.name.name().to_owned(), config: recipe.config()? };
    let run = Run::new(named, Some(folder.network(&recipe.folder())), device);
    run.check_unchanged()?;
    let begun = Instant::now();
    if let Outcome::Interrupted { step } = pipeline::train_if_needed(&run, data, stop)? {
        return Err(Interrupted { step, remedy: "the same command goes on".to_owned() }.into());
    }
    log.add(&format!("training of {}", recipe.name), begun.elapsed().as_secs_f64());

    let (trained, dir) = run.dir.newest_intact()?.context("training left no checkpoint")?;
    let weights_sha256 = weights(&dir)?;
    let data_sha256 = sha256_bytes(data.train.pixels())
        + &data.held_out.as_ref().map_or_else(String::new, |images| sha256_bytes(images.pixels()));
    let checkpoint = Checkpoint::load(&dir, device)?;
    let input = format!("{weights_sha256} {data_sha256}");
    let (cache, mut spectrum) = (Cache::new(&folder.cells()), LazySpectrum::new(data));
    let mut studies = Vec::new();
    for &steps in &recipe.steps {
        let work = Work::new(recipe, &run.named.config, steps);
        let key = Key::of(&input, &work, SALT)?;
        let study = match cache.read(&key) {
            Some(study) => study,
            None => {
                let begun = Instant::now();
                let study = work.run(&checkpoint, data, spectrum.get()?, device, stop)?;
                cache.write(&key, &work, &study)?;
                log.add(key.as_str(), begun.elapsed().as_secs_f64());
                study
            }
        };
        studies.push(study);
    }
    Ok(Studied {
        name: recipe.name,
        trained,
        parameters: checkpoint.network.parameters().count(),
        training_images: data.train.len(),
        weights_sha256,
        studies,
    })
}

/// A digest of the weights that are sampled with.
fn weights(checkpoint: &Path) -> Result<String> {
    let path = checkpoint.join("unet").join("diffusion_pytorch_model.safetensors");
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(sha256_bytes(&bytes))
}
