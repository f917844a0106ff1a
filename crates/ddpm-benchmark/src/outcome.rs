//! Results of cells, computed with the formulas of `ddpm-core`.

use crate::cell::{Cell, Computation, MonteCarloPaths, VisitedLevels};
use crate::closed_form_target::NamedTarget;
use anyhow::{Context, Result, bail};
use ddpm_core::decomposition::{Estimate, MonteCarlo, ScheduleCurve, Settings, decompose};
use ddpm_core::recursion::{GaussianDenoiser, W2Errors, w2_errors, w2_to_end};
use ddpm_core::{Level, ScheduleConfig, Scheme, Target, Variance};
use serde::{Deserialize, Serialize};

/// The terms of a divergence, in nats, and the ends of its levels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DivergenceTerms {
    /// KL(q(x_T) || N(0, I)).
    pub(crate) init: Estimate,
    /// Sum of the discretization terms.
    pub(crate) discretization: Estimate,
    /// Sum of the training terms.
    pub(crate) training: Estimate,
    /// Sum of the three.
    pub(crate) total: Estimate,
    /// Bound on W2 between the data and the lowest visited level.
    pub(crate) truncation_w2_bound: f64,
    /// sigma/alpha of the lowest visited level.
    pub(crate) least_noise: f64,
    /// sigma/alpha of the noisiest visited level.
    pub(crate) most_noise: f64,
    /// alpha_bar of the noisiest visited level.
    pub(crate) last_alpha_bar: f64,
}

/// W2 of the samples of a sampler.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct W2Distances {
    /// To the target, with one source of error switched on at a time.
    pub(crate) errors: W2Errors,
    /// To the true law at the trajectory's last level, started at the true law of x_T: discretization alone.
    pub(crate) to_end: f64,
    /// sigma/alpha of the lowest level that has noise.
    pub(crate) least_noise: f64,
    /// Evaluations of the denoiser.
    pub(crate) evaluations: usize,
    /// Whether the sampler draws noise between the first and the last level.
    pub(crate) draws_noise: bool,
}

/// The visited levels with the least discretization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BestPlacement {
    /// The visited levels t in 1..T, the noisiest first.
    pub(crate) timesteps: Vec<usize>,
    /// Initialization at the noisiest level, which is always visited, in nats.
    pub(crate) init: f64,
    /// Sum of their discretization terms, in nats.
    pub(crate) discretization: f64,
}

/// The result of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Of [`Computation::Divergence`].
    Divergence(DivergenceTerms),
    /// Of [`Computation::Wasserstein`].
    Wasserstein(W2Distances),
    /// Of [`Computation::Placement`].
    Placement(BestPlacement),
}

impl Outcome {
    /// The terms of a divergence.
    pub(crate) fn divergence(&self) -> Result<&DivergenceTerms> {
        if let Outcome::Divergence(terms) = self {
            Ok(terms)
        } else {
            bail!("expected a divergence, got {self:?}")
        }
    }

    /// The distances of a sampler.
    pub(crate) fn w2(&self) -> Result<&W2Distances> {
        if let Outcome::Wasserstein(distances) = self {
            Ok(distances)
        } else {
            bail!("expected W2, got {self:?}")
        }
    }

    /// The distance from the samples to the data, started at N(0, I): the whole error of a sampler with the ideal denoiser.
    pub(crate) fn w2_to_data(&self) -> Result<Estimate> {
        Ok(Estimate::exact(self.w2()?.errors.from_normal))
    }

    /// Initialization, discretization and training together, of a divergence or of the best placement.
    pub(crate) fn total(&self) -> Result<Estimate> {
        match self {
            Outcome::Placement(best) => Ok(Estimate::exact(best.init + best.discretization)),
            _ => Ok(self.divergence()?.total),
        }
    }
}

/// Computes a cell.
pub(crate) fn compute(cell: &Cell, target: &NamedTarget) -> Result<Outcome> {
    let law = &target.law;
    let outcome = match &cell.computation {
        Computation::Divergence { levels, variance, perturbation, sampled } => {
            divergence(law, levels, *variance, *perturbation, *sampled).map(Outcome::Divergence)
        }
        Computation::Wasserstein { levels, sampler } => {
            wasserstein(law, levels, sampler).map(Outcome::Wasserstein)
        }
        Computation::Placement { schedule, steps, variance } => {
            placement(law, schedule, *steps, *variance).map(Outcome::Placement)
        }
    };
    outcome.with_context(|| format!("cell {}", serde_json::to_string(cell).unwrap_or_default()))
}

fn divergence(
    law: &Target,
    levels: &VisitedLevels,
    variance: Variance,
    perturbation: f64,
    sampled: Option<MonteCarloPaths>,
) -> Result<DivergenceTerms> {
    let visited = levels.noised()?;
    let monte_carlo = sampled.map_or(MonteCarlo::default(), |MonteCarloPaths { number, seed }| MonteCarlo {
        images: number,
        seed,
        ..MonteCarlo::default()
    });
    let result = decompose(law, &visited, &Settings { variance, perturbation, monte_carlo })?;
    let (noisiest, lowest) = ends(&visited)?;
    Ok(DivergenceTerms {
        init: result.init,
        discretization: result.discretization,
        training: result.training,
        total: result.total,
        truncation_w2_bound: result.truncation_w2_bound,
        least_noise: lowest.relative_sigma(),
        most_noise: noisiest.relative_sigma(),
        last_alpha_bar: noisiest.alpha_bar(),
    })
}

fn ends(visited: &[Level]) -> Result<(&Level, &Level)> {
    visited.first().zip(visited.last()).context("no level is visited")
}

fn wasserstein(law: &Target, levels: &VisitedLevels, sampler: &Scheme) -> Result<W2Distances> {
    let Target::Gaussian(law) = law else { bail!("W2 is exact for Gaussian targets alone") };
    let mut trajectory = levels.trajectory()?;
    if *sampler == (Scheme::Ddpm { variance: Variance::Analytic }) {
        let from = &trajectory.levels()[..trajectory.steps()];
        let mse = from.iter().map(|level| law.mmse(level) / law.dim() as f64).collect();
        trajectory = trajectory.with_mse(mse)?;
    }
    let denoiser = GaussianDenoiser::new(law, 0.0);
    let plan = sampler.plan(&trajectory)?;
    let visited = levels.noised()?;
    let (_, lowest) = ends(&visited)?;
    Ok(W2Distances {
        errors: w2_errors(&denoiser, &trajectory, sampler)?,
        to_end: w2_to_end(&denoiser, &trajectory, sampler)?,
        least_noise: lowest.relative_sigma(),
        evaluations: plan.iter().map(ddpm_core::Step::evaluations).sum(),
        draws_noise: plan.iter().any(|step| step.draws() > 0),
    })
}

/// The levels are chosen by the exact mmse at all levels of the schedule.
fn placement(
    law: &Target,
    schedule: &ScheduleConfig,
    steps: usize,
    variance: Variance,
) -> Result<BestPlacement> {
    let levels: Vec<Level> = schedule.build()?.levels().rev().collect();
    let terms = decompose(law, &levels, &Settings::new(variance))?;
    let mmse = terms.levels.iter().map(|level| level.mmse).collect();
    let all = levels.len();
    let best = ScheduleCurve::new(levels, mmse, law.dim())?.best_placement(steps, variance)?;
    Ok(BestPlacement {
        timesteps: best.positions.iter().map(|position| all - position).collect(),
        init: terms.init.value,
        discretization: best.discretization,
    })
}
