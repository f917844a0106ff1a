//! A schedule's kind and parameters, as configuration files and the command line give them.

use super::betas::rescaled;
use super::discrete_schedule::Schedule;
use crate::CoreError;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// The known schedules.
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
pub enum ScheduleKind {
    /// [`Schedule::linear_between`]; betas default to 0.1/T and 20/T.
    Linear,
    /// [`Schedule::scaled_linear`]; betas default to 0.85/T and 12/T.
    ScaledLinear,
    /// [`Schedule::cosine`].
    Cosine,
    /// [`Schedule::sigmoid`]; betas default to 0.1/T and 20/T.
    Sigmoid,
    /// [`Schedule::constant`]; `beta_end` defaults to 20/T, Ho et al.'s choice.
    Constant,
    /// [`Schedule::geometric`]; sigmas default to 0.01 and 50.
    VeGeometric,
    /// [`Schedule::karras`]; sigmas default to 0.002 and 80, rho to 7.
    Karras,
    /// [`Schedule::from_betas`] of the key `betas`.
    Betas,
    /// [`Schedule::from_alpha_bars`] of the key `alpha_bars`.
    AlphaBars,
}

impl ScheduleKind {
    /// All kinds, in the order in which help texts list them.
    pub const ALL: &[ScheduleKind] = ScheduleKind::VARIANTS;

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The keys of [`ScheduleConfig`] that mean something for this kind, besides `kind` and `train_steps`.
    fn keys(self) -> &'static [&'static str] {
        match self {
            ScheduleKind::Linear | ScheduleKind::ScaledLinear | ScheduleKind::Sigmoid => {
                &["beta_start", "beta_end", "zero_terminal_snr"]
            }
            ScheduleKind::Cosine => &["zero_terminal_snr"],
            ScheduleKind::Constant => &["beta_end", "zero_terminal_snr"],
            ScheduleKind::VeGeometric => &["sigma_min", "sigma_max"],
            ScheduleKind::Karras => &["sigma_min", "sigma_max", "rho"],
            ScheduleKind::Betas => &["betas", "zero_terminal_snr"],
            ScheduleKind::AlphaBars => &["alpha_bars", "zero_terminal_snr"],
        }
    }
}

fn unknown(word: &str) -> CoreError {
    CoreError::unknown_name::<ScheduleKind>("schedule", word)
}

/// A schedule and its parameters; a key that is left out takes the kind's default.
///
/// Default betas are those chosen for 1000 steps, rescaled so that `train_steps` steps add the same total noise; given betas are literal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Which schedule, `kind` in a file; linear where it is left out.
    #[serde(rename = "kind", default = "linear")]
    pub schedule: ScheduleKind,
    /// Number of training levels T; for `betas` and `alpha-bars` the length of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_steps: Option<usize>,
    /// beta of the least noisy level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta_start: Option<f64>,
    /// beta of the noisiest level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta_end: Option<f64>,
    /// Least noise of a VE schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_min: Option<f64>,
    /// Most noise of a VE schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_max: Option<f64>,
    /// Exponent of the Karras spacing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rho: Option<f64>,
    /// Literal betas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<Vec<f64>>,
    /// Literal alpha_bars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha_bars: Option<Vec<f64>>,
    /// Rescale so that no signal is left at the last level ([`Schedule::with_zero_terminal_snr`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_terminal_snr: bool,
}

/// Number of training levels where neither `train_steps` nor a list is given.
const DEFAULT_TRAIN_STEPS: usize = 1000;

/// The kind where a file names none.
fn linear() -> ScheduleKind {
    ScheduleKind::Linear
}

impl Default for ScheduleConfig {
    /// Ho et al.'s linear schedule of 1000 levels.
    fn default() -> Self {
        Self::new(ScheduleKind::Linear)
    }
}

impl ScheduleConfig {
    /// The kind with all its defaults.
    pub fn new(schedule: ScheduleKind) -> Self {
        ScheduleConfig {
            schedule,
            train_steps: None,
            beta_start: None,
            beta_end: None,
            sigma_min: None,
            sigma_max: None,
            rho: None,
            betas: None,
            alpha_bars: None,
            zero_terminal_snr: false,
        }
    }

    /// The kind with its defaults at `train_steps` levels.
    pub fn with_steps(schedule: ScheduleKind, train_steps: usize) -> Self {
        ScheduleConfig { train_steps: Some(train_steps), ..Self::new(schedule) }
    }

    /// Builds the schedule, after checking that every given key belongs to the kind.
    pub fn build(&self) -> Result<Schedule, CoreError> {
        self.check_keys()?;
        let list = match self.schedule {
            ScheduleKind::Betas => self.betas.as_ref(),
            ScheduleKind::AlphaBars => self.alpha_bars.as_ref(),
            _ => None,
        };
        let steps = self.train_steps.or(list.map(Vec::len)).unwrap_or(DEFAULT_TRAIN_STEPS);
        CoreError::check("train_steps", "at least 1", steps as f64, steps > 0)?;
        let betas = |start: f64, end: f64| {
            let (start, last) = rescaled(steps, start, end);
            if self.beta_end.is_none() && last > 1.0 {
                let (kind, numerator) = (self.schedule.name(), 1000.0 * end);
                return Err(CoreError::Unsupported(format!(
                    "beta_end of schedule {kind:?} is {numerator}/T by default, more than 1 at T = {steps}: \
                     take at least {numerator} levels, or give beta_end"
                )));
            }
            Ok((self.beta_start.unwrap_or(start), self.beta_end.unwrap_or(last)))
        };
        let sigmas = |min: f64, max: f64| (self.sigma_min.unwrap_or(min), self.sigma_max.unwrap_or(max));
        let schedule = match self.schedule {
            ScheduleKind::Linear => {
                let (start, end) = betas(1e-4, 0.02)?;
                Schedule::linear_between(start, end, steps)
            }
            ScheduleKind::ScaledLinear => {
                let (start, end) = betas(0.000_85, 0.012)?;
                Schedule::scaled_linear(start, end, steps)
            }
            ScheduleKind::Sigmoid => {
                let (start, end) = betas(1e-4, 0.02)?;
                Schedule::sigmoid(start, end, steps)
            }
            ScheduleKind::Cosine => Schedule::cosine(steps),
            ScheduleKind::Constant => Schedule::constant(betas(0.02, 0.02)?.1, steps),
            ScheduleKind::VeGeometric => {
                let (min, max) = sigmas(0.01, 50.0);
                Schedule::geometric(min, max, steps)
            }
            ScheduleKind::Karras => {
                let (min, max) = sigmas(0.002, 80.0);
                Schedule::karras(min, max, self.rho.unwrap_or(7.0), steps)
            }
            ScheduleKind::Betas => Schedule::from_betas(&self.list("betas", self.betas.as_ref(), steps)?),
            ScheduleKind::AlphaBars => {
                Schedule::from_alpha_bars(&self.list("alpha_bars", self.alpha_bars.as_ref(), steps)?)
            }
        }?;
        if self.zero_terminal_snr { schedule.with_zero_terminal_snr() } else { Ok(schedule) }
    }

    fn list(&self, key: &'static str, list: Option<&Vec<f64>>, steps: usize) -> Result<Vec<f64>, CoreError> {
        let kind = self.schedule.name();
        let list = list.ok_or(CoreError::ScheduleKey { kind, problem: "needs", key })?;
        if list.len() != steps {
            return Err(CoreError::Dimension { what: key.to_owned(), expected: steps, got: list.len() });
        }
        Ok(list.clone())
    }

    fn check_keys(&self) -> Result<(), CoreError> {
        let given = [
            ("beta_start", self.beta_start.is_some()),
            ("beta_end", self.beta_end.is_some()),
            ("sigma_min", self.sigma_min.is_some()),
            ("sigma_max", self.sigma_max.is_some()),
            ("rho", self.rho.is_some()),
            ("betas", self.betas.is_some()),
            ("alpha_bars", self.alpha_bars.is_some()),
            ("zero_terminal_snr", self.zero_terminal_snr),
        ];
        for (key, is_given) in given {
            if is_given && !self.schedule.keys().contains(&key) {
                return Err(CoreError::ScheduleKey {
                    kind: self.schedule.name(),
                    problem: "does not take",
                    key,
                });
            }
        }
        Ok(())
    }
}
