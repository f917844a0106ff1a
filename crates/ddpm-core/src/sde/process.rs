//! Noising processes in continuous time.
//!
//! A linear stochastic differential equation dx = f(t) x dt + g(t) dW started at data has Gaussian marginals
//! x_t = alpha x_0 + sigma eps with (Song et al. 2021, sec. 3.3-4.3; Kingma et al. 2021)
//!
//! ```text
//! f = d log(alpha)/dt          g^2 = -sigma^2 d log(snr)/dt
//! reverse SDE                  dx = [f x - g^2 score] dt + g dW     (time running down)
//! probability-flow ODE         dx = [f x - g^2 score / 2] dt
//! ```
//!
//! | process | marginal | rates |
//! |---|---|---|
//! | `vp` | alpha^2 = e^{-B}, sigma^2 = 1 - e^{-B}, B = integral of beta | f = -beta/2, g^2 = beta |
//! | `sub-vp` | alpha^2 = e^{-B}, sigma = 1 - e^{-B} | f = -beta/2, g^2 = beta (1 - e^{-2B}) |
//! | `ve` | sigma = sigma_min (sigma_max/sigma_min)^t | f = 0, g^2 = 2 log(sigma_max/sigma_min) sigma^2 |
//! | `ou` | alpha^2 = e^{-t}: `vp` with beta = 1, Ornstein-Uhlenbeck | f = -1/2, g^2 = 1 |
//! | `edm` | sigma = t | f = 0, g^2 = 2t |
//! | a discrete schedule | its log-SNR, interpolated between levels | from the formulas above |
//!
//! beta(t) = beta_min + t (beta_max - beta_min) on [0, 1]. Pierret & Galerne (2025) write dx = -beta' x dt + sqrt(2 beta') dW: their beta' is
//! half of this beta, 0.05 + 9.95 t for the usual 0.1..20, and the process is the same.
//!
//! A chain with betas beta_i is the `ou` process observed at t_i = beta_1 + ... + beta_i as steps shrink: prod (1 - beta_i) -> e^{-t_i}.

use super::interpolation::MonotoneCubic;
use crate::{CoreError, Level, Scale, Schedule, Time};

/// A noising process in continuous time.
#[derive(Clone, Debug, PartialEq)]
pub enum Process {
    /// Variance preserving, beta linear in t on [0, 1].
    VariancePreserving {
        /// beta(0).
        beta_min: f64,
        /// beta(1).
        beta_max: f64,
    },
    /// Sub-variance preserving (Song et al. 2021, sec. 3.4): the same signal with less noise.
    SubVariancePreserving {
        /// beta(0).
        beta_min: f64,
        /// beta(1).
        beta_max: f64,
    },
    /// Variance exploding, sigma geometric in t on [0, 1]. Time 0 still has the noise sigma_min.
    VarianceExploding {
        /// sigma(0).
        sigma_min: f64,
        /// sigma(1).
        sigma_max: f64,
    },
    /// Ornstein-Uhlenbeck: alpha^2 = e^{-t} on [0, horizon].
    OrnsteinUhlenbeck {
        /// The last time.
        horizon: f64,
    },
    /// sigma = t on [0, sigma_max] (Karras et al. 2022).
    Edm {
        /// The last time, which is the most noise.
        sigma_max: f64,
    },
    /// A discrete schedule read as a process: t = 1..T (the paper's t), its log-SNR interpolated by a monotone cubic.
    Discrete(Interpolated),
}

/// The log-SNR of a discrete schedule as a smooth function of t in [1, T].
#[derive(Clone, Debug, PartialEq)]
pub struct Interpolated {
    pub(super) scale: Scale,
    pub(super) log_snr: MonotoneCubic,
}

impl Process {
    /// The usual VP process, beta from 0.1 to 20.
    pub const VP: Process = Process::VariancePreserving { beta_min: 0.1, beta_max: 20.0 };

    /// A discrete schedule read as a process, for solvers that evaluate between its levels.
    ///
    /// Fails for fewer than two levels and where the last level has no signal: its log-SNR is infinite.
    pub fn from_schedule(schedule: &Schedule) -> Result<Self, CoreError> {
        let log_snr: Vec<f64> = schedule.levels().map(|level| level.log_snr()).collect();
        if log_snr.len() < 2 || log_snr.iter().any(|value| !value.is_finite()) {
            return Err(CoreError::Unsupported(
                "a differential equation needs a schedule of at least 2 levels that all keep some signal (zero terminal SNR does not)"
                    .into(),
            ));
        }
        Ok(Process::Discrete(Interpolated { scale: schedule.scale(), log_snr: MonotoneCubic::new(log_snr) }))
    }

    /// The default for [`crate::ProcessConfig`]'s `t_min`: the rates or the score of `vp`, `sub-vp`, `ou` and `edm` are infinite at time 0,
    /// where `ve` still has the noise sigma_min (Song et al. 2021, app. C; Karras et al. 2022, tab. 1).
    pub fn smallest_time(&self) -> f64 {
        match self {
            Process::VarianceExploding { .. } => 0.0,
            Process::Edm { .. } => 0.002,
            Process::Discrete(_) => 1.0,
            _ => 1e-3,
        }
    }

    /// What noise does to the scale of the data.
    pub fn scale(&self) -> Scale {
        match self {
            Process::VariancePreserving { .. } | Process::OrnsteinUhlenbeck { .. } => {
                Scale::VariancePreserving
            }
            Process::SubVariancePreserving { .. } => Scale::SubVariancePreserving,
            Process::VarianceExploding { .. } | Process::Edm { .. } => Scale::VarianceExploding,
            Process::Discrete(interpolated) => interpolated.scale,
        }
    }

    /// The times between which the process is defined: least noise, most noise.
    pub fn time_range(&self) -> (f64, f64) {
        match self {
            Process::VariancePreserving { .. }
            | Process::SubVariancePreserving { .. }
            | Process::VarianceExploding { .. } => (0.0, 1.0),
            Process::OrnsteinUhlenbeck { horizon } => (0.0, *horizon),
            Process::Edm { sigma_max } => (0.0, *sigma_max),
            Process::Discrete(interpolated) => (1.0, interpolated.log_snr.len() as f64),
        }
    }

    /// The level at time `t`, which lies in [`Process::time_range`].
    pub fn level(&self, t: f64) -> Result<Level, CoreError> {
        self.check_time(t)?;
        Ok(match self {
            Process::VariancePreserving { .. } | Process::OrnsteinUhlenbeck { .. } => {
                let log_snr = crate::level::log_snr_of_log_alpha_bar(-self.integrated_beta(t));
                Level::variance_preserving(log_snr, Time::Continuous(t))
            }
            Process::SubVariancePreserving { .. } => {
                let integral = self.integrated_beta(t);
                Level::from_logs(-0.5 * integral, (-(-integral).exp_m1()).ln(), Time::Continuous(t))
            }
            Process::VarianceExploding { sigma_min, sigma_max } => {
                let log_sigma = sigma_min.ln() + t * (sigma_max / sigma_min).ln();
                Level::variance_exploding(-2.0 * log_sigma, Time::Sigma(log_sigma.exp()))
            }
            Process::Edm { .. } => Level::variance_exploding(-2.0 * t.ln(), Time::Sigma(t)),
            Process::Discrete(interpolated) => interpolated.level(t),
        })
    }

    /// The time of a level of this process: the inverse of [`Process::level`], by its log-SNR.
    pub fn time_of(&self, level: &Level) -> Result<f64, CoreError> {
        self.time_of_log_snr(level.log_snr())
    }

    /// The level with a given log-SNR.
    pub fn level_at_log_snr(&self, log_snr: f64) -> Result<Level, CoreError> {
        self.level(self.time_of_log_snr(log_snr)?)
    }

    fn time_of_log_snr(&self, log_snr: f64) -> Result<f64, CoreError> {
        let (least, most) = self.time_range();
        let t = match self {
            Process::VariancePreserving { beta_min, beta_max } => {
                time_of_integrated_beta(*beta_min, *beta_max, -crate::level::log_sigmoid(log_snr))
            }
            Process::OrnsteinUhlenbeck { .. } => -crate::level::log_sigmoid(log_snr),
            Process::SubVariancePreserving { beta_min, beta_max } => {
                let integral = -2.0 * Scale::SubVariancePreserving.level(log_snr, Time::Clean).alpha().ln();
                time_of_integrated_beta(*beta_min, *beta_max, integral)
            }
            Process::VarianceExploding { sigma_min, sigma_max } => {
                (-0.5 * log_snr - sigma_min.ln()) / (sigma_max / sigma_min).ln()
            }
            Process::Edm { .. } => (-0.5 * log_snr).exp(),
            Process::Discrete(interpolated) => interpolated.log_snr.inverse(log_snr),
        };
        // Rounding must not push the ends of the range out of it.
        let slack = 1e-9 * most;
        if t >= least - slack && t <= most + slack { Ok(t.clamp(least, most)) } else { self.check_time(t) }
    }

    fn check_time(&self, t: f64) -> Result<f64, CoreError> {
        let (least, most) = self.time_range();
        let expected = match self {
            Process::Discrete(_) => "between 1 and the number of training levels",
            Process::OrnsteinUhlenbeck { .. } => "between 0 and the horizon",
            Process::Edm { .. } => "between 0 and sigma_max",
            _ => "between 0 and 1",
        };
        CoreError::check("time", expected, t, t >= least && t <= most)
    }

    /// B(t), the integral of beta from 0 to t; 0 for processes without one.
    pub(super) fn integrated_beta(&self, t: f64) -> f64 {
        match self {
            Process::VariancePreserving { beta_min, beta_max }
            | Process::SubVariancePreserving { beta_min, beta_max } => {
                t * (beta_min + 0.5 * t * (beta_max - beta_min))
            }
            Process::OrnsteinUhlenbeck { .. } => t,
            _ => 0.0,
        }
    }
}

impl Interpolated {
    fn level(&self, t: f64) -> Level {
        let log_snr = self.log_snr.value(t);
        let time = match self.scale {
            Scale::VarianceExploding => Time::Sigma((-0.5 * log_snr).exp()),
            _ if t.fract() == 0.0 => Time::Index(crate::TimeIndex(t as u32 - 1)),
            _ => Time::FractionalIndex(t - 1.0),
        };
        self.scale.level(log_snr, time)
    }
}

/// The t with beta_min t + (beta_max - beta_min) t^2/2 = integral.
fn time_of_integrated_beta(beta_min: f64, beta_max: f64, integral: f64) -> f64 {
    2.0 * integral / (beta_min + (beta_min * beta_min + 2.0 * (beta_max - beta_min) * integral).sqrt())
}
