//! Which of the training levels a sampler visits.
//!
//! `leading`, `linspace` and `trailing` are the three placements of Lin et al. 2024 (table 2), rounded as diffusers' DDPM and DDIM schedulers
//! round them, so that the same name means the same timesteps.

use crate::{CoreError, TimeIndex};
use serde::{Deserialize, Serialize};

/// A rule that places N visited timesteps among T.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grid {
    /// k * floor(T/N) for k < N: ends at 0 but does not reach T-1.
    Leading,
    /// Evenly spaced from 0 to T-1, both included, rounded.
    Linspace,
    /// T - k T/N - 1, rounded: begins at T-1.
    Trailing,
}

impl Grid {
    /// The N visited timesteps, the noisiest first.
    pub fn timesteps(self, train_steps: usize, steps: usize) -> Result<Vec<TimeIndex>, CoreError> {
        if steps == 0 || steps > train_steps {
            return Err(CoreError::Steps { train_steps, got: steps });
        }
        let (t, n) = (train_steps as f64, steps as f64);
        let index = |value: f64| TimeIndex(value.max(0.0) as u32);
        Ok(match self {
            Grid::Leading => {
                (0..steps).rev().map(|k| TimeIndex((k * (train_steps / steps)) as u32)).collect()
            }
            Grid::Linspace => (0..steps)
                .rev()
                .map(|k| index((k as f64 * (t - 1.0) / (n - 1.0).max(1.0)).round_ties_even()))
                .collect(),
            Grid::Trailing => {
                (0..steps).map(|k| index((t - k as f64 * t / n).round_ties_even() - 1.0)).collect()
            }
        })
    }
}
