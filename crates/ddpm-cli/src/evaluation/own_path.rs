//! The states that a sampler of a checkpoint visits, beside noised data.

use super::image_set::Images;
use super::studied_sampler::{StudiedSampler, StudyJob};
use crate::image_model::image_shape;
use crate::progress::Progress;
use crate::runtime::StopFlag;
use anyhow::{Result, ensure};
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{Level, Scheme, Time};
use ddpm_data::{Dataset, ShuffledOrder};
use ddpm_eval::EvalError;
use ddpm_eval::own_path::{PrincipalAxes, mean_distance, state_moments};
use ddpm_nets::normal_rows;
use ddpm_nets::pixels::from_u8;
use ddpm_report::results::{Format, OwnPathLevel, OwnPathReport};
use ddpm_sample::{NoiseInput, Record};
use tch::{Device, Tensor};

/// Levels that are kept of a long path.
const LEVELS: usize = 50;
/// Principal axes.
const AXES: i64 = 4;

/// The sampler whose path is followed.
pub(crate) struct OwnPathJob<'a> {
    /// The sampler.
    pub(crate) sampler: &'a StudiedSampler<'a>,
    /// Samples, and real images at most.
    pub(crate) samples: u64,
    /// The data set.
    pub(crate) data_name: String,
}

/// States and answers of all batches at one level.
struct Visited {
    level: Level,
    x_t: Vec<Tensor>,
    x0: Vec<Tensor>,
}

impl OwnPathJob<'_> {
    /// Checks, before anything is computed, that the sampler goes from level to level.
    pub(crate) fn check(scheme: &Scheme) -> Result<()> {
        ensure!(
            !matches!(scheme, Scheme::Langevin { .. } | Scheme::AnnealedLangevin { .. } | Scheme::OdeRk45),
            "--own-path follows samplers that visit each level once, not {}",
            scheme.name()
        );
        Ok(())
    }

    /// The moments on both sides. The data are held-out images, or training images where nothing was held out.
    pub(crate) fn run(&self, dataset: &Dataset, stop: &StopFlag) -> Result<OwnPathReport> {
        Self::check(&self.sampler.scheme)?;
        let (device, batch) = (self.sampler.device, self.sampler.batch_size.min(self.samples));
        self.sampler.check_memory(self.samples)?;
        let real = self.real_images(dataset)?;
        let shape = image_shape(self.sampler.checkpoint);
        let size = [real.images.len() as i64, shape[0], shape[1], shape[2]];
        let x0 = torch_ext::fence(|| from_u8(&Tensor::from_slice(real.images.pixels()).reshape(size)))?;
        let axes = PrincipalAxes::of(&x0, AXES)?;
        let own_labels = self.sampler.labels();
        let labels = real.images.labels().map(<[i64]>::to_vec).filter(|_| own_labels.is_some());
        let job = |labels: Option<Vec<i64>>| {
            self.sampler.job(StudyJob {
                scheme: self.sampler.scheme,
                steps: self.sampler.steps,
                chosen: self.sampler.chosen.as_ref(),
                labels,
                noise: NoiseInput::keyed(self.sampler.seed, &shape),
                num: self.samples,
                record: Record { frames: LEVELS, images: self.samples as usize },
            })
        };
        let sampler = job(own_labels.clone())?;
        let mut bar = Progress::new("own path", "states", 0, self.samples + real.images.len() as u64);
        let mut visited: Vec<Visited> = Vec::new();
        for first in (0..self.samples).step_by(batch as usize) {
            let range = first..(first + batch).min(self.samples);
            bar.set(first, String::new);
            let frames = sampler.states(range, device, stop)?.frames;
            if visited.is_empty() {
                let empty = |level| Visited { level, x_t: Vec::new(), x0: Vec::new() };
                visited = frames.iter().map(|frame| empty(frame.level)).collect();
            }
            for (at, frame) in visited.iter_mut().zip(frames) {
                at.x_t.push(frame.x_t.to_device(Device::Cpu));
                at.x0.push(frame.x0.to_device(Device::Cpu));
            }
        }
        // Noised images are shown to the network with their own classes.
        let shown = job(labels.or(own_labels))?;
        let noise = NoiseSource::new(self.sampler.seed, Purpose::Evaluation);
        let mut levels = Vec::with_capacity(visited.len());
        for (k, Visited { level, x_t, x0: answers }) in visited.iter().enumerate() {
            let (mut noised, mut predicted) = (Vec::new(), Vec::new());
            let images = real.images.len() as u64;
            for first in (0..images).step_by(batch as usize) {
                if stop.is_set() {
                    return Err(EvalError::Interrupted.into());
                }
                let range = first..(first + batch).min(images);
                let eps = normal_rows(&noise, range.clone(), k as u64, &shape, device)?;
                let rows = x0.narrow(0, first as i64, (range.end - first) as i64).to_device(device);
                let state = torch_ext::fence(|| rows * level.alpha() + eps * level.sigma())?;
                predicted.push(shown.answers(&state, level, &range, device)?.to_device(Device::Cpu));
                noised.push(state.to_device(Device::Cpu));
            }
            bar.set(self.samples + images * (k as u64 + 1) / visited.len() as u64, String::new);
            let joined = |parts: &[Tensor]| torch_ext::fence(|| Tensor::cat(parts, 0));
            let (path, data) = (joined(x_t)?, joined(&noised)?);
            levels.push(OwnPathLevel {
                t: match level.time() {
                    Time::Index(t) => Some(t.0 + 1),
                    _ => None,
                },
                snr: level.snr(),
                data: state_moments(&data, &joined(&predicted)?, level, &axes)?,
                path: state_moments(&path, &joined(answers)?, level, &axes)?,
                mean_distance: mean_distance(&path, &data)?,
            });
        }
        bar.finish(&format!("{} samples and {} noised images", self.samples, real.images.len()));
        Ok(OwnPathReport {
            format: Format,
            sampler: self.sampler.scheme.name().into(),
            steps: self.sampler.steps as u64,
            samples: self.samples,
            images: real.images.len() as u64,
            data: real.name,
            axis_shares: axes.shares,
            seed: self.sampler.seed,
            levels,
        })
    }

    fn real_images(&self, dataset: &Dataset) -> Result<Images> {
        let (images, split) = match &dataset.held_out {
            Some(images) => (images, "held-out"),
            None => (&dataset.train, "train"),
        };
        let rows = ShuffledOrder::new(0, images.len())?.choice(self.samples as usize);
        let mut some = ddpm_data::ImageSet::new(images.shape(), images.gather(&rows, None))?;
        if let Some(labels) = images.gather_labels(&rows) {
            some = some.with_labels(labels, images.class_names().to_vec())?;
        }
        ensure!(
            some.len() >= 2,
            "--own-path needs at least 2 real images, {} has {}",
            self.data_name,
            some.len()
        );
        Ok(Images { images: some, name: format!("{}, {split}", self.data_name) })
    }
}
