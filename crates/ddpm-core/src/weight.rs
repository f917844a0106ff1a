//! Loss weights, all expressed as the weight of the squared error of x_0.
//!
//! An error in x_0 shows in every other prediction multiplied by a known factor (|eps error|^2 = snr |x_0 error|^2, ...), so a loss is one
//! function of the level however the network is parameterized. Weights of the squared x_0 error:
//!
//! | name | weight | source |
//! |---|---|---|
//! | `simple` | snr | Ho et al. 2020, eq. 14: 1 on the error of eps |
//! | `unweighted` | 1 on the network's own prediction | |
//! | `snr` | snr | Salimans & Ho 2022, sec. 4: the same number as `simple` |
//! | `truncated` | max(snr, 1) | Salimans & Ho 2022, sec. 4 |
//! | `min-snr` | min(snr, gamma) | Hang et al. 2023 |
//! | `p2` | snr/(k + snr)^gamma | Choi et al. 2022, eq. 8 |
//! | `edm` | (k^2 + s^2)/(k s)^2, k = sigma/alpha | Karras et al. 2022, table 1 |
//! | `vlb` | b^2/(2 v) of the step below, (snr_s - snr_t)/2 for v = post | Ho et al. 2020, eq. 12; Kingma et al. 2021, eq. 14 |
//!
//! With `vlb` the sum over levels is the variational bound's denoising part, and as steps shrink the integral
//! 1/2 of E|x_0 - D|^2 over d snr (Kingma et al. 2021, eq. 18).

use crate::bound::bound_steps;
use crate::{CoreError, Level, Parameterization, Preconditioning, PredictionKind, Schedule, Variance};
use serde::{Deserialize, Serialize};

/// A loss weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "weight", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Weight {
    /// 1 on the error of eps.
    #[default]
    Simple,
    /// 1 on the error of what the network predicts.
    Unweighted,
    /// The signal-to-noise ratio on the error of x_0.
    Snr,
    /// max(snr, 1) on the error of x_0.
    Truncated,
    /// min(snr, gamma) on the error of x_0.
    MinSnr {
        /// The cap; Hang et al. use 5.
        #[serde(default = "default_min_snr_gamma")]
        gamma: f64,
    },
    /// 1/(k + snr)^gamma on the error of eps.
    P2 {
        /// Offset; Choi et al. use 1.
        #[serde(default = "one")]
        k: f64,
        /// Exponent; Choi et al. use 1 (0 is `simple`).
        #[serde(default = "one")]
        gamma: f64,
    },
    /// 1 on the error of EDM's preconditioned network.
    Edm(Preconditioning),
    /// The variational bound's.
    Vlb {
        /// The variance of the reverse steps.
        #[serde(default = "default_vlb_variance")]
        variance: Variance,
    },
}

fn default_min_snr_gamma() -> f64 {
    5.0
}

fn one() -> f64 {
    1.0
}

fn default_vlb_variance() -> Variance {
    Variance::FixedSmall
}

impl Weight {
    /// The weight of |x_0 - D|^2 at a level. `output` is the network's parameterization, which only `unweighted` uses.
    ///
    /// Fails for `vlb`, which depends on the level below as well: see [`Weight::table`].
    fn of_x0_error(&self, level: &Level, output: impl Into<Parameterization>) -> Result<f64, CoreError> {
        let snr = level.snr();
        match *self {
            Weight::Simple | Weight::Snr => Ok(snr),
            Weight::Unweighted => error_factor(output, level),
            Weight::Truncated => Ok(snr.max(1.0)),
            Weight::MinSnr { gamma } => {
                CoreError::check("gamma", "positive", gamma, gamma > 0.0)?;
                Ok(snr.min(gamma))
            }
            Weight::P2 { k, gamma } => {
                CoreError::check("k", "positive", k, k > 0.0)?;
                CoreError::check("gamma", "not negative", gamma, gamma >= 0.0)?;
                Ok(snr / (k + snr).powf(gamma))
            }
            Weight::Edm(preconditioning) => Ok(preconditioning.out(level).powi(-2)),
            Weight::Vlb { .. } => Err(CoreError::Unsupported(
                "the vlb weight belongs to a step between two levels; take it from the schedule's table"
                    .into(),
            )),
        }
    }

    /// The weight of the squared error of the network's own output at a level.
    pub fn of_error(&self, level: &Level, output: impl Into<Parameterization>) -> Result<f64, CoreError> {
        use Parameterization::Plain;
        let output = output.into();
        // Where no signal is left the factor and the weight vanish together; 0/0 has the limit of the ratio.
        match (self, output) {
            (Weight::Unweighted, _)
            | (Weight::Simple | Weight::Snr, Plain { kind: PredictionKind::Epsilon, .. }) => Ok(1.0),
            (Weight::MinSnr { gamma }, Plain { kind: PredictionKind::Epsilon, .. })
                if level.snr() <= *gamma =>
            {
                Ok(1.0)
            }
            (Weight::P2 { k, gamma }, Plain { kind: PredictionKind::Epsilon, .. }) => {
                Ok((k + level.snr()).powf(-gamma))
            }
            _ => Ok(self.of_x0_error(level, output)? / error_factor(output, level)?),
        }
    }

    /// The weight of the network's own squared error at every training level, index 0 the least noisy.
    ///
    /// For `vlb` the step from the lowest level goes to data, with the variance of the decoder: see [`bound_steps`].
    pub fn table(
        &self,
        schedule: &Schedule,
        output: impl Into<Parameterization>,
    ) -> Result<Vec<f64>, CoreError> {
        let output = output.into();
        let Weight::Vlb { variance } = *self else {
            return schedule.levels().map(|level| self.of_error(&level, output)).collect();
        };
        let steps = bound_steps(schedule, variance, None)?;
        schedule
            .levels()
            .zip(&steps)
            .map(|(level, step)| Ok(step.error_weight()? / error_factor(output, &level)?))
            .collect()
    }
}

/// |error of the network's output|^2 / |error of x_0|^2 at a level.
fn error_factor(output: impl Into<Parameterization>, level: &Level) -> Result<f64, CoreError> {
    Ok(output.into().from_x0(level)?.of_input.powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;
    use PredictionKind::{Epsilon, Score, V, X0};

    const WEIGHTS: [Weight; 7] = [
        Weight::Simple,
        Weight::Snr,
        Weight::Truncated,
        Weight::MinSnr { gamma: 5.0 },
        Weight::P2 { k: 1.0, gamma: 1.0 },
        Weight::Edm(Preconditioning { sigma_data: 0.5 }),
        Weight::Unweighted,
    ];

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-12 * a.abs().max(b.abs()), "{a} {b}");
    }

    #[test]
    fn published_forms_by_prediction() {
        for log_snr in [-7.0, -1.0, 0.0, 1.3, 6.0] {
            let level = Level::variance_preserving(log_snr, Time::Clean);
            let snr = log_snr.exp();
            let of = |weight: Weight, kind| weight.of_error(&level, kind).unwrap();
            let min_snr = Weight::MinSnr { gamma: 5.0 };
            close(of(min_snr, X0), snr.min(5.0));
            close(of(min_snr, Epsilon), snr.min(5.0) / snr);
            close(of(min_snr, V), snr.min(5.0) / (snr + 1.0));
            close(of(Weight::Truncated, V), snr.max(1.0) / (snr + 1.0));
            close(of(Weight::P2 { k: 1.0, gamma: 0.5 }, Epsilon), (1.0 + snr).powf(-0.5));
            close(of(Weight::Simple, Score), level.sigma().powi(2));
            close(of(Weight::Unweighted, V), 1.0);
            // Unit data: the EDM network's error is v's, and its loss weight is SNR + 1 on x_0.
            close(of(Weight::Edm(Preconditioning { sigma_data: 1.0 }), X0), snr + 1.0);
            close(of(Weight::Edm(Preconditioning { sigma_data: 1.0 }), V), 1.0);
            // EDM's loss is unweighted in what its own network answers.
            let edm = Preconditioning { sigma_data: 0.5 };
            close(Weight::Edm(edm).of_error(&level, Parameterization::Edm(edm)).unwrap(), 1.0);
        }
    }

    #[test]
    fn a_loss_does_not_depend_on_the_parameterization() {
        let level = Level::variance_preserving(0.4, Time::Clean);
        let x0_error: f64 = 0.37;
        for weight in &WEIGHTS[..6] {
            let loss = |kind: PredictionKind| {
                let error = kind.from_x0(&level).unwrap().of_input * x0_error;
                weight.of_error(&level, kind).unwrap() * error * error
            };
            for kind in [Epsilon, V, Score] {
                close(loss(kind), loss(X0));
            }
        }
    }

    #[test]
    fn vlb_table_is_half_the_snr_difference_and_hos_coefficient() {
        let schedule = Schedule::linear(100).unwrap();
        let levels: Vec<Level> = schedule.levels().collect();
        let of_x0 = Weight::Vlb { variance: Variance::FixedSmall }.table(&schedule, X0).unwrap();
        let of_eps = Weight::Vlb { variance: Variance::FixedLarge }.table(&schedule, Epsilon).unwrap();
        for (t, beta) in schedule.betas().into_iter().enumerate().skip(1) {
            assert!((of_x0[t] / (0.5 * (levels[t - 1].snr() - levels[t].snr())) - 1.0).abs() < 1e-10);
            // beta^2/(2 v alpha (1 - alpha_bar)) with v = beta.
            let ho = beta / (2.0 * (1.0 - beta) * levels[t].sigma().powi(2));
            assert!((of_eps[t] / ho - 1.0).abs() < 1e-10);
        }
        assert!(of_x0[0].is_finite() && of_eps[0].is_finite());
        assert!(Weight::Vlb { variance: Variance::Analytic }.table(&schedule, X0).is_err());
    }

    #[test]
    fn the_bound_tends_to_an_integral_over_snr() {
        // Gaussian data of variance l: mmse = l/(1 + l snr), whose integral over snr is log(1 + l snr).
        let l = 0.6;
        let gap = |steps: usize| {
            let schedule = Schedule::linear(steps).unwrap();
            let weights = Weight::Vlb { variance: Variance::FixedSmall }.table(&schedule, X0).unwrap();
            let levels: Vec<Level> = schedule.levels().collect();
            // A fixed range of noise: the lowest levels move with T.
            let range: Vec<usize> = (1..steps).filter(|&t| levels[t].log_snr() < 3.0).collect();
            let sum: f64 = range.iter().map(|&t| weights[t] * l / (1.0 + l * levels[t].snr())).sum();
            let (top, low) = (levels[range[range.len() - 1]].snr(), levels[range[0] - 1].snr());
            sum - 0.5 * ((1.0 + l * low).ln() - (1.0 + l * top).ln())
        };
        let gaps = [gap(1000), gap(2000), gap(4000)];
        assert!(gaps[2] > 0.0 && gaps[2] < 5e-3, "{gaps:?}");
        for pair in gaps.windows(2) {
            assert!((pair[0] / pair[1] - 2.0).abs() < 0.1, "{gaps:?}");
        }
    }

    #[test]
    fn weights_are_finite_at_every_level_and_read_from_files() {
        for schedule in
            [Schedule::cosine(1000).unwrap(), Schedule::linear(50).unwrap().with_zero_terminal_snr().unwrap()]
        {
            for weight in WEIGHTS.into_iter().chain([Weight::Vlb { variance: Variance::FixedSmall }]) {
                for kind in [X0, V] {
                    let table = weight.table(&schedule, kind).unwrap();
                    assert!(table.iter().all(|w| w.is_finite() && *w >= 0.0), "{weight:?} {kind:?}");
                }
            }
        }
        let read = |text: &str| serde_json::from_str::<Weight>(text);
        assert_eq!(read(r#"{"weight":"min-snr"}"#).unwrap(), Weight::MinSnr { gamma: 5.0 });
        assert_eq!(read(r#"{"weight":"p2","gamma":0.5}"#).unwrap(), Weight::P2 { k: 1.0, gamma: 0.5 });
        assert_eq!(
            read(r#"{"weight":"edm","sigma_data":0.3}"#).unwrap(),
            Weight::Edm(Preconditioning { sigma_data: 0.3 })
        );
        assert!(read(r#"{"weight":"min-snr","gama":5}"#).unwrap_err().to_string().contains("gama"));
        assert!(
            Weight::MinSnr { gamma: -1.0 }.of_error(&Level::variance_exploding(0.0, Time::Clean), V).is_err()
        );
    }
}
