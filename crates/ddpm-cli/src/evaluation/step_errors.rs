//! What each step of a deterministic sampler costs in the samples of a checkpoint.

use super::studied_sampler::{StudiedSampler, StudyJob};
use crate::image_model::image_shape;
use crate::progress::Progress;
use crate::runtime::StopFlag;
use crate::sampling::SamplingJob;
use anyhow::{Result, ensure};
use ddpm_core::decomposition::equal_costs;
use ddpm_core::{ChosenLevels, Level, SAMPLERS, Scheme, Time, nearest_timesteps};
use ddpm_eval::extractor::FeatureExtractor;
use ddpm_eval::{EvalError, StepAverages, StepCosts};
use ddpm_nets::pixels::to_u8;
use ddpm_report::results::{Format, PlacedLevel, StepErrorReport};
use ddpm_sample::{NoiseInput, Record, refined};
use std::ops::ControlFlow;
use tch::Device;

/// The sampler whose steps are compared with the flow.
pub(crate) struct StepErrorJob<'a> {
    /// The sampler.
    pub(crate) sampler: &'a StudiedSampler<'a>,
    /// Steps of the flow: all training levels unless given.
    pub(crate) fine_steps: Option<usize>,
    /// Starting states.
    pub(crate) paths: u64,
    /// What makes the features.
    pub(crate) extractor: &'a dyn FeatureExtractor,
}

impl StepErrorJob<'_> {
    /// Checks, before anything is computed, that the sampler is deterministic.
    pub(crate) fn check(scheme: &Scheme) -> Result<()> {
        let name = scheme.name();
        let draws = match scheme {
            Scheme::Ddim { eta, .. } => *eta > 0.0,
            Scheme::Edm { churn } => churn.amount > 0.0,
            _ => SAMPLERS.iter().any(|info| info.name == name && info.draws > 0),
        };
        ensure!(
            !draws && *scheme != Scheme::OdeRk45,
            "--step-errors needs a deterministic sampler with fixed steps, such as ddim, ode-heun or dpmpp-2m, not {name}{}",
            if matches!(scheme, Scheme::Ddim { .. } | Scheme::Edm { .. }) { " with noise" } else { "" }
        );
        Ok(())
    }

    /// The contributions.
    pub(crate) fn run(&self, stop: &StopFlag) -> Result<StepErrorReport> {
        Self::check(&self.sampler.scheme)?;
        let scheduler = &self.sampler.checkpoint.scheduler;
        let fine = self.fine_steps.unwrap_or(scheduler.noising().default_steps());
        ensure!(
            fine >= self.sampler.steps,
            "--fine-steps must be at least the {} steps of the sampler, got {fine}",
            self.sampler.steps
        );
        self.sampler.check_memory(self.paths)?;
        let coarse = self.job(self.sampler.scheme, self.sampler.steps, self.sampler.chosen.as_ref())?;
        let flow = self.job(Scheme::ddim(0.0), fine, None)?;
        let flow = refined(&coarse.levels.trajectory, &with_lowest(&coarse, &flow)?)?;
        let mut costs = StepCosts::default();
        for first in (0..self.paths).step_by(self.sampler.batch_size as usize) {
            let range = first..(first + self.sampler.batch_size).min(self.paths);
            let mut bar: Option<Progress> = None;
            let label = format!("starting states {} to {} of {}", first + 1, range.end, self.paths);
            let found = coarse.step_errors(&flow, range, self.sampler.device, &mut |done, all| {
                bar.get_or_insert_with(|| Progress::new("step errors", "evaluations", 0, all))
                    .set(done, || label.clone());
                if stop.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            costs.add(&found, &mut |x| {
                let bytes = torch_ext::fence(|| to_u8(x).to_device(Device::Cpu))?;
                Ok::<_, EvalError>(self.extractor.features(&bytes)?.features)
            })?;
        }
        let StepAverages { entries, total_rms, total_feature_distance, sum_residual } = costs.averages()?;
        let order =
            SAMPLERS.iter().find(|info| info.name == self.sampler.scheme.name()).map_or(1, |info| info.order);
        let costs: Vec<f64> = entries.iter().map(|entry| entry.rms).collect();
        Ok(StepErrorReport {
            format: Format,
            sampler: self.sampler.scheme.name().into(),
            order,
            steps: self.sampler.steps as u64,
            fine_steps: flow.steps() as u64,
            paths: self.paths,
            seed: self.sampler.seed,
            extractor: self.extractor.name(),
            total_rms,
            total_feature_distance,
            placement: self.placement(coarse.levels.trajectory.levels(), flow.levels(), &costs, order),
            entries,
            sum_residual,
        })
    }

    fn job(&self, scheme: Scheme, steps: usize, chosen: Option<&ChosenLevels>) -> Result<SamplingJob<'_>> {
        self.sampler.job(StudyJob {
            scheme,
            steps,
            chosen,
            labels: self.sampler.labels(),
            noise: NoiseInput::keyed(self.sampler.seed, &image_shape(self.sampler.checkpoint)),
            num: self.paths,
            record: Record::default(),
        })
    }

    /// As many levels at which the steps would cost the same, between the first level and the lowest of the flow; none where costs or levels do not
    /// allow it.
    fn placement(
        &self,
        coarse: &[Level],
        flow: &[Level],
        costs: &[f64],
        order: u32,
    ) -> Option<Vec<PlacedLevel>> {
        let noisy = |levels: &[Level]| -> Vec<Level> {
            levels.iter().copied().filter(|level| level.time() != Time::Clean).collect()
        };
        let (mut levels, lowest) = (noisy(coarse), *noisy(flow).last()?);
        let steps = levels.len() - 1;
        if levels.last().is_some_and(|last| lowest.log_snr() > last.log_snr()) {
            // The last step, to data, is one over the levels that the flow still visits.
            levels.push(lowest);
        }
        if steps == 0 {
            return None;
        }
        let log_snrs = equal_costs(&levels, &costs[..levels.len() - 1], order, steps).ok()?;
        let scheduler = &self.sampler.checkpoint.scheduler;
        let placed = match scheduler.noising().schedule() {
            Some(schedule) if scheduler.noising().scale() == ddpm_core::Scale::VariancePreserving => {
                nearest_timesteps(schedule, &log_snrs)
                    .into_iter()
                    .map(|t| PlacedLevel { t: Some(t.0 + 1), log_snr: schedule.level(t).log_snr() })
                    .collect()
            }
            _ => log_snrs.into_iter().map(|log_snr| PlacedLevel { t: None, log_snr }).collect(),
        };
        Some(placed)
    }
}

/// The flow's levels; on a schedule down to the lowest training level, wherever its own grid ends.
fn with_lowest(coarse: &SamplingJob<'_>, flow: &SamplingJob<'_>) -> Result<ddpm_core::Trajectory> {
    let fine = &flow.levels.trajectory;
    let Some(schedule) = coarse.levels.schedule() else { return Ok(fine.clone()) };
    let lowest = schedule.level(ddpm_core::TimeIndex(0));
    let mut levels = fine.levels().to_vec();
    let noisy = levels.iter().filter(|level| level.time() != Time::Clean).count();
    if noisy > 0 && lowest.log_snr() > levels[noisy - 1].log_snr() + 1e-9 {
        levels.insert(noisy, lowest);
    }
    Ok(ddpm_core::Trajectory::of_levels(levels, fine.scale(), None)?)
}
