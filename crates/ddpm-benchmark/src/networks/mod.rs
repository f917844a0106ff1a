//! Trained networks: each is trained unless a complete run exists, then decomposed at several numbers of steps.

mod network_decomposition;
mod network_name;
mod training;
mod training_recipe;

#[cfg(test)]
pub(crate) use network_decomposition::golden;
pub(crate) use network_decomposition::{FloorTerms, NetworkTerms};
pub use network_name::NetworkName;
pub(crate) use training_recipe::TrainingRecipe;

use crate::cache::Cache;
use crate::cell::{Key, RESULTS_VERSION};
use crate::monitor::Monitor;
use crate::output_folder::{Log, OutputFolder};
use anyhow::{Context, Result};
use ddpm_data::{Dataset, sha256_bytes};
use ddpm_eval::Spectrum;
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_train::RunDir;
use network_decomposition::Measurement;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;
use tch::Device;

/// A trained network with its measurements.
#[derive(Debug, Serialize)]
pub(crate) struct MeasuredNetwork {
    /// Which network.
    pub(crate) name: NetworkName,
    /// Optimizer steps of its training.
    pub(crate) trained: u64,
    /// Number of scalar weights.
    pub(crate) parameters: u64,
    /// Number of training images.
    pub(crate) training_images: usize,
    /// SHA-256 of its published weights.
    pub(crate) weights_sha256: String,
    /// Its decompositions, by ascending number of steps.
    pub(crate) studies: Vec<NetworkTerms>,
}

/// Trains a network where that is needed and decomposes its error at each number of steps of the recipe.
pub(crate) fn measure(
    recipe: &TrainingRecipe,
    data: &Dataset,
    folder: &OutputFolder,
    device: Device,
    log: &Log,
    monitor: &dyn Monitor,
) -> Result<MeasuredNetwork> {
    let run = RunDir::new(folder.network(&recipe.folder()));
    // Against a training of this run by hand; it also marks the folder.
    let _lock = run.lock()?;
    let begun = Instant::now();
    let (trained, dir) = training::train_if_needed(recipe, data, &run, device, monitor)?;
    log.add(&format!("training of {}", recipe.name), begun.elapsed().as_secs_f64());

    let weights_sha256 = weights_digest(&dir)?;
    let data_sha256 = sha256_bytes(data.train.pixels())
        + &data.held_out.as_ref().map_or_else(String::new, |images| sha256_bytes(images.pixels()));
    let checkpoint = Checkpoint::load(&dir, device)?;
    let input = format!("{weights_sha256} {data_sha256}");
    let cache = Cache::new(&folder.cells());
    // The spectrum takes seconds for thousands of dimensions: it is computed where a measurement is missing.
    let mut spectrum: Option<Spectrum> = None;
    let mut studies = Vec::new();
    for &steps in &recipe.steps {
        let measurement = Measurement::new(recipe, steps);
        let key = Key::of(&input, &measurement, RESULTS_VERSION)?;
        let terms = match cache.read(&key) {
            Some(terms) => terms,
            None => {
                let begun = Instant::now();
                let known = match spectrum.take() {
                    Some(known) => known,
                    None => Spectrum::of_images(&data.train)?,
                };
                let terms = measurement.run(&checkpoint, data, spectrum.insert(known), device, monitor)?;
                cache.write(&key, &measurement, &terms)?;
                log.add(key.as_str(), begun.elapsed().as_secs_f64());
                terms
            }
        };
        studies.push(terms);
    }
    Ok(MeasuredNetwork {
        name: recipe.name,
        trained,
        parameters: checkpoint.network.parameters().count(),
        training_images: data.train.len(),
        weights_sha256,
        studies,
    })
}

/// SHA-256 of the weights that sampling uses.
fn weights_digest(checkpoint: &Path) -> Result<String> {
    let path = checkpoint.join("unet").join("diffusion_pytorch_model.safetensors");
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(sha256_bytes(&bytes))
}
