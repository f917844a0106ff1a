//! The decomposition of closed-form targets: in closed form for Gaussians, by quadrature in one dimension, by Monte Carlo otherwise.

use super::settings::Settings;
use super::step::{ReverseStep, reverse_steps};
use super::terms::{Decomposition, Estimate, LevelTerms, Statistics, truncation_bound};
use super::{gaussian, monte_carlo, quadrature, transport};
use crate::classical::ClassicalTerms;
use crate::{CoreError, Level, Target, Trajectory, Variance};

/// Decomposes the error of the ancestral sampler that visits these levels, the noisiest first, none of them data.
pub fn decompose(
    target: &Target,
    visited: &[Level],
    settings: &Settings,
) -> Result<Decomposition, CoreError> {
    decompose_with_progress(target, visited, settings, &mut |_, _| {})
}

/// The same. `progress` is called with the number of noising paths that are done and their total, where terms are estimated.
pub fn decompose_with_progress(
    target: &Target,
    visited: &[Level],
    settings: &Settings,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Decomposition, CoreError> {
    let Some((start, lowest)) = visited.first().zip(visited.last()) else {
        return Err(CoreError::OutOfRange { name: "visited levels", expected: "at least 1", got: 0.0 });
    };
    CoreError::check("perturbation", "finite", settings.perturbation, settings.perturbation.is_finite())?;
    let statistics = match target {
        Target::Gaussian(_) => exact(target, visited, settings.variance)?,
        _ if target.dim() == 1 => exact(target, visited, settings.variance)?,
        _ => monte_carlo::statistics(target, visited, settings, progress)?,
    };
    let dim = target.dim();
    let error = dim as f64 * settings.perturbation * settings.perturbation;
    let training: Vec<f64> = statistics.steps.iter().map(|step| step.error_weight() * error).collect();
    let training_sum: f64 = training.iter().sum();
    let levels: Vec<LevelTerms> = visited
        .iter()
        .enumerate()
        .map(|(k, level)| LevelTerms {
            level: *level,
            mmse: statistics.mmse[k],
            mse: statistics.mmse[k] + error,
            discretization: statistics.discretization.get(k).copied(),
            training: training.get(k).copied(),
            ratio: statistics.steps.get(k).map(ReverseStep::discretization_ratio),
        })
        .collect();
    let mse: Vec<f64> = levels.iter().map(|terms| terms.mse).collect();
    let initialization = transport::initialization_distance(target, start)?;
    let (init, discretization) = (statistics.init, statistics.discretization_sum);
    Ok(Decomposition {
        dim,
        init,
        discretization,
        training: Estimate::exact(training_sum),
        total: Estimate {
            value: init.value + discretization.value + training_sum,
            // Both come from the same images: the sum of the errors is never too small.
            stderr: init.stderr + discretization.stderr,
        },
        truncation_w2_bound: truncation_bound(target, lowest),
        classical: ClassicalTerms::new(initialization, visited, &mse, Some(&statistics.mmse))?,
        levels,
        routes: statistics.routes,
    })
}

/// E|x_0 - D*(x_t)|^2 / d at every level that a step of the trajectory leaves: the target's own, which analytic variance needs.
pub fn mmse_per_component(target: &Target, trajectory: &Trajectory) -> Result<Vec<f64>, CoreError> {
    // It depends on the signal-to-noise ratio alone, whatever the scale of the process.
    let preserving = |level: &Level| Level::variance_preserving(level.log_snr(), level.time());
    let visited: Vec<Level> = trajectory.levels()[..trajectory.steps()].iter().map(preserving).collect();
    let terms = decompose(target, &visited, &Settings::new(Variance::FixedLarge))?;
    Ok(terms.levels.iter().map(|level| level.mmse / target.dim() as f64).collect())
}

fn exact(target: &Target, visited: &[Level], variance: Variance) -> Result<Statistics, CoreError> {
    let dim = target.dim() as f64;
    let (mmse, gains, init) = match target {
        Target::Gaussian(law) => {
            let mmse: Vec<f64> = visited.iter().map(|level| law.mmse(level)).collect();
            let gains = visited.windows(2).map(|pair| gaussian::information_gain(law, &pair[0], &pair[1]));
            let mean_squared = law.mean().iter().map(|m| m * m).sum();
            let eigenvalues = law.covariance().eigenvalues();
            let init = gaussian::gaussian_initialization(mean_squared, &eigenvalues, &visited[0]);
            (mmse, gains.collect::<Vec<f64>>(), init)
        }
        _ => {
            let levels: Result<Vec<_>, CoreError> =
                visited.iter().map(|level| quadrature::level_statistics(target, level)).collect();
            let levels = levels?;
            let gains = levels.windows(2).map(|pair| pair[1].information - pair[0].information).collect();
            let init = quadrature::initialization(target, &visited[0])?;
            (levels.iter().map(|level| level.mmse).collect(), gains, init)
        }
    };
    let per_component: Vec<f64> = mmse.iter().map(|m| m / dim).collect();
    let steps = reverse_steps(visited, variance, Some(&per_component))?;
    let discretization: Vec<f64> = steps
        .iter()
        .zip(mmse.iter().zip(&gains))
        .map(|(step, (m, gain))| step.discretization(target.dim(), *m, *gain))
        .collect();
    Ok(Statistics {
        init: Estimate::exact(init),
        discretization_sum: Estimate::exact(discretization.iter().sum()),
        mmse,
        discretization,
        steps,
        routes: None,
    })
}
