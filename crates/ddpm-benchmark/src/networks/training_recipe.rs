//! How each network of the benchmark is trained and measured: the settings of a preset, shortened for the quick sweep.

use super::network_name::NetworkName;
use crate::plan::Mode;
use anyhow::{Context, Result};
use ddpm_core::{Grid, PredictionKind, ScheduleConfig, Variance};
use ddpm_data::DatasetName;
use ddpm_eval::EvalConfig;
use ddpm_nets::Threshold;
use ddpm_nets::UNetConfig;
use ddpm_nets::checkpoint::{SamplingDefaults, Scheduler};
use ddpm_train::{EmaConfig, TrainConfig};
use serde::{Deserialize, Serialize};

/// The preset of the digits, whose `[model]`, `[diffusion]` and `[train]` are used.
const DIGITS: &str = include_str!("../../../../configs/digits.toml");
/// The preset of Fashion-MNIST.
const FASHION: &str = include_str!("../../../../configs/fashion.toml");

/// The sections of a preset that training reads. Written to `config.toml` of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TrainingSettings {
    data: DataSection,
    /// The network.
    pub(super) model: UNetConfig,
    diffusion: DiffusionSection,
    /// Optimizer, batches, averages and checkpoints.
    pub(super) train: TrainConfig,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DataSection {
    name: DatasetName,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DiffusionSection {
    prediction: PredictionKind,
    variance: Variance,
    clip_sample: bool,
    schedule: ScheduleConfig,
}

impl TrainingSettings {
    /// What the checkpoint stores of the noising process. Both presets train a mean alone and sample with `fixed-large`.
    pub(super) fn scheduler(&self) -> Result<Scheduler> {
        let DiffusionSection { prediction, clip_sample, schedule, .. } = &self.diffusion;
        let sampling = SamplingDefaults {
            spacing: Grid::Trailing,
            variance: Variance::FixedLarge,
            threshold: if *clip_sample { Threshold::UNIT } else { Threshold::None },
        };
        Ok(Scheduler::new(schedule.clone(), (*prediction).into(), sampling)?)
    }
}

/// The training of a network and the extent of its measurement.
#[derive(Clone, Debug)]
pub(crate) struct TrainingRecipe {
    /// Which network.
    pub(crate) name: NetworkName,
    mode: Mode,
    pub(super) settings: TrainingSettings,
    /// Numbers of visited levels.
    pub(crate) steps: Vec<usize>,
    /// Images and levels that are measured.
    pub(crate) eval: EvalConfig,
}

impl TrainingRecipe {
    /// The recipe of a network.
    pub(crate) fn new(name: NetworkName, mode: Mode, seed: u64) -> Result<Self> {
        let preset = match name {
            NetworkName::DigitsNetwork => DIGITS,
            NetworkName::FashionNetwork => FASHION,
        };
        let mut settings: TrainingSettings =
            toml::from_str(preset).with_context(|| format!("the preset of {name}"))?;
        settings.train.seed = seed;
        if mode == Mode::Quick {
            settings.shorten(name);
        }
        let (levels, max_images) = match (mode, name) {
            (Mode::Quick, NetworkName::DigitsNetwork) => (25, 297),
            (Mode::Quick, NetworkName::FashionNetwork) => (15, 64),
            (Mode::Full, NetworkName::DigitsNetwork) => (50, 297),
            (Mode::Full, NetworkName::FashionNetwork) => (30, 500),
        };
        let steps = match mode {
            Mode::Quick => vec![10, 50, 250, 1000],
            Mode::Full => vec![5, 10, 20, 50, 100, 250, 500, 1000],
        };
        let eval = EvalConfig { levels, max_images, seed, ..EvalConfig::default() };
        Ok(TrainingRecipe { name, mode, settings, steps, eval })
    }

    /// Whether the network is trained on mirror images too.
    pub(super) fn flips(&self) -> bool {
        self.settings.train.horizontal_flips
    }

    /// The name of the run's folder. Short and complete trainings are kept apart.
    pub(crate) fn folder(&self) -> String {
        match self.mode {
            Mode::Quick => format!("{}-quick", self.name),
            Mode::Full => self.name.to_string(),
        }
    }
}

impl TrainingSettings {
    /// Reduces a training to minutes.
    fn shorten(&mut self, name: NetworkName) {
        let train = std::mem::take(&mut self.train);
        self.train = match name {
            NetworkName::DigitsNetwork => TrainConfig { steps: 500, checkpoint_every: 100, ..train },
            NetworkName::FashionNetwork => {
                self.model.block_out_channels = vec![16, 32, 32];
                TrainConfig {
                    steps: 400,
                    batch_size: 32,
                    learning_rate: 1e-3,
                    warmup_steps: 50,
                    checkpoint_every: 100,
                    ema: EmaConfig { decay: 0.99, ..train.ema.clone() },
                    ..train
                }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_train::ImageDiffusion;
    use strum::VariantArray;

    #[test]
    fn every_recipe_is_a_valid_configuration_and_quick_is_shorter() {
        for &name in NetworkName::VARIANTS {
            let steps = |mode| {
                let recipe = TrainingRecipe::new(name, mode, 7).unwrap();
                let TrainingSettings { model, diffusion, train, .. } = &recipe.settings;
                assert_eq!(train.seed, 7);
                model.validate().unwrap();
                train.validate().unwrap();
                ImageDiffusion::check(train, model, &recipe.settings.scheduler().unwrap()).unwrap();
                assert_eq!(
                    diffusion.variance,
                    Variance::FixedLarge,
                    "the variance of the checkpoint and of the study"
                );
                recipe.eval.validate().unwrap();
                let text = toml::to_string(&recipe.settings).unwrap();
                assert_eq!(toml::from_str::<TrainingSettings>(&text).unwrap(), recipe.settings);
                train.steps
            };
            assert!(2 * steps(Mode::Quick) < steps(Mode::Full), "{name}");
        }
    }
}
