//! Grids: rules that place the N noise levels that a sampler visits.
//!
//! `leading`, `linspace` and `trailing` are the three placements of Lin et al. 2024 (table 2), rounded as diffusers' DDPM and DDIM schedulers
//! round them, so that the same name means the same timesteps. A single level is the noisiest one on every grid (diffusers' `leading` and
//! `linspace` visit timestep 0 then, where the start from pure noise is not of that level). The others place N points evenly in some coordinate: `quadratic` in
//! sqrt(t) (Song, Meng & Ermon 2021, appendix D), `log-snr` in log(alpha^2/sigma^2) (Lu et al. 2022), `karras` in
//! (sigma/alpha)^(1/7) (Karras et al. 2022, eq. 5); on a discrete schedule the nearest training timesteps are taken, each once.
//!
//! Process truncation: a run may stop at a smallest noise level above the schedule's own.

use crate::schedule::karras_sigma;
use crate::{CoreError, Level, Process, Schedule, TimeIndex};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// Exponent of the `karras` grid (Karras et al. 2022, appendix D.1: 7 is best for images).
const KARRAS_RHO: f64 = 7.0;

/// A rule that places N visited levels.
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
pub enum Grid {
    /// k * floor(T/N) for k < N: ends at 0 but does not reach T-1.
    Leading,
    /// Evenly spaced from 0 to T-1, both included, rounded.
    Linspace,
    /// T - k T/N - 1, rounded: begins at T-1.
    Trailing,
    /// Evenly spaced in sqrt(t): denser at low noise.
    Quadratic,
    /// Evenly spaced in log-SNR.
    LogSnr,
    /// Evenly spaced in (sigma/alpha)^(1/7).
    Karras,
}

impl Grid {
    /// All grids, in the order in which help texts list them.
    pub const ALL: &[Grid] = Grid::VARIANTS;

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The N visited timesteps of a chain of `train_steps`, the noisiest first.
    ///
    /// Fails for two or more steps of `log-snr` and `karras`, which need the noise levels: see [`Grid::visit`].
    pub fn timesteps(self, train_steps: usize, steps: usize) -> Result<Vec<TimeIndex>, CoreError> {
        check_steps(train_steps, steps)?;
        let (t, n) = (train_steps as f64, steps as f64);
        let index = |value: f64| TimeIndex(value.max(0.0) as u32);
        let last = n - 1.0;
        if steps == 1 {
            return Ok(vec![TimeIndex(train_steps as u32 - 1)]);
        }
        Ok(match self {
            Grid::Leading => {
                (0..steps).rev().map(|k| TimeIndex((k * (train_steps / steps)) as u32)).collect()
            }
            Grid::Linspace => {
                (0..steps).rev().map(|k| index((k as f64 * (t - 1.0) / last).round_ties_even())).collect()
            }
            Grid::Trailing => {
                (0..steps).map(|k| index((t - k as f64 * t / n).round_ties_even() - 1.0)).collect()
            }
            Grid::Quadratic => {
                distinct((0..steps).rev().map(|k| (t - 1.0) * (k as f64 / last).powi(2)), train_steps)
            }
            Grid::LogSnr | Grid::Karras => {
                return Err(CoreError::Unsupported(format!(
                    "grid {} places noise levels and needs the schedule",
                    self.name()
                )));
            }
        })
    }

    /// The N visited timesteps of a schedule, the noisiest first.
    pub fn visit(self, schedule: &Schedule, steps: usize) -> Result<Vec<TimeIndex>, CoreError> {
        let all = schedule.steps();
        match self {
            Grid::LogSnr | Grid::Karras => {
                check_steps(all, steps)?;
                let levels: Vec<Level> = schedule.levels().collect();
                let log_snrs = placed(self, &levels[0], &levels[all - 1], steps - 1)?;
                Ok(nearest_timesteps(schedule, &log_snrs))
            }
            _ => self.timesteps(all, steps),
        }
    }

    /// N + 1 falling times of a continuous process, from its noisiest to `t_min`: N steps.
    ///
    /// `leading`, `linspace` and `trailing` differ in rounding alone and are all even in t. `log-snr` and `karras` need noise at `t_min`.
    pub fn times(self, process: &Process, steps: usize, t_min: f64) -> Result<Vec<f64>, CoreError> {
        CoreError::check("steps", "at least 1", steps as f64, steps > 0)?;
        let (least, most) = process.time_range();
        let expected = "within the process and below its last time";
        CoreError::check("t-min", expected, t_min, t_min >= least && t_min < most)?;
        let n = steps as f64;
        let mut times: Vec<f64> = match self {
            Grid::Leading | Grid::Linspace | Grid::Trailing => {
                (0..=steps).map(|k| most + (t_min - most) * k as f64 / n).collect()
            }
            Grid::Quadratic => {
                let (high, low) = (most.sqrt(), t_min.sqrt());
                (0..=steps).map(|k| (high + (low - high) * k as f64 / n).powi(2)).collect()
            }
            Grid::LogSnr | Grid::Karras => {
                let (low, high) = (process.level(t_min)?, process.level(most)?);
                let placed = placed(self, &low, &high, steps)?;
                let time =
                    |log_snr| process.level_at_log_snr(log_snr).and_then(|level| process.time_of(&level));
                placed.into_iter().map(time).collect::<Result<_, _>>()?
            }
        };
        // The ends are the given ones, to the bit.
        times[0] = most;
        times[steps] = t_min;
        Ok(times)
    }
}

fn unknown(word: &str) -> CoreError {
    CoreError::unknown_name::<Grid>("grid", word)
}

fn check_steps(train_steps: usize, steps: usize) -> Result<(), CoreError> {
    if steps == 0 || steps > train_steps { Err(CoreError::Steps { train_steps, got: steps }) } else { Ok(()) }
}

/// `intervals` + 1 log-SNRs from `high` noise to `low` noise.
fn placed(grid: Grid, low: &Level, high: &Level, intervals: usize) -> Result<Vec<f64>, CoreError> {
    if !low.log_snr().is_finite() || !high.log_snr().is_finite() {
        return Err(CoreError::Unsupported(format!(
            "grid {} needs noise at the lowest level and signal at the highest; give a smallest time above 0 or another grid",
            grid.name()
        )));
    }
    let fraction = |k: usize| k as f64 / intervals.max(1) as f64;
    Ok((0..=intervals)
        .map(|k| match grid {
            Grid::Karras => {
                let (min, max) = (low.relative_sigma(), high.relative_sigma());
                -2.0 * karras_sigma(min, max, KARRAS_RHO, 1.0 - fraction(k)).ln()
            }
            _ => high.log_snr() + fraction(k) * (low.log_snr() - high.log_snr()),
        })
        .collect())
}

/// The index of the level nearest to `log_snr`.
fn position(levels: &[Level], log_snr: f64) -> f64 {
    let above = levels.partition_point(|level| level.log_snr() > log_snr).clamp(1, levels.len().max(2) - 1);
    let Some(noisier) = levels.get(above) else { return 0.0 };
    let nearer = levels[above - 1].log_snr() - log_snr < log_snr - noisier.log_snr();
    if nearer { above as f64 - 1.0 } else { above as f64 }
}

/// The timesteps of a schedule nearest to rising log-SNRs, distinct: one that is already used moves to the next free one. There may be at most as
/// many as timesteps.
pub fn nearest_timesteps(schedule: &Schedule, log_snrs: &[f64]) -> Vec<TimeIndex> {
    let levels: Vec<Level> = schedule.levels().collect();
    distinct(log_snrs.iter().map(|&log_snr| position(&levels, log_snr)), schedule.steps())
}

/// Rounds falling positions to distinct timesteps below `train_steps`: a position that is already used moves to the next free one.
fn distinct(positions: impl Iterator<Item = f64>, train_steps: usize) -> Vec<TimeIndex> {
    let mut timesteps: Vec<i64> = positions.map(|p| p.round_ties_even() as i64).collect();
    let mut ceiling = train_steps as i64;
    for t in &mut timesteps {
        *t = (*t).min(ceiling - 1);
        ceiling = *t;
    }
    let mut floor = -1;
    for t in timesteps.iter_mut().rev() {
        *t = (*t).max(floor + 1);
        floor = *t;
    }
    timesteps.into_iter().map(|t| TimeIndex(t as u32)).collect()
}
