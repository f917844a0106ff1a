//! Training of a U-Net denoiser on images.

use crate::nonfinite;
use crate::train_config::{Precision, TrainConfig};
use crate::{Objective, ObjectiveConfig, TrainError, Trainable, TrainingBatch, TrainingImages, WorstSample};
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{NoiseCondition, Parameterization, PredictionKind, Scale, TimeIndex, Variance};
use ddpm_data::{ImageSet, Shard};
use ddpm_nets::checkpoint::{Checkpoint, Classes, Scheduler};
use ddpm_nets::unet::TimeEmbeddingType;
use ddpm_nets::{NetsError, Parameters, UNet, UNetConfig};
use rand_distr::{Bernoulli, Distribution};
use std::cell::RefCell;
use std::path::Path;
use tch::{Device, Tensor};
use torch_ext::dist::Workers;
use torch_ext::transfer::upload;

/// A U-Net, its training images and its objective.
#[derive(Debug)]
pub struct ImageDiffusion<'a> {
    scheduler: &'a Scheduler,
    network: UNet,
    images: TrainingImages,
    objective: Objective,
    /// Losses of the step in progress by training level, for importance sampling of the levels.
    step_losses: RefCell<Vec<(TimeIndex, f64)>>,
    label_dropout: Option<LabelDropout>,
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
        scheduler: &'a Scheduler,
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
        scheduler: &'a Scheduler,
        images: TrainingImages,
        device: Device,
    ) -> Result<Self, TrainError> {
        check_images(model, &images)?;
        let (objective, label_dropout) = Self::parts(config, model, scheduler, images.grey_levels())?;
        let network = torch_ext::fence(|| UNet::new(model.clone(), device, config.seed))??;
        if config.channels_last {
            network.parameters().set_channels_last()?;
        }
        Ok(ImageDiffusion {
            network,
            objective,
            step_losses: RefCell::default(),
            label_dropout,
            images,
            horizontal_flips: config.horizontal_flips,
            precision: config.precision,
            channels_last: config.channels_last,
            dropout: NoiseSource::new(config.seed, Purpose::Dropout),
            scheduler,
        })
    }
}

impl ImageDiffusion<'_> {
    /// Checks, without data and without a network, that model, process and objective belong together.
    pub fn check(config: &TrainConfig, model: &UNetConfig, scheduler: &Scheduler) -> Result<(), TrainError> {
        Self::parts(config, model, scheduler, 256).map(|_| ())
    }

    fn parts(
        config: &TrainConfig,
        model: &UNetConfig,
        scheduler: &Scheduler,
        grey_levels: u16,
    ) -> Result<(Objective, Option<LabelDropout>), TrainError> {
        let variance = scheduler.variance();
        check_output(model, variance)?;
        check_condition(model, scheduler)?;
        if config.loss.score_objective().is_some() && config.precision == Precision::Bf16 {
            let reason = format!(
                "must be \"f32\" for the loss {:?}, which differentiates the network twice",
                config.loss.name()
            );
            return Err(TrainError::key("train.precision", reason));
        }
        let objective = Objective::new(ObjectiveConfig {
            noising: scheduler.noising().clone(),
            parameterization: scheduler.parameterization(),
            variance,
            loss: config.loss,
            times: config.times,
            grey_levels,
            batch_size: config.batch_size,
            seed: config.seed,
        })?;
        Ok((objective, LabelDropout::new(config, model)?))
    }
}

/// A part of a batch with everything that the network needs.
struct Part {
    batch: TrainingBatch,
    labels: Option<Tensor>,
    dropout_seed: i64,
}

impl ImageDiffusion<'_> {
    fn part(&self, step: u64, shard: &Shard) -> Result<Part, TrainError> {
        let images = self.images.batch(step, shard, self.horizontal_flips)?;
        let labels = match (images.labels, &self.label_dropout) {
            (Some(labels), Some(dropout)) => Some(dropout.apply(&labels, images.first_sample)?),
            (labels, _) => labels.filter(|_| self.network.config().num_class_embeds.is_some()),
        };
        let mut batch = self.objective.batch(&images.x0, images.first_sample)?;
        if self.channels_last {
            batch.input = torch_ext::memory_format::channels_last(&batch.input)?;
        }
        self.network.check_shapes(&batch.input, &batch.condition, labels.as_ref())?;
        // The parts of a batch get masks of their own.
        Ok(Part { batch, labels, dropout_seed: self.dropout.derived_seed(step, shard.part()) })
    }

    /// The loss of every image in training mode: `[n]`.
    fn losses(&self, part: &Part) -> Result<Tensor, TrainError> {
        let Part { batch, labels, dropout_seed } = part;
        let network = |input: &Tensor| {
            let forward = || self.network.forward(input, &batch.condition, labels.as_ref(), true);
            match self.precision {
                Precision::F32 => torch_ext::fence(forward),
                Precision::Bf16 => torch_ext::autocast::bf16(batch.input.device(), forward),
            }
        };
        torch_ext::fence(|| -> Result<Tensor, TrainError> {
            if self.network.config().dropout > 0.0 {
                // Dropout masks come from libtorch's generator; seeded at each step they need no saved state.
                tch::manual_seed(*dropout_seed);
            }
            self.objective.losses_of(batch, &network)
        })?
    }
}

impl Trainable for ImageDiffusion<'_> {
    fn parameters(&self) -> &Parameters {
        self.network.parameters()
    }

    fn loss(&self, step: u64, shard: &Shard) -> Result<Tensor, TrainError> {
        let part = self.part(step, shard)?;
        let losses = self.losses(&part)?;
        torch_ext::fence(|| {
            self.step_losses.borrow_mut().extend(self.objective.losses_by_level(&part.batch, &losses)?);
            self.objective.mean(&part.batch, &losses)
        })?
    }

    fn worst_sample(&self, step: u64, shard: &Shard) -> Result<Option<WorstSample>, TrainError> {
        let part = self.part(step, shard)?;
        let losses = match self.objective.differentiates_the_score() {
            true => self.losses(&part)?.detach(),
            false => tch::no_grad(|| self.losses(&part))?,
        };
        Ok(Some(nonfinite::worst_sample(&losses, &part.batch.condition)?))
    }

    fn stepped(&mut self, workers: &Workers) -> Result<(), TrainError> {
        let losses = losses_of_all(self.step_losses.take(), workers)?;
        self.objective.times_mut().record_losses(&losses);
        Ok(())
    }

    fn save_state(&self, state: &Path) -> Result<(), TrainError> {
        self.objective.times().save(state)
    }

    fn load_state(&mut self, state: &Path) -> Result<(), TrainError> {
        self.objective.times_mut().load(state)
    }

    fn waited_seconds(&self) -> f64 {
        self.images.waited_seconds()
    }

    fn publish(&self, dir: &Path, weights: &[Tensor]) -> Result<(), TrainError> {
        let rows = self.network.config().num_class_embeds;
        let classes = rows.map(|rows| Classes::with_last_row_null(rows, self.label_dropout.is_some()));
        Ok(Checkpoint::save(dir, &self.network, weights, self.scheduler, classes.as_ref())?)
    }
}

/// Checks that a network takes the images, and that a class-conditional one has a row for each of their classes and the null class.
pub fn check_images(model: &UNetConfig, images: &TrainingImages) -> Result<(), TrainError> {
    images.check_shape(model.in_channels, model.sample_size)?;
    let wrong = |reason: String| Err(NetsError::model("num_class_embeds", reason).into());
    match (model.num_class_embeds, images.classes()) {
        (None, _) => Ok(()),
        (Some(_), None) => wrong("is set, but the data set has no labels".into()),
        (Some(rows), Some(classes)) => {
            let classes = classes as i64;
            if rows == classes + 1 {
                return Ok(());
            }
            wrong(format!(
                "must be {} (the data set's {classes} classes and the null class), got {rows}",
                classes + 1
            ))
        }
    }
}

/// The losses by level of all processes' parts of a step, in the order of the samples; each process has as many.
fn losses_of_all(own: Vec<(TimeIndex, f64)>, workers: &Workers) -> Result<Vec<(TimeIndex, f64)>, TrainError> {
    // Without importance sampling there are none.
    if own.is_empty() || workers.world() == 1 {
        return Ok(own);
    }
    let rows: Vec<f64> = own.iter().flat_map(|(t, loss)| [f64::from(t.0), *loss]).collect();
    let mut all = Vec::with_capacity(own.len() * workers.world());
    for gathered in workers.all_gather(&Tensor::from_slice(&rows))? {
        let values: Vec<f64> = Vec::try_from(&gathered).map_err(torch_ext::TorchError::from)?;
        all.extend(values.chunks_exact(2).map(|row| (TimeIndex(row[0] as u32), row[1])));
    }
    Ok(all)
}

fn check_output(model: &UNetConfig, variance: Variance) -> Result<(), TrainError> {
    let learned = variance.is_learned();
    let expected = if learned { 2 * model.in_channels } else { model.in_channels };
    if model.out_channels == expected {
        return Ok(());
    }
    let why = if learned {
        "twice in_channels, for the prediction and the learned variance"
    } else {
        "in_channels"
    };
    let reason = format!("must be {expected} ({why}), got {}", model.out_channels);
    Err(NetsError::model("out_channels", reason).into())
}

/// Fourier features and the condition sigma belong together, on a variance-exploding process, where the output divided by sigma is a score.
fn check_condition(model: &UNetConfig, scheduler: &Scheduler) -> Result<(), TrainError> {
    let fourier = model.time_embedding_type == TimeEmbeddingType::Fourier;
    let (sigma, score) = match scheduler.parameterization() {
        Parameterization::Plain { kind, condition } => {
            (condition == NoiseCondition::Sigma, kind == PredictionKind::Score)
        }
        Parameterization::Edm(_) => (false, false),
    };
    if sigma != fourier {
        let reason = "\"fourier\" and diffusion.condition = \"sigma\" go together: Fourier features are taken of the logarithm of sigma";
        return Err(NetsError::model("time_embedding_type", reason).into());
    }
    if fourier && !(score && scheduler.noising().scale() == Scale::VarianceExploding) {
        let reason = "\"fourier\" divides the output by sigma; it takes diffusion.prediction = \"score\" and a variance-exploding process or schedule";
        return Err(NetsError::model("time_embedding_type", reason).into());
    }
    Ok(())
}

/// Shows the null class instead of an image's own, now and then (Ho & Salimans 2022).
#[derive(Debug)]
struct LabelDropout {
    law: Bernoulli,
    null: i64,
    source: NoiseSource,
}

impl LabelDropout {
    fn new(config: &TrainConfig, model: &UNetConfig) -> Result<Option<Self>, TrainError> {
        let probability = config.label_dropout;
        if probability == 0.0 {
            return Ok(None);
        }
        let Some(rows) = model.num_class_embeds else {
            let reason =
                format!("{probability} has no effect on an unconditional model; set model.num_class_embeds");
            return Err(TrainError::key("train.label_dropout", reason));
        };
        let law = Bernoulli::new(probability)
            .map_err(|_| TrainError::setting("label_dropout", "in [0, 1]", probability))?;
        let source = NoiseSource::new(config.seed, Purpose::LabelDropout);
        Ok(Some(LabelDropout { law, null: rows - 1, source }))
    }

    /// Labels `[n]` of samples from `first_sample` on, some of them replaced.
    fn apply(&self, labels: &Tensor, first_sample: u64) -> Result<Tensor, TrainError> {
        let n = labels.size().first().copied().unwrap_or(0) as u64;
        let dropped: Vec<bool> = (first_sample..first_sample + n)
            .map(|sample| self.law.sample(&mut self.source.rng(sample, 0)))
            .collect();
        Ok(torch_ext::fence(|| {
            let dropped = upload(Tensor::from_slice(&dropped), labels.device());
            labels.masked_fill(&dropped, self.null)
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn model(classes: Option<i64>) -> UNetConfig {
        serde_json::from_value(json!({
            "sample_size": 4, "in_channels": 1, "out_channels": 1, "block_out_channels": [4], "norm_num_groups": 2,
            "down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"], "num_class_embeds": classes,
        }))
        .unwrap()
    }

    #[test]
    fn the_null_class_comes_up_as_often_as_asked_and_with_the_image() {
        let config = TrainConfig { label_dropout: 0.2, ..TrainConfig::default() };
        let dropout = LabelDropout::new(&config, &model(Some(11))).unwrap().unwrap();
        let n = 20_000i64;
        let labels = Tensor::arange(n, (tch::Kind::Int64, Device::Cpu)).remainder(10);
        let shown = dropout.apply(&labels, 50).unwrap();
        let dropped = shown.eq(10);
        let share = dropped.to_kind(tch::Kind::Double).mean(tch::Kind::Double).double_value(&[]);
        assert!((share - 0.2).abs() < 4.0 * (0.16 / n as f64).sqrt(), "{share}");
        assert!(
            shown.where_self(&dropped.logical_not(), &labels).equal(&labels),
            "the others keep their class"
        );
        assert!(dropout.apply(&labels.narrow(0, 5, 100), 55).unwrap().equal(&shown.narrow(0, 5, 100)));
    }

    #[test]
    fn what_a_model_lacks_for_its_task_is_named() {
        let config = TrainConfig { label_dropout: 0.1, ..TrainConfig::default() };
        let text = LabelDropout::new(&config, &model(None)).unwrap_err().to_string();
        assert!(text.contains("train.label_dropout: 0.1 has no effect"), "{text}");
        let text = check_output(&model(None), Variance::LearnedRange).unwrap_err().to_string();
        assert_eq!(
            text,
            "model.out_channels: must be 2 (twice in_channels, for the prediction and the learned variance), got 1"
        );
        let shape = ddpm_data::ImageShape { channels: 1, height: 4, width: 4 };
        let names = vec!["a".to_string(), "b".to_string()];
        let images = ImageSet::new(shape, vec![0; 32]).unwrap().with_labels(vec![0, 1], names).unwrap();
        let images = TrainingImages::on_device(&images, 0, Device::Cpu).unwrap();
        let text = check_images(&model(Some(2)), &images).unwrap_err().to_string();
        assert!(text.contains("must be 3 (the data set's 2 classes and the null class), got 2"), "{text}");
    }
}
