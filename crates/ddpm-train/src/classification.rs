//! A classifier that learns to name the class of noised images, for classifier guidance (Dhariwal & Nichol 2021, sec. 4).

use crate::config::TrainConfig;
use crate::{TimeSampler, TrainError, Trainable, TrainingImages};
use ddpm_core::Parameterization;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_data::Shard;
use ddpm_nets::checkpoint::{ClassifierCheckpoint, SchedulerConfig};
use ddpm_nets::unet::{ClassifierConfig, NoiseClassifier};
use ddpm_nets::{NetsError, Parameters};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// A classifier, the labelled images it sees, and the noise they are seen through. Its loss is the cross-entropy, in nats.
#[derive(Debug)]
pub struct ImageClassification<'a> {
    scheduler: &'a SchedulerConfig,
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
        scheduler: &'a SchedulerConfig,
        images: TrainingImages,
        device: Device,
    ) -> Result<Self, TrainError> {
        check_images(model, &images)?;
        let schedule = scheduler.schedule()?;
        Ok(ImageClassification {
            parameterization: scheduler.parameterization(),
            network: torch_ext::fence(|| NoiseClassifier::new(model.clone(), device, config.seed))??,
            images,
            times: TimeSampler::new(config.times, schedule, config.batch_size, config.seed),
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
        let n = shard.local_batch();
        let draws = self.times.draw(batch.first_sample, n);
        let mut eps = vec![0f32; x0.numel()];
        let size = x0.numel() / n.max(1);
        for (row, values) in eps.chunks_mut(size.max(1)).enumerate() {
            self.noise.fill_normal(batch.first_sample + row as u64, 0, values);
        }
        let device = x0.device();
        let column = |values: Vec<f32>| {
            torch_ext::fence(|| Tensor::from_slice(&values).to_device(device).reshape([-1, 1, 1, 1]))
        };
        // As a network of this process sees its input, so that one classifier guides all of its samplers.
        let scale = |draw: &crate::Draw| self.parameterization.input_scale(&draw.level);
        let of_x0 = column(draws.iter().map(|d| (scale(d) * d.level.alpha()) as f32).collect())?;
        let of_eps = column(draws.iter().map(|d| (scale(d) * d.level.sigma()) as f32).collect())?;
        let condition = draws
            .iter()
            .map(|draw| Ok(self.parameterization.condition(&draw.level)? as f32))
            .collect::<Result<Vec<f32>, TrainError>>()?;
        let (input, condition) = torch_ext::fence(|| {
            let eps = Tensor::from_slice(&eps).reshape(x0.size()).to_device(device);
            (of_x0 * &x0 + of_eps * eps, Tensor::from_slice(&condition).to_device(device))
        })?;
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
    let reason = "a classifier needs a data set with labels".to_string();
    TrainError::Nets(NetsError::Config { key: "num_classes".into(), reason })
}

fn check_images(model: &ClassifierConfig, images: &TrainingImages) -> Result<(), TrainError> {
    let [height, width] = model.sample_size.height_width();
    let shape = images.shape();
    let got = [shape.channels as i64, shape.height as i64, shape.width as i64];
    if got != [model.in_channels, height, width] {
        return Err(TrainError::ImageShape {
            expected: format!("{} x {height} x {width}", model.in_channels),
            got: format!("{} x {} x {}", shape.channels, shape.height, shape.width),
        });
    }
    let classes = images.classes().ok_or_else(no_labels)? as i64;
    if model.num_classes != classes {
        let reason = format!("must be {classes}, the data set's classes, got {}", model.num_classes);
        return Err(TrainError::Nets(NetsError::Config { key: "num_classes".into(), reason }));
    }
    Ok(())
}
