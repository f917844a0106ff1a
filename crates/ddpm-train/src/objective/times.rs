//! The `[train.times]` section: how the noise levels of a batch are drawn.

use super::history::LossHistory;
use crate::TrainError;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{Level, Noising, Schedule, Time, TimeIndex};
use rand_distr::{Distribution, StandardUniform, Uniform};
use serde::{Deserialize, Serialize};
use std::path::Path;
use strum::VariantNames;

/// The distribution of the noise levels. Variants without settings have braces so that serde refuses the settings of others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, VariantNames)]
#[strum(serialize_all = "kebab-case")]
#[serde(tag = "sampler", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TimesConfig {
    /// Every training level alike, independently (Ho et al. 2020); on a process in continuous time every time alike (Song et al. 2021).
    Uniform {},
    /// Every training level alike, spread evenly over the batch: (u + i/B) mod 1 of the way for its i-th image (Kingma et al. 2021, sec. I.1).
    Stratified {},
    /// In proportion to the root mean square of a level's last losses, with importance weights 1/(T p) (Nichol & Dhariwal 2021, eq. 18).
    /// Uniform until every level has its history.
    Importance {
        /// Number of losses kept for each level.
        #[serde(default = "ten")]
        history: usize,
        /// Share of uniform draws.
        #[serde(default = "thousandth")]
        uniform_share: f64,
    },
    /// log(sigma) normal, not bound to the training levels (Karras et al. 2022, table 1). For prediction `edm`.
    LogNormal {
        /// Mean of log(sigma), P_mean.
        #[serde(default = "edm_mean")]
        mean: f64,
        /// Standard deviation of log(sigma), P_std.
        #[serde(default = "edm_std")]
        std: f64,
    },
}

fn ten() -> usize {
    10
}
fn thousandth() -> f64 {
    1e-3
}
fn edm_mean() -> f64 {
    -1.2
}
fn edm_std() -> f64 {
    1.2
}

impl Default for TimesConfig {
    fn default() -> Self {
        TimesConfig::Uniform {}
    }
}

impl TimesConfig {
    /// The name of every kind, the default first.
    pub const KINDS: &[&str] = <Self as VariantNames>::VARIANTS;

    /// Checks every setting; the text names the key.
    pub fn validate(&self) -> Result<(), TrainError> {
        let check = |ok: bool, key: &str, expected: &str, got: String| {
            if ok { Ok(()) } else { Err(TrainError::setting(key, expected, got)) }
        };
        match *self {
            TimesConfig::Uniform {} | TimesConfig::Stratified {} => Ok(()),
            TimesConfig::Importance { history, uniform_share } => {
                check(history >= 1, "times.history", "at least 1", history.to_string())?;
                let ok = uniform_share > 0.0 && uniform_share <= 1.0;
                check(ok, "times.uniform_share", "in (0, 1]", uniform_share.to_string())
            }
            TimesConfig::LogNormal { mean, std } => {
                check(mean.is_finite(), "times.mean", "finite", mean.to_string())?;
                check(std > 0.0 && std.is_finite(), "times.std", "positive", std.to_string())
            }
        }
    }
}

/// The noise level of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DrawnLevel {
    /// The level.
    pub level: Level,
    /// Its training timestep, where it is one.
    pub index: Option<TimeIndex>,
    /// The factor of the image's loss, 1/(T p): the mean loss then does not depend on the distribution of the levels.
    pub importance: f64,
}

impl DrawnLevel {
    /// A training level with importance 1.
    pub fn at(schedule: &Schedule, t: TimeIndex) -> Self {
        DrawnLevel { level: schedule.level(t), index: Some(t), importance: 1.0 }
    }
}

/// Draws noise levels keyed by (seed, global sample index).
#[derive(Debug)]
pub struct TimeSampler {
    config: TimesConfig,
    noising: Noising,
    batch_size: u64,
    source: NoiseSource,
    history: Option<LossHistory>,
}

impl TimeSampler {
    /// Over the levels of a noising process; `batch_size` is that of a step in all processes together. Importance sampling needs a schedule.
    pub fn new(config: TimesConfig, noising: Noising, batch_size: usize, seed: u64) -> Self {
        let history = match (config, noising.schedule()) {
            (TimesConfig::Importance { history, uniform_share }, Some(schedule)) => {
                Some(LossHistory::new(schedule.steps(), history, uniform_share))
            }
            _ => None,
        };
        let batch_size = batch_size.max(1) as u64;
        TimeSampler {
            config,
            noising,
            batch_size,
            source: NoiseSource::new(seed, Purpose::TrainingTime),
            history,
        }
    }

    /// The levels of `n` images, the first of which has the global sample index `first_sample`.
    pub fn draw(&self, first_sample: u64, n: usize) -> Result<Vec<DrawnLevel>, TrainError> {
        let law = self.history.as_ref().map(LossHistory::law);
        (first_sample..first_sample + n as u64)
            .map(|sample| match (self.config, &law, &self.noising) {
                (TimesConfig::LogNormal { mean, std }, ..) => {
                    let log_sigma = mean + std * self.source.normal(sample, 0, 1)[0];
                    let level = Level::variance_exploding(-2.0 * log_sigma, Time::Sigma(log_sigma.exp()));
                    Ok(DrawnLevel { level, index: None, importance: 1.0 })
                }
                (TimesConfig::Importance { .. }, Some(law), Noising::Discrete(schedule)) => {
                    let (t, importance) = law.at(self.unit(sample, 0));
                    Ok(DrawnLevel { importance, ..DrawnLevel::at(schedule, t) })
                }
                (TimesConfig::Stratified {}, ..) => self.at(self.stratum(sample)),
                (.., Noising::Discrete(schedule)) => {
                    Ok(DrawnLevel::at(schedule, self.uniform(schedule, sample)))
                }
                (.., Noising::Continuous { .. }) => self.at(self.unit(sample, 0)),
            })
            .collect()
    }

    /// The level at the fraction `u` in [0, 1) of the way from the least to the most noise.
    fn at(&self, u: f64) -> Result<DrawnLevel, TrainError> {
        if let Noising::Discrete(schedule) = &self.noising {
            let steps = schedule.steps();
            return Ok(DrawnLevel::at(
                schedule,
                TimeIndex(((u * steps as f64) as usize).min(steps - 1) as u32),
            ));
        }
        Ok(DrawnLevel { level: self.noising.level_at(u)?, index: None, importance: 1.0 })
    }

    /// Records the losses of training levels, in the order of their samples. Non-finite losses are left out.
    pub fn record_losses(&mut self, losses: &[(TimeIndex, f64)]) {
        if let Some(history) = &mut self.history {
            losses.iter().filter(|(_, loss)| loss.is_finite()).for_each(|&(t, loss)| history.push(t, loss));
        }
    }

    /// Whether [`TimeSampler::record_losses`] has any effect.
    pub fn is_adaptive(&self) -> bool {
        self.history.is_some()
    }

    /// Writes the recorded losses into a checkpoint's `state/`.
    pub fn save(&self, state: &Path) -> Result<(), TrainError> {
        self.history.as_ref().map_or(Ok(()), |history| history.save(state))
    }

    /// Restores them.
    pub fn load(&mut self, state: &Path) -> Result<(), TrainError> {
        self.history.as_mut().map_or(Ok(()), |history| history.load(state))
    }

    fn uniform(&self, schedule: &Schedule, sample: u64) -> TimeIndex {
        match Uniform::new(0, schedule.steps() as u64) {
            Ok(law) => TimeIndex(law.sample(&mut self.source.rng(sample, 0)) as u32),
            // A schedule has at least one level.
            Err(_) => TimeIndex(0),
        }
    }

    /// The place of a sample of a stratified batch, in [0, 1): one offset a step, which all its images share.
    fn stratum(&self, sample: u64) -> f64 {
        let (step, position) = (sample / self.batch_size, sample % self.batch_size);
        (self.unit(step, 1) + position as f64 / self.batch_size as f64).fract()
    }

    fn unit(&self, image: u64, draw: u64) -> f64 {
        StandardUniform.sample(&mut self.source.rng(image, draw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::{ProcessConfig, ProcessKind};

    fn sampler(config: TimesConfig, batch: usize) -> TimeSampler {
        let noising = Noising::Discrete(Schedule::linear_between(1e-3, 0.2, 10).unwrap());
        TimeSampler::new(config, noising, batch, 1)
    }

    fn counts(draws: &[DrawnLevel]) -> [f64; 10] {
        let mut counts = [0.0; 10];
        draws.iter().for_each(|draw| counts[draw.index.unwrap().0 as usize] += 1.0);
        counts
    }

    #[test]
    fn times_are_uniform_and_every_image_keeps_its_own_draw() {
        let uniform = sampler(TimesConfig::Uniform {}, 4);
        let n = 20_000;
        let draws = uniform.draw(0, n).unwrap();
        let expected = n as f64 / 10.0;
        let chi_square: f64 = counts(&draws).iter().map(|c| (c - expected).powi(2) / expected).sum();
        assert!(chi_square < 27.9, "9 degrees of freedom, 1e-3: {:?}", counts(&draws));
        assert_eq!(uniform.draw(100, 4).unwrap()[2..], uniform.draw(102, 2).unwrap());
    }

    #[test]
    fn a_stratified_batch_covers_the_levels_evenly_however_it_is_split() {
        let stratified = sampler(TimesConfig::Stratified {}, 20);
        for step in 0..50 {
            let batch = stratified.draw(step * 20, 20).unwrap();
            assert!(counts(&batch).iter().all(|&count| count == 2.0), "{:?}", counts(&batch));
            let parts = [stratified.draw(step * 20, 7).unwrap(), stratified.draw(step * 20 + 7, 13).unwrap()]
                .concat();
            assert_eq!(batch, parts);
        }
        // A single image of each batch is uniform over the levels.
        let first: Vec<DrawnLevel> =
            (0..5000).flat_map(|step| stratified.draw(step * 20, 1).unwrap()).collect();
        let chi_square: f64 = counts(&first).iter().map(|c| (c - 500.0).powi(2) / 500.0).sum();
        assert!(chi_square < 27.9, "{chi_square}");
    }

    #[test]
    fn times_of_a_process_are_uniform_in_its_time_and_have_no_timestep() {
        let process = ProcessConfig::new(ProcessKind::Vp, Some(0.1)).build().unwrap();
        let n = 20_000;
        for (config, spread) in [(TimesConfig::Uniform {}, 1.0), (TimesConfig::Stratified {}, 0.05)] {
            let draws = TimeSampler::new(config, process.clone(), 100, 1).draw(0, n).unwrap();
            let times: Vec<f64> = draws
                .iter()
                .map(|draw| match draw.level.time() {
                    Time::Continuous(t) if draw.index.is_none() => t,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert!(times.iter().all(|t| (0.1..1.0).contains(t)));
            let mean = times.iter().sum::<f64>() / n as f64;
            // Four standard errors of a uniform mean; a stratified one has less.
            assert!((mean - 0.55).abs() < 4.0 * spread * 0.9 / (12.0 * n as f64).sqrt(), "{mean}");
        }
    }

    #[test]
    fn log_sigma_is_normal() {
        let n = 20_000;
        let draws = sampler(TimesConfig::LogNormal { mean: -1.2, std: 1.2 }, 4).draw(0, n).unwrap();
        let logs: Vec<f64> = draws.iter().map(|draw| draw.level.relative_sigma().ln()).collect();
        let mean = logs.iter().sum::<f64>() / n as f64;
        let variance = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / n as f64;
        assert!((mean + 1.2).abs() < 4.0 * 1.2 / (n as f64).sqrt());
        assert!((variance / 1.44 - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt());
        assert!(draws.iter().all(|draw| matches!(draw.level.time(), Time::Sigma(s) if (s.ln() - draw.level.relative_sigma().ln()).abs() < 1e-12)));
    }

    #[test]
    fn importance_follows_the_losses_and_weighs_them_back() {
        let mut importance = sampler(TimesConfig::Importance { history: 3, uniform_share: 0.1 }, 4);
        let loss = |t: u32| f64::from(t + 1);
        for _ in 0..2 {
            importance.record_losses(&(0..10).map(|t| (TimeIndex(t), loss(t))).collect::<Vec<_>>());
        }
        assert!(
            importance.draw(0, 100).unwrap().iter().all(|draw| draw.importance == 1.0),
            "uniform until it is warm"
        );
        importance.record_losses(&(0..10).map(|t| (TimeIndex(t), loss(t))).collect::<Vec<_>>());
        importance.record_losses(&[(TimeIndex(3), f64::NAN)]);
        let n = 40_000;
        let draws = importance.draw(0, n).unwrap();
        for (t, count) in counts(&draws).into_iter().enumerate() {
            let p = 0.9 * loss(t as u32) / 55.0 + 0.01;
            let error = (p * (1.0 - p) / n as f64).sqrt();
            assert!((count / n as f64 - p).abs() < 4.5 * error, "{t}");
            let draw = draws.iter().find(|draw| draw.index == Some(TimeIndex(t as u32))).unwrap();
            assert!((draw.importance * 10.0 * p - 1.0).abs() < 1e-12);
        }
        // The weighed mean is the mean over uniform levels.
        let weighed = draws.iter().map(|d| d.importance * loss(d.index.unwrap().0)).sum::<f64>() / n as f64;
        assert!((weighed - 5.5).abs() < 0.05, "{weighed}");
    }

    #[test]
    fn the_history_survives_a_checkpoint_and_another_size_is_refused() {
        let config = TimesConfig::Importance { history: 2, uniform_share: 0.01 };
        let mut before = sampler(config, 4);
        let losses: Vec<(TimeIndex, f64)> =
            (0..37u32).map(|i| (TimeIndex(i % 10), 1.0 / f64::from(i + 3))).collect();
        before.record_losses(&losses);
        let folder = tempfile::tempdir().unwrap();
        before.save(folder.path()).unwrap();
        let mut after = sampler(config, 4);
        after.load(folder.path()).unwrap();
        for sampler in [&mut before, &mut after] {
            sampler.record_losses(&losses[..5]);
        }
        assert_eq!(before.draw(7, 200).unwrap(), after.draw(7, 200).unwrap());
        let mut other = sampler(TimesConfig::Importance { history: 3, uniform_share: 0.01 }, 4);
        assert!(other.load(folder.path()).unwrap_err().to_string().contains("times.safetensors"));
    }
}
