//! Samples of a network on vectors, and of a closed-form target.

use super::trajectories::write_trajectory;
use super::{IMAGE_OPTIONS, NUMBERS, Sample};
use crate::checkpoints::load_vectors;
use crate::global_options::Global;
use crate::output::print;
use crate::runtime::{self, StopFlag};
use crate::sample_files::{SampleFiles, network_digest, settings};
use crate::sampler_options::Origin;
use crate::sampling::{Model, SamplingJob, VisitedLevels};
use crate::sampling_memory;
use crate::target_file;
use crate::terminal_noise::warn_of_signal;
use crate::workers;
use anyhow::{Result, ensure};
use ddpm_core::{Noising, Scheme, Variance};
use ddpm_data::samples::{Existing, SampleFormat};
use ddpm_data::sha256_bytes;
use ddpm_nets::targets::ideal_denoiser;
use ddpm_nets::{Denoiser, ScoreDenoiser};
use ddpm_sample::Options;
use serde_json::{Map, Value, json};
use std::path::Path;
use tch::Device;

impl Sample {
    /// Samples of a network on vectors, unclipped.
    pub(super) fn of_vectors(&self, dir: &Path, global: &Global, device: Device) -> Result<()> {
        let why = format!("on {}: a network on vectors has no classes and no pictures", dir.display());
        global.given.refuse(&IMAGE_OPTIONS, &why)?;
        self.sampler.check_thresholding(false, Origin::CommandLine)?;
        let checkpoint = load_vectors(dir, device)?;
        let scheme = self.scheme(Variance::FixedLarge, &global.given)?;
        warn_of_signal(&checkpoint.noising)?;
        let chosen = self.chosen_levels()?;
        let (scheme, levels) =
            VisitedLevels::of_scheme(&checkpoint.noising, scheme, &self.visits(chosen.as_ref()), self.at)?;
        let (dim, scale) = (checkpoint.network.config().dim, checkpoint.data_scale);
        let model = settings([("checkpoint", network_digest(dir)?)]);
        let source = settings([("checkpoint", json!(dir))]);
        let denoiser = &ScoreDenoiser(&checkpoint.network);
        self.write_numbers(Vectors { denoiser, dim, scale, model, source }, (scheme, levels), global, device)
    }

    /// Samples of a closed-form target, unclipped.
    pub(super) fn of_target(&self, path: &Path, global: &Global) -> Result<()> {
        let given = &global.given;
        given.refuse(&IMAGE_OPTIONS, "with --target, which has no classes and no pictures")?;
        self.sampler.check_thresholding(false, Origin::CommandLine)?;
        let scheme = self.scheme(Variance::FixedLarge, given)?;
        let noising = self.noising.build(given)?;
        warn_of_signal(&noising)?;
        if matches!(noising, Noising::Discrete(_)) {
            given.refuse(
                &["final_denoise"],
                "on a schedule, whose last step ends at data: it is for --process",
            )?;
        }
        let chosen = self.chosen_levels()?;
        let (scheme, mut levels) =
            VisitedLevels::of_scheme(&noising, scheme, &self.visits(chosen.as_ref()), self.at)?;
        if self.final_denoise {
            levels.trajectory = levels.trajectory.with_decoder();
        }
        let target = target_file::read(path)?;
        let levels = levels.with_ideal_error(&target, &scheme)?;
        let device = runtime::prepare(global.device, global.threads)?;
        let denoiser = ideal_denoiser(&target, device)?;
        let model = settings([("target_sha256", json!(sha256_bytes(format!("{target:?}").as_bytes())))]);
        let source = settings([("target", json!(path))]);
        let dim = target.dim() as i64;
        let vectors = Vectors { denoiser: denoiser.as_ref(), dim, scale: 1.0, model, source };
        self.write_numbers(vectors, (scheme, levels), global, device)
    }

    /// Samples vectors [num, dim] and writes them.
    fn write_numbers(
        &self,
        Vectors { denoiser, dim, scale, mut model, source }: Vectors<'_>,
        (scheme, levels): (Scheme, VisitedLevels),
        global: &Global,
        device: Device,
    ) -> Result<()> {
        let out = self.out.as_deref().unwrap_or(Path::new("samples.safetensors"));
        let format = self.format(out)?;
        ensure!(
            format == SampleFormat::Tensors,
            "--out {}: these samples are numbers, not pictures; expected FILE.safetensors",
            out.display()
        );
        if let Some(digest) = self.noise_digest()? {
            model.insert("noise_sha256".into(), json!(digest));
        }
        let (noise, num) = self.noise(&[dim], global)?;
        let job = SamplingJob {
            model: Model::Denoiser(denoiser),
            scheme,
            levels,
            options: Options {
                tolerance: self.sampler.tolerance(),
                record: self.point_record(dim)?,
                ..Options::default()
            },
            known: None,
            noise,
            num,
            batch_size: self.batch_size.unwrap_or((NUMBERS / dim as u64).max(1)),
        };
        sampling_memory::check_vectors(job.batch_size.min(num), dim, device)?;
        let (path, shape) = (out, vec![dim]);
        let files = SampleFiles {
            path,
            format,
            existing: Existing::Refuse,
            model,
            source,
            shape,
            classes: None,
            scale,
        };
        let first = files.write(&job, device, &StopFlag::install()?, &workers::join()?)?;
        if let (Some(path), Some(first)) = (&self.trajectory, first) {
            write_trajectory(path, &first, denoiser)?;
        }
        print(&format!("{}\n", out.display()))
    }
}

/// A model of vectors.
struct Vectors<'a> {
    denoiser: &'a dyn Denoiser,
    /// Numbers in a vector.
    dim: i64,
    /// Samples are written times this.
    scale: f64,
    /// What identifies it.
    model: Map<String, Value>,
    /// Where it was found.
    source: Map<String, Value>,
}
