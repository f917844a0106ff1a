//! A U-Net that learns to denoise images.

use crate::config::{Precision, TrainConfig};
use crate::health;
use crate::objective::{Objective, Problem, mean_squared_error};
use crate::{TrainError, Trainable, TrainingImages, WorstSample};
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_data::{ImageSet, Shard};
use ddpm_nets::checkpoint::{self, SchedulerConfig};
use ddpm_nets::{NetsError, Parameters, UNet, UNetConfig};
use std::path::Path;
use tch::{Device, Tensor};

/// A U-Net, the images it sees, and the noise they are seen through.
#[derive(Debug)]
pub struct ImageDiffusion<'a> {
    scheduler: &'a SchedulerConfig,
    network: UNet,
    images: TrainingImages,
    objective: Objective,
    horizontal_flips: bool,
    precision: Precision,
    channels_last: bool,
    dropout: NoiseSource,
}

impl<'a> ImageDiffusion<'a> {
    /// A network with fresh weights on a device, and a copy of the images there. The seed of everything random is the configuration's.
    pub fn new(
        config: &TrainConfig,
        model: &UNetConfig,
        scheduler: &'a SchedulerConfig,
        images: &ImageSet,
        device: Device,
    ) -> Result<Self, TrainError> {
        let images = TrainingImages::on_device(images, config.seed, device)?;
        Self::with_images(config, model, scheduler, images, device)
    }

    /// The same with images that may be read from the disk as they are needed.
    pub fn with_images(
        config: &TrainConfig,
        model: &UNetConfig,
        scheduler: &'a SchedulerConfig,
        images: TrainingImages,
        device: Device,
    ) -> Result<Self, TrainError> {
        check_images(model, &images)?;
        let schedule = scheduler.schedule()?;
        let network = torch_ext::fence(|| UNet::new(model.clone(), device, config.seed))??;
        if config.channels_last {
            network.parameters().set_channels_last()?;
        }
        Ok(ImageDiffusion {
            network,
            objective: Objective::new(&schedule, scheduler.prediction(), config.seed, device),
            images,
            horizontal_flips: config.horizontal_flips,
            precision: config.precision,
            channels_last: config.channels_last,
            dropout: NoiseSource::new(config.seed, Purpose::Dropout),
            scheduler,
        })
    }
}

/// A part of a batch, ready for the network.
struct Posed {
    problem: Problem,
    labels: Option<Tensor>,
    dropout_seed: i64,
}

impl ImageDiffusion<'_> {
    fn pose(&self, step: u64, shard: &Shard) -> Result<Posed, TrainError> {
        let batch = self.images.batch(step, shard, self.horizontal_flips)?;
        let labels = batch.labels.filter(|_| self.network.config().num_class_embeds.is_some());
        let mut problem = self.objective.pose(&batch.x0, batch.first_sample)?;
        if self.channels_last {
            problem.x_t = torch_ext::memory_format::channels_last(&problem.x_t)?;
        }
        self.network.check_input(&problem.x_t, &problem.t, labels.as_ref())?;
        // The parts of a batch get masks of their own.
        Ok(Posed { problem, labels, dropout_seed: self.dropout.derived_seed(step, shard.rank()) })
    }

    /// The network's answer in training mode.
    fn answer(&self, posed: &Posed) -> Result<Tensor, TrainError> {
        let Posed { problem, labels, dropout_seed } = posed;
        let forward = || self.network.forward(&problem.x_t, &problem.t, labels.as_ref(), true);
        torch_ext::fence(|| -> Result<Tensor, TrainError> {
            if self.network.config().dropout > 0.0 {
                // Dropout masks come from libtorch's generator; seeded at each step they need no saved state.
                tch::manual_seed(*dropout_seed);
            }
            Ok(match self.precision {
                Precision::F32 => forward(),
                Precision::Bf16 => torch_ext::autocast::bf16(problem.x_t.device(), forward)?,
            })
        })?
    }
}

impl Trainable for ImageDiffusion<'_> {
    fn parameters(&self) -> &Parameters {
        self.network.parameters()
    }

    fn loss(&self, step: u64, shard: &Shard) -> Result<Tensor, TrainError> {
        let posed = self.pose(step, shard)?;
        let output = self.answer(&posed)?;
        Ok(torch_ext::fence(|| mean_squared_error(&output, &posed.problem.target))?)
    }

    fn worst_sample(&self, step: u64, shard: &Shard) -> Result<Option<WorstSample>, TrainError> {
        let posed = self.pose(step, shard)?;
        let output = tch::no_grad(|| self.answer(&posed))?;
        Ok(Some(health::worst_sample(&output, &posed.problem)?))
    }

    fn waited_seconds(&self) -> f64 {
        self.images.waited_seconds()
    }

    fn publish(&self, dir: &Path, weights: &[Tensor]) -> Result<(), TrainError> {
        let named = self.parameters().names().iter().map(String::as_str).zip(weights);
        Ok(checkpoint::save(dir, self.network.config(), named, self.scheduler)?)
    }
}

fn check_images(model: &UNetConfig, images: &TrainingImages) -> Result<(), TrainError> {
    let [height, width] = model.sample_size.height_width();
    let shape = images.shape();
    let got = [shape.channels as i64, shape.height as i64, shape.width as i64];
    if got != [model.in_channels, height, width] {
        return Err(TrainError::ImageShape {
            expected: format!("{} x {height} x {width}", model.in_channels),
            got: format!("{} x {} x {}", shape.channels, shape.height, shape.width),
        });
    }
    if model.out_channels != model.in_channels {
        return Err(TrainError::Nets(NetsError::Config {
            key: "out_channels".into(),
            reason: format!("must equal in_channels ({}), got {}", model.in_channels, model.out_channels),
        }));
    }
    if model.num_class_embeds.is_some() && !images.is_labelled() {
        return Err(TrainError::Nets(NetsError::Config {
            key: "num_class_embeds".into(),
            reason: "is set, but the data set has no labels".into(),
        }));
    }
    Ok(())
}
