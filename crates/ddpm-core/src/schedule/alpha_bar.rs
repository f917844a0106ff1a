//! Variance-preserving schedules given by alpha_bar itself, and the rescaling to a last level without signal.

use super::discrete_schedule::Schedule;
use crate::{CoreError, Level, Scale};

impl Schedule {
    /// A VP schedule from its alpha_bars: strictly falling, each below 1, the last one at least 0.
    pub fn from_alpha_bars(alpha_bars: &[f64]) -> Result<Self, CoreError> {
        let mut previous = 1.0;
        for (index, &value) in alpha_bars.iter().enumerate() {
            let no_signal = value == 0.0 && index + 1 == alpha_bars.len();
            if !(value > 0.0 && value < previous || no_signal) {
                let expected = "below the one before (the first below 1) and positive";
                return Err(CoreError::Entry { name: "alpha_bars", index, expected, got: value });
            }
            previous = value;
        }
        Self::from_log_snr(
            Scale::VariancePreserving,
            alpha_bars.iter().map(|ab| (ab / (1.0 - ab)).ln()).collect(),
        )
    }

    /// The same schedule with no signal at the last level (Lin et al. 2024, algorithm 1).
    ///
    /// sqrt(alpha_bar) is shifted to end at 0 and rescaled so that the first level stays: a network trained on it must predict v or x0,
    /// since at the last level x_0 does not follow from epsilon.
    pub fn with_zero_terminal_snr(&self) -> Result<Self, CoreError> {
        if self.scale != Scale::VariancePreserving || self.steps() < 2 {
            return Err(CoreError::Unsupported(
                "zero terminal SNR needs a variance-preserving schedule of at least 2 steps".into(),
            ));
        }
        let alphas: Vec<f64> = self.levels().map(|level| Level::alpha(&level)).collect();
        let (first, last) = (alphas[0], alphas[alphas.len() - 1]);
        let log_snr = alphas.iter().enumerate().map(|(index, alpha)| {
            if index == 0 {
                return self.log_snr[0];
            }
            let shifted = (alpha - last) * first / (first - last);
            2.0 * shifted.ln() - (-shifted).ln_1p() - shifted.ln_1p()
        });
        Self::from_log_snr(Scale::VariancePreserving, log_snr.collect())
    }
}
