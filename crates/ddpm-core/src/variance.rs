//! The variance of an ancestral sampler's step x_s ~ N(mean, v I).
//!
//! | name | v | optimal when |
//! |---|---|---|
//! | fixed-small | post | the data are one point (Ho et al. 2020, sec. 3.2) |
//! | fixed-large | beta | the data are N(0, I) (ibid.) |
//! | analytic | post + b^2 mse/d | the denoiser's error is mse at this level (Bao et al. 2022, theorem 1) |
//! | learned-range | between post and beta, per component, from the network | the network was trained for it (Nichol & Dhariwal 2021, eq. 15) |
//! | learned | post times the exponential of a network's output, per component | the same, without ends: a regression of mean and variance |

use crate::{CoreError, Posterior};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// Which variance a step uses.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case", parse_err_ty = CoreError, parse_err_fn = unknown)]
pub enum Variance {
    /// The posterior variance.
    FixedSmall,
    /// The transition variance beta.
    FixedLarge,
    /// The variance that minimizes the divergence from the true reverse step, given the denoiser's mean-square error.
    Analytic,
    /// The network's own output, interpolating in log variance.
    LearnedRange,
    /// The network's own output, log v = log post + output: any positive number.
    Learned,
}

impl Variance {
    /// All kinds, in the order in which help texts list them.
    pub const ALL: &[Variance] = Variance::VARIANTS;

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether a network gives it, by twice the output channels.
    pub fn is_learned(self) -> bool {
        matches!(self, Variance::LearnedRange | Variance::Learned)
    }

    /// The step's variance in every component.
    ///
    /// `mse_per_component` is E|x_0 - D(x_t)|^2 / d of the noisier level, which only `analytic` uses. Fails without it there, and for a
    /// learned variance, which differs from component to component: see [`LearnedLogVariance`].
    pub fn of(self, posterior: &Posterior, mse_per_component: Option<f64>) -> Result<f64, CoreError> {
        match (self, mse_per_component) {
            (Variance::FixedSmall, _) => Ok(posterior.variance),
            (Variance::FixedLarge, _) => Ok(posterior.transition_variance),
            (Variance::Analytic, Some(mse)) => {
                CoreError::check("mse", "finite and not negative", mse, mse >= 0.0 && mse.is_finite())?;
                Ok(posterior.variance + posterior.of_x0 * posterior.of_x0 * mse)
            }
            (Variance::Analytic, None) => Err(CoreError::Unsupported(
                "variance analytic needs the denoiser's mean-square error at every level, which is measured for a checkpoint and known for a closed-form target"
                    .into(),
            )),
            (Variance::LearnedRange | Variance::Learned, _) => Err(CoreError::Unsupported(format!(
                "variance {self} comes from a network with twice the output channels; this denoiser has none"
            ))),
        }
    }
}

fn unknown(word: &str) -> CoreError {
    CoreError::unknown_name::<Variance>("variance", word)
}

/// The log variance of a step as a function of a network's output: log v = at_zero + per_unit output, in every component.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnedLogVariance {
    /// Log variance of an output of 0.
    pub at_zero: f64,
    /// What an output of 1 adds.
    pub per_unit: f64,
}

impl LearnedLogVariance {
    /// The function of a step, for a variance that is learned; none for the others.
    ///
    /// `learned-range` interpolates: an output of -1 is the posterior variance, 1 the transition variance. `learned` is the posterior
    /// variance at 0 and has no ends. `clipped` replaces the posterior variance where that is 0, at the step to data: improved-diffusion
    /// takes the value of the second-lowest level.
    pub fn of(variance: Variance, posterior: &Posterior, clipped: f64) -> Option<Self> {
        let least = if posterior.variance > 0.0 { posterior.variance } else { clipped }.ln();
        match variance {
            Variance::LearnedRange => {
                let most = posterior.transition_variance.ln();
                Some(LearnedLogVariance { at_zero: 0.5 * (most + least), per_unit: 0.5 * (most - least) })
            }
            Variance::Learned => Some(LearnedLogVariance { at_zero: least, per_unit: 1.0 }),
            _ => None,
        }
    }

    /// The log variance of an output.
    pub fn log_variance(&self, output: f64) -> f64 {
        self.at_zero + self.per_unit * output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, Schedule};

    #[test]
    fn analytic_lies_between_the_fixed_ones_for_a_point_and_for_standard_normal_data() {
        let schedule = Schedule::linear(100).unwrap();
        let levels: Vec<Level> = schedule.levels().collect();
        for pair in levels.windows(2) {
            let p = Posterior::between(&pair[1], &pair[0]);
            // A point has no error; N(0, 1) has mmse = sigma^2 on a VP level, and then the reverse step is exact with v = beta.
            assert_eq!(
                Variance::Analytic.of(&p, Some(0.0)).unwrap(),
                Variance::FixedSmall.of(&p, None).unwrap()
            );
            let normal = Variance::Analytic.of(&p, Some(pair[1].sigma().powi(2))).unwrap();
            assert!((normal / Variance::FixedLarge.of(&p, None).unwrap() - 1.0).abs() < 1e-12);
            let range = LearnedLogVariance::of(Variance::LearnedRange, &p, f64::NAN).unwrap();
            assert!((range.log_variance(-1.0).exp() / p.variance - 1.0).abs() < 1e-12);
            assert!((range.log_variance(1.0).exp() / p.transition_variance - 1.0).abs() < 1e-12);
            let free = LearnedLogVariance::of(Variance::Learned, &p, f64::NAN).unwrap();
            assert!((free.log_variance(-5.0).exp() / p.variance - (-5f64).exp()).abs() < 1e-12);
            assert!(LearnedLogVariance::of(Variance::FixedSmall, &p, f64::NAN).is_none());
        }
    }

    #[test]
    fn what_a_variance_lacks_is_named() {
        let schedule = Schedule::linear(10_000).unwrap();
        let p = schedule.posteriors().next().unwrap();
        assert!(
            Variance::Analytic
                .of(&p, None)
                .unwrap_err()
                .to_string()
                .contains("mean-square error at every level")
        );
        assert!(
            Variance::Analytic.of(&p, Some(f64::NAN)).unwrap_err().to_string().starts_with("mse must be")
        );
        for &learned in Variance::ALL.iter().filter(|variance| variance.is_learned()) {
            assert!(learned.of(&p, None).unwrap_err().to_string().contains(learned.name()));
        }
        assert!("fixed".parse::<Variance>().unwrap_err().to_string().contains("fixed-small, fixed-large"));
        // The step to data keeps a finite range.
        let range = LearnedLogVariance::of(Variance::LearnedRange, &p, 1e-6).unwrap();
        assert!((range.log_variance(-1.0) - 1e-6f64.ln()).abs() < 1e-12);
    }
}
