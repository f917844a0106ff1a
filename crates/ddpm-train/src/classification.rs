//! Training of a classifier: of noised images, for classifier guidance (Dhariwal & Nichol 2021, sec. 4), or of clean images, for features.

use crate::train_config::TrainConfig;
use crate::{ImageBatch, TimeSampler, TrainError, Trainable, TrainingImages};
use ddpm_core::Parameterization;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_data::Shard;
use ddpm_nets::checkpoint::{ClassifierCheckpoint, Scheduler};
use ddpm_nets::unet::{ClassifierConfig, NoiseClassifier};
use ddpm_nets::{NetsError, NetworkInput, NoisedBatch, Parameters};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// A classifier and its labelled training images. The loss is the cross-entropy, in nats.
#[derive(Debug)]
pub struct ImageClassification<'a> {
    network: NoiseClassifier,
    images: TrainingImages,
    noising: Option<Noising<'a>>,
    dropout: NoiseSource,
    horizontal_flips: bool,
}

/// How images are noised before they are classified.
#[derive(Debug)]
struct Noising<'a> {
    scheduler: &'a Scheduler,
    parameterization: Parameterization,
    times: TimeSampler,
    noise: NoiseSource,
}

impl Noising<'_> {
    /// What the network sees of a batch, in the scaling of the denoiser that is to be guided, so that one classifier serves all its samplers.
    fn network_input(&self, batch: &ImageBatch, images: usize) -> Result<NetworkInput, TrainError> {
        let samples = batch.first_sample..batch.first_sample + images as u64;
        let draws = self.times.draw(batch.first_sample, images)?;
        let levels = draws.iter().map(|draw| draw.level).collect();
        let noised = NoisedBatch::keyed(&batch.x0, levels, &self.noise, samples, 0)?;
        Ok(noised.network_input(self.parameterization)?)
    }
}

impl<'a> ImageClassification<'a> {
    /// A network with fresh weights on a device, and a copy of the images there. The seed of everything random is the configuration's. Without a
    /// scheduler it learns from the clean images, at time 0.
    pub fn new(
        config: &TrainConfig,
        model: &ClassifierConfig,
        scheduler: Option<&'a Scheduler>,
        images: TrainingImages,
        device: Device,
    ) -> Result<Self, TrainError> {
        check_images(model, &images)?;
        Ok(ImageClassification {
            network: torch_ext::fence(|| NoiseClassifier::new(model.clone(), device, config.seed))??,
            images,
            noising: scheduler.map(|scheduler| Noising {
                parameterization: scheduler.parameterization(),
                times: TimeSampler::new(
                    config.times,
                    scheduler.noising().clone(),
                    config.batch_size,
                    config.seed,
                ),
                noise: NoiseSource::new(config.seed, Purpose::TrainingNoise),
                scheduler,
            }),
            dropout: NoiseSource::new(config.seed, Purpose::Dropout),
            horizontal_flips: config.horizontal_flips,
        })
    }
}

impl Trainable for ImageClassification<'_> {
    fn parameters(&self) -> &Parameters {
        self.network.parameters()
    }

    fn loss(&self, step: u64, shard: &Shard) -> Result<Tensor, TrainError> {
        let batch = self.images.batch(step, shard, self.horizontal_flips)?;
        let NetworkInput { input, condition } = match &self.noising {
            Some(noising) => noising.network_input(&batch, shard.local_batch())?,
            None => NetworkInput {
                condition: batch.x0.new_zeros([batch.x0.size()[0]], (Kind::Float, batch.x0.device())),
                input: batch.x0.shallow_clone(),
            },
        };
        let labels = batch.labels.ok_or_else(no_labels)?;
        self.network.check_input(&input, &condition)?;
        Ok(torch_ext::fence(|| {
            if self.network.config().dropout > 0.0 {
                tch::manual_seed(self.dropout.derived_seed(step, shard.part()));
            }
            let log_p = self.network.log_probabilities(&input, &condition, true);
            -log_p.gather(1, &labels.unsqueeze(1), false).mean(Kind::Float)
        })?)
    }

    fn waited_seconds(&self) -> f64 {
        self.images.waited_seconds()
    }

    fn publish(&self, dir: &Path, weights: &[Tensor]) -> Result<(), TrainError> {
        Ok(ClassifierCheckpoint::save(
            dir,
            &self.network,
            weights,
            self.noising.as_ref().map(|noising| noising.scheduler),
        )?)
    }
}

fn no_labels() -> TrainError {
    NetsError::model("num_classes", "a classifier needs a data set with labels").into()
}

fn check_images(model: &ClassifierConfig, images: &TrainingImages) -> Result<(), TrainError> {
    images.check_shape(model.in_channels, model.sample_size)?;
    let classes = images.classes().ok_or_else(no_labels)? as i64;
    if model.num_classes != classes {
        let reason = format!("must be {classes}, the data set's classes, got {}", model.num_classes);
        return Err(NetsError::model("num_classes", reason).into());
    }
    Ok(())
}
