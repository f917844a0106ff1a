//! A model while it trains: samples from the same noise every time, and the loss on held-out images by noise level.

use super::quality::Comparison;
use crate::checkpoint_sampling::ImageSampling;
use crate::image_model::{ImageModel, image_shape};
use crate::pictures;
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::training::Preview;
use anyhow::{Context, Result, ensure};
use ddpm_core::Scheme;
use ddpm_core::TimeIndex;
use ddpm_data::{Dataset, ImageSet, Split};
use ddpm_eval::measurement::{Measurement, ThresholdedDenoiser, TrainedNetwork};
use ddpm_nets::Threshold;
use ddpm_nets::UNet;
use ddpm_nets::checkpoint::{Checkpoint, Classes};
use ddpm_sample::{NoiseInput, Record, Tolerance};
use ddpm_train::{EvaluationRequest, EvaluationResult, LevelLoss, Picture, Validation};
use tch::Tensor;
use torch_ext::dist::Workers;

/// Noise levels at which the held-out loss is measured: the middles of that many equal parts of the training levels, so that their mean
/// estimates the loss over all levels.
const LEVELS: usize = 10;

/// Samples and held-out loss of one run's averaged weights.
pub(super) struct ImagePreview<'a> {
    run: &'a Run,
    dataset: &'a Dataset,
    stop: &'a StopFlag,
    /// What samples are compared by, made at the first measurement.
    comparison: Option<Comparison>,
    /// A network for the averaged weights, made at the first look.
    model: Option<Checkpoint>,
}

impl Preview for ImagePreview<'_> {
    fn evaluate(
        &mut self,
        request: EvaluationRequest,
        step: u64,
        average: &[Tensor],
    ) -> Result<EvaluationResult> {
        self.take_in(average)?;
        if request.distance && self.comparison.is_none() {
            match Comparison::of(self.run, self.dataset, &Workers::alone(), self.stop) {
                Ok(comparison) => self.comparison = Some(comparison),
                Err(_) if self.stop.is_set() => return Ok(EvaluationResult::default()),
                Err(error) => return Err(error),
            }
        }
        let looked = || -> Result<EvaluationResult> {
            let model = self.model.as_ref().context("a look needs weights")?;
            Ok(EvaluationResult {
                picture: if request.samples { Some(self.samples(model, step)?) } else { None },
                validation: if request.validation { self.validate(model)? } else { None },
                distance: if request.distance { self.distance(model)? } else { None },
            })
        }();
        // Asked to stop in the middle: the run writes its checkpoint, and the look is done without.
        if looked.is_err() && self.stop.is_set() { Ok(EvaluationResult::default()) } else { looked }
    }
}

impl<'a> ImagePreview<'a> {
    /// Refuses a validation for which there are no images.
    pub(super) fn new(run: &'a Run, dataset: &'a Dataset, stop: &'a StopFlag) -> Result<Self> {
        let config = &run.config;
        ensure!(
            config.train.validate_every == 0 || dataset.held_out.is_some(),
            "train.validate_every: {} has no held-out images; expected a folder `test` beside `train`",
            config.data.name
        );
        Ok(ImagePreview { run, dataset, stop, model: None, comparison: None })
    }

    fn take_in(&mut self, average: &[Tensor]) -> Result<()> {
        if self.model.is_none() {
            let config = &self.run.config;
            let scheduler = config.diffusion.scheduler()?;
            let network = torch_ext::fence(|| UNet::new(config.model.clone(), self.run.device, 0))??;
            network.parameters().set_requires_grad(false);
            let rows = config.model.num_class_embeds;
            let shown = config.train.label_dropout > 0.0;
            let classes = rows.map(|rows| Classes::with_last_row_null(rows, shown));
            self.model = Some(Checkpoint { network, scheduler, classes });
        }
        let weights = self.model.iter().flat_map(|model| model.network.parameters().tensors());
        Ok(torch_ext::fence(|| {
            tch::no_grad(|| weights.zip(average).for_each(|(to, from)| to.shallow_clone().copy_(from)));
        })?)
    }

    /// Samples [num, c, h, w] by DDIM: without noise on the way, they differ by the weights alone.
    fn draw(&self, model: &Checkpoint, num: u64) -> Result<Tensor> {
        let config = &self.run.config.sample;
        let job = ImageSampling {
            model: ImageModel::plain(model),
            dir: self.run.dir.root(),
            scheme: Scheme::ddim(0.0),
            // A short schedule has fewer levels than the default asks for.
            steps: config.preview_steps.unwrap_or(1).min(model.scheduler.schedule().steps()),
            grid: config.grid,
            chosen: None,
            at: None,
            tolerance: Tolerance::default(),
            num,
            batch_size: config.batch_size,
            noise: NoiseInput::keyed(config.seed, &image_shape(model)),
            threshold: None,
            known: None,
            record: Record::default(),
        };
        Ok(job.job()?.collect(self.run.device, self.stop)?.x)
    }

    /// A grid of samples beside the others.
    fn samples(&self, model: &Checkpoint, step: u64) -> Result<Picture> {
        let samples = self.draw(model, self.run.config.sample.preview_num.unwrap_or(1))?;
        let picture = pictures::grid(&samples)?;
        picture.write_png(self.run.dir.samples().join(format!("step-{step:08}.png")))?;
        Ok(Picture {
            width: picture.width() as u32,
            height: picture.height() as u32,
            channels: picture.channels() as u32,
            png: picture.encode_png()?,
        })
    }

    /// The Fréchet distance of samples from always the same noise to real images.
    fn distance(&self, model: &Checkpoint) -> Result<Option<f64>> {
        let Some(comparison) = &self.comparison else { return Ok(None) };
        let samples = self.draw(model, self.run.config.quality.training_samples)?;
        let samples = ImageSet::new(pictures::shape_of(&samples), pictures::bytes(&samples)?)?;
        Ok(Some(comparison.distance_of(samples, self.stop)?))
    }

    /// The held-out error of the predicted noise with always the same noise.
    fn validate(&self, model: &Checkpoint) -> Result<Option<Validation>> {
        let Some(images) = &self.dataset.held_out else { return Ok(None) };
        let config = &self.run.config.eval;
        let steps = model.scheduler.schedule().steps();
        let levels: Vec<_> = (0..LEVELS)
            .map(|k| model.scheduler.schedule().level(TimeIndex(((2 * k + 1) * steps / (2 * LEVELS)) as u32)))
            .collect();
        let limit = if config.max_images == 0 { usize::MAX } else { config.max_images };
        let network = ThresholdedDenoiser::new(TrainedNetwork::from(model), Threshold::None);
        let measurement = Measurement {
            network: &network,
            empirical: None,
            reference: None,
            decoder: None,
            levels: &levels,
            config,
            device: self.run.device,
            workers: &Workers::alone(),
        };
        let count = images.len().min(limit);
        let errors = measurement.of_split(images, Split::HeldOut, count, &mut |_| self.stop.flow())?;
        let levels = (0..LEVELS)
            .map(|k| {
                let t = ((2 * k + 1) * steps / (2 * LEVELS)) as f64;
                Ok(LevelLoss { t, loss: errors.epsilon.estimate(k)?.mean })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Some(Validation::new(levels)))
    }
}
