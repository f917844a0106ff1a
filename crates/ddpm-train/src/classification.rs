//! Training of a classifier of noised images, for classifier guidance (Dhariwal & Nichol 2021, sec. 4).

use crate::train_config::TrainConfig;
use crate::{TimeSampler, TrainError, Trainable, TrainingImages};
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
    scheduler: &'a Scheduler,
    parameterization: Parameterization,
    network: NoiseClassifier,
    images: TrainingImages,
    times: TimeSampler,
    noise: NoiseSource,
    dropout: NoiseSource,
    horizontal_flips: bool,
}

impl<'a> ImageClassification<'a> {
    /// A network with fresh weights on a device, and a copy of the images there. The seed of everything random is the configuration's.
    pub fn new(
        config: &TrainConfig,
        model: &ClassifierConfig,
        scheduler: &'a Scheduler,
        images: TrainingImages,
        device: Device,
    ) -> Result<Self, TrainError> {
        check_images(model, &images)?;
        Ok(ImageClassification {
            parameterization: scheduler.parameterization(),
            network: torch_ext::fence(|| NoiseClassifier::new(model.clone(), device, config.seed))??,
            images,
            times: TimeSampler::new(
                config.times,
                scheduler.schedule().clone(),
                config.batch_size,
                config.seed,
            ),
            noise: NoiseSource::new(config.seed, Purpose::TrainingNoise),
            dropout: NoiseSource::new(config.seed, Purpose::Dropout),
            horizontal_flips: config.horizontal_flips,
            scheduler,
        })
    }
}

impl Trainable for ImageClassification<'_> {
    fn parameters(&self) -> &Parameters {
        self.network.parameters()
    }

    fn loss(&self, step: u64, shard: &Shard) -> Result<Tensor, TrainError> {
        let batch = self.images.batch(step, shard, self.horizontal_flips)?;
        let (x0, labels) = (batch.x0, batch.labels.ok_or_else(no_labels)?);
        let samples = batch.first_sample..batch.first_sample + shard.local_batch() as u64;
        let draws = self.times.draw(batch.first_sample, shard.local_batch());
        let levels = draws.iter().map(|draw| draw.level).collect();
        let noised = NoisedBatch::keyed(&x0, levels, &self.noise, samples, 0)?;
        // The scaling of the denoiser that is to be guided, so that one classifier serves all its samplers.
        let NetworkInput { input, condition } = noised.network_input(self.parameterization)?;
        self.network.check_input(&input, &condition)?;
        Ok(torch_ext::fence(|| {
            if self.network.config().dropout > 0.0 {
                tch::manual_seed(self.dropout.derived_seed(step, shard.rank()));
            }
            let log_p = self.network.log_probabilities(&input, &condition, true);
            -log_p.gather(1, &labels.unsqueeze(1), false).mean(Kind::Float)
        })?)
    }

    fn waited_seconds(&self) -> f64 {
        self.images.waited_seconds()
    }

    fn publish(&self, dir: &Path, weights: &[Tensor]) -> Result<(), TrainError> {
        Ok(ClassifierCheckpoint::save(dir, &self.network, weights, self.scheduler)?)
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
