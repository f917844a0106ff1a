//! How each network is trained and how closely it is looked at.

use super::super::Mode;
use crate::config::{self, Config};
use anyhow::Result;
use ddpm_eval::EvalConfig;
use serde::{Deserialize, Serialize};

/// A network of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NetworkName {
    /// Trained on the digits.
    DigitsNetwork,
    /// Trained on Fashion-MNIST.
    FashionNetwork,
}

impl NetworkName {
    /// All networks, in the order of reports.
    pub(crate) const ALL: [NetworkName; 2] = [NetworkName::DigitsNetwork, NetworkName::FashionNetwork];

    /// The name in files and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            NetworkName::DigitsNetwork => "digits-network",
            NetworkName::FashionNetwork => "fashion-network",
        }
    }
}

impl std::fmt::Display for NetworkName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A network's training and study.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// Which network.
    pub(crate) name: NetworkName,
    /// How far the sweep goes.
    mode: Mode,
    /// The configuration that it starts from.
    preset: &'static str,
    /// Changes to it.
    changes: Vec<String>,
    /// Numbers of visited levels.
    pub(crate) steps: Vec<usize>,
    /// Images and levels that are measured.
    pub(crate) eval: EvalConfig,
}

impl Recipe {
    /// The recipe of a network: the preset as it is, or shortened.
    pub(crate) fn new(name: NetworkName, mode: Mode, seed: u64) -> Self {
        let (preset, quick): (_, &[&str]) = match name {
            NetworkName::DigitsNetwork => ("digits", &["train.steps=500", "train.checkpoint_every=100"]),
            NetworkName::FashionNetwork => (
                "fashion",
                &[
                    "model.block_out_channels=[16,32,32]",
                    "train.steps=400",
                    "train.batch_size=32",
                    "train.learning_rate=1e-3",
                    "train.warmup_steps=50",
                    "train.checkpoint_every=100",
                    "train.ema.decay=0.99",
                ],
            ),
        };
        let mut changes: Vec<String> = Vec::new();
        if mode == Mode::Quick {
            changes.extend(quick.iter().map(ToString::to_string));
        }
        changes.push(format!("train.seed={seed}"));
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
        Recipe { name, mode, preset, changes, steps, eval }
    }

    /// The configuration of its training.
    pub(crate) fn config(&self) -> Result<Config> {
        config::parse(config::find(self.preset)?.text, &self.changes)
    }

    /// The run's folder: short and complete trainings are kept apart.
    pub(crate) fn folder(&self) -> String {
        match self.mode {
            Mode::Quick => format!("{}-quick", self.name),
            Mode::Full => self.name.name().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_is_a_valid_configuration_and_quick_is_shorter() {
        for name in NetworkName::ALL {
            let steps = |mode| {
                let recipe = Recipe::new(name, mode, 7);
                let config = recipe.config().unwrap();
                assert_eq!(config.train.seed, 7);
                recipe.eval.validate().unwrap();
                config.train.steps
            };
            assert!(2 * steps(Mode::Quick) < steps(Mode::Full), "{name}");
        }
    }
}
