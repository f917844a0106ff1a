//! What a cell results in, and how it is computed from the mathematics of `ddpm-core`.

use crate::cell::{Cell, Chain, Sampled, Work};
use crate::closed_form_target::NamedTarget;
use anyhow::{Context, Result, bail};
use ddpm_core::decomposition::{Estimate, MonteCarlo, ScheduleCurve, Settings, decompose};
use ddpm_core::recursion::{GaussianDenoiser, W2Errors, w2_errors, w2_to_end};
use ddpm_core::{Level, ScheduleConfig, Scheme, Target, Variance};
use serde::{Deserialize, Serialize};

/// The terms of a divergence, in nats, and what describes the chain.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Divergence {
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

/// W2 of a sampler's output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wasserstein {
    /// To the target, with one source of error switched on at a time.
    pub(crate) errors: W2Errors,
    /// To the true law at the trajectory's last level, started at the true law of x_T: discretization alone.
    pub(crate) to_end: f64,
    /// sigma/alpha of the lowest level that has noise.
    pub(crate) least_noise: f64,
    /// Evaluations of the denoiser.
    pub(crate) evaluations: usize,
    /// Whether the sampler draws noise on the way.
    pub(crate) draws_noise: bool,
}

/// The best placement of some levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Placed {
    /// The paper's t of the visited levels, the noisiest first.
    pub(crate) timesteps: Vec<usize>,
    /// Sum of their discretization terms, in nats.
    pub(crate) discretization: f64,
}

/// The result of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Of [`Work::Divergence`].
    Divergence(Divergence),
    /// Of [`Work::Wasserstein`].
    Wasserstein(Wasserstein),
    /// Of [`Work::Placement`].
    Placement(Placed),
}

/// Computes a cell.
pub(crate) fn compute(cell: &Cell, target: &NamedTarget) -> Result<Outcome> {
    let law = &target.law;
    let outcome = match &cell.work {
        Work::Divergence { chain, variance, perturbation, sampled } => {
            divergence(law, chain, *variance, *perturbation, *sampled).map(Outcome::Divergence)
        }
        Work::Wasserstein { chain, sampler } => wasserstein(law, chain, sampler).map(Outcome::Wasserstein),
        Work::Placement { schedule, steps, variance } => {
            placement(law, schedule, *steps, *variance).map(Outcome::Placement)
        }
    };
    outcome.with_context(|| format!("cell {}", serde_json::to_string(cell).unwrap_or_default()))
}

fn divergence(
    law: &Target,
    chain: &Chain,
    variance: Variance,
    perturbation: f64,
    sampled: Option<Sampled>,
) -> Result<Divergence> {
    let visited = chain.visited()?;
    let effort = sampled.map_or(MonteCarlo::default(), |Sampled { number, seed }| MonteCarlo {
        images: number,
        seed,
        ..MonteCarlo::default()
    });
    let settings = Settings { variance, perturbation, monte_carlo: effort };
    let result = decompose(law, &visited, &settings)?;
    let (start, lowest) = ends(&visited)?;
    Ok(Divergence {
        init: result.init,
        discretization: result.discretization,
        training: result.training,
        total: result.total,
        truncation_w2_bound: result.truncation_w2_bound,
        least_noise: lowest.relative_sigma(),
        most_noise: start.relative_sigma(),
        last_alpha_bar: start.alpha_bar(),
    })
}

fn ends(visited: &[Level]) -> Result<(&Level, &Level)> {
    visited.first().zip(visited.last()).context("a chain without levels")
}

fn wasserstein(law: &Target, chain: &Chain, sampler: &Scheme) -> Result<Wasserstein> {
    let Target::Gaussian(law) = law else { bail!("W2 is exact for Gaussian targets alone") };
    let mut trajectory = chain.trajectory()?;
    if *sampler == (Scheme::Ddpm { variance: Variance::Analytic }) {
        let levels = &trajectory.levels()[..trajectory.steps()];
        let mse = levels.iter().map(|level| law.mmse(level) / law.dim() as f64).collect();
        trajectory = trajectory.with_mse(mse)?;
    }
    let denoiser = GaussianDenoiser::new(law, 0.0);
    let plan = sampler.plan(&trajectory)?;
    let visited = chain.visited()?;
    let (_, lowest) = ends(&visited)?;
    Ok(Wasserstein {
        errors: w2_errors(&denoiser, &trajectory, sampler)?,
        least_noise: lowest.relative_sigma(),
        to_end: w2_to_end(&denoiser, &trajectory, sampler)?,
        evaluations: plan.iter().map(ddpm_core::Step::evaluations).sum(),
        draws_noise: plan.iter().any(|step| step.draws() > 0),
    })
}

/// The floor at all levels of the schedule comes from the exact mmse.
fn placement(law: &Target, schedule: &ScheduleConfig, steps: usize, variance: Variance) -> Result<Placed> {
    let levels: Vec<Level> = schedule.build()?.levels().rev().collect();
    let terms = decompose(law, &levels, &Settings::new(variance))?;
    let mmse = terms.levels.iter().map(|level| level.mmse).collect();
    let all = levels.len();
    let curve = ScheduleCurve::new(levels, mmse, law.dim())?;
    let placement = curve.best_placement(steps, variance)?;
    Ok(Placed {
        timesteps: placement.positions.iter().map(|position| all - position).collect(),
        discretization: placement.discretization,
    })
}
