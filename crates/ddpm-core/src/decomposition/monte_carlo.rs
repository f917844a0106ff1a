//! The terms by Monte Carlo, with standard errors: for mixtures and data sets in more than one dimension.
//!
//! Each image is one noising path x_1, ..., x_T through the visited levels. Two routes to the discretization:
//!
//! - *I-MMSE*: disc_t = d/2 [log(v/post) + post/v - 1] + c^2 mmse_t/(2v) - 1/2 integral of mmse over [snr_t, snr_s] (Guo, Shamai & Verdu
//!   2005), mmse the mean of the posterior's trace. Its weights nearly cancel where steps are fine, so it has little variance: the reported
//!   terms are this route's.
//! - *entropy*: disc_t = E log q(x_s | x_t) - log p(x_s | x_t), with q(x_s | x_t) = q(x_t | x_s) q_s(x_s)/q_t(x_t) from the target's log
//!   densities and p the step with the ideal denoiser. It integrates nothing; the variance of a path's sum is near twice its mean.
//!
//! [`RouteComparison`] holds both, and both estimates of the information between the ends, I_1 - I_T.

use super::path::Path;
use super::settings::{MonteCarlo, Settings};
use super::step::{ReverseStep, reverse_steps};
use super::terms::{Estimate, RouteComparison, Statistics};
use crate::noise::{NoiseSource, Purpose};
use crate::targets::Conditional;
use crate::{CoreError, Level, Target, Variance};
use std::f64::consts::TAU;

/// Mean and standard error of a stream of values.
#[derive(Clone, Copy, Default)]
struct Running {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Running {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
    }

    fn estimate(&self) -> Estimate {
        let variance = self.squares / (self.count - 1.0).max(1.0);
        Estimate { value: self.mean, stderr: (variance / self.count.max(1.0)).sqrt() }
    }
}

/// Mean of the posterior's trace at every visited level, from other paths than those the terms are measured on.
fn fitted_mmse(
    target: &Target,
    visited: &[Level],
    effort: &MonteCarlo,
    path_done: &mut dyn FnMut(),
) -> Vec<f64> {
    let path = Path::bare(visited);
    let source = NoiseSource::new(effort.seed.wrapping_add(1 << 32), Purpose::Target);
    let mut mmse = vec![0.0; visited.len()];
    for image in 0..effort.images as u64 {
        path.walk(target, &source, image, |i, _, at| {
            if let Some(k) = path.visited[i] {
                mmse[k] += at.variance / effort.images as f64;
            }
        });
        path_done();
    }
    mmse
}

pub(super) fn statistics(
    target: &Target,
    visited: &[Level],
    settings: &Settings,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Statistics, CoreError> {
    let effort = settings.monte_carlo;
    CoreError::check("images", "at least 2", effort.images as f64, effort.images >= 2)?;
    CoreError::check("panel", "positive", effort.panel, effort.panel > 0.0)?;
    let dim = target.dim();
    let fit = settings.variance == Variance::Analytic;
    let (mut done, total) = (0, effort.images as u64 * if fit { 2 } else { 1 });
    let mut path_done = || {
        done += 1;
        progress(done, total);
    };
    let fitted = fit.then(|| {
        fitted_mmse(target, visited, &effort, &mut path_done)
            .into_iter()
            .map(|m| m / dim as f64)
            .collect::<Vec<f64>>()
    });
    let steps = reverse_steps(visited, settings.variance, fitted.as_deref())?;
    let path = Path::integrating(visited, effort.panel);
    let source = NoiseSource::new(effort.seed, Purpose::Target);

    let weights = Weights::new(&path, &steps);
    let mismatch: f64 = steps.iter().map(|step| dim as f64 * step.variance_mismatch()).sum();
    let mut sums = Sums { path_mmse: vec![0.0; path.levels.len()], ..Sums::default() };
    for image in 0..effort.images as u64 {
        let mut one = OneImage::default();
        let x0 = path.walk(target, &source, image, |i, x, at| {
            sums.path_mmse[i] += at.variance / effort.images as f64;
            one.information += weights.information[i] * at.variance;
            one.immse += weights.discretization[i] * at.variance;
            let Some(k) = path.visited[i] else { return };
            if let Some((x_s, log_q_s)) = &one.below {
                one.entropy += log_ratio(&steps[k], x, at, x_s, *log_q_s);
            } else {
                one.lowest = Some((x.to_vec(), at.log_density));
            }
            one.below = Some((x.to_vec(), at.log_density));
        });
        let density = |end: &Option<(Vec<f64>, f64)>, level: &Level| {
            end.as_ref()
                .map_or(0.0, |(x, log_q)| log_normal(x, &x0, level.alpha(), level.sigma().powi(2)) - log_q)
        };
        let (start, lowest) = (&visited[0], &visited[visited.len() - 1]);
        sums.information_entropy.add(density(&one.lowest, lowest) - density(&one.below, start));
        if let Some((x, log_q)) = &one.below {
            sums.init.add(log_q - log_normal(x, &[], 0.0, start.prior_std().powi(2)));
        }
        sums.information_immse.add(one.information);
        sums.entropy.add(one.entropy);
        sums.immse.add(mismatch + one.immse);
        path_done();
    }
    let mut mmse = vec![0.0; visited.len()];
    for (value, k) in sums.path_mmse.iter().zip(&path.visited) {
        if let Some(k) = k {
            mmse[*k] = *value;
        }
    }
    let by_step = steps.iter().enumerate();
    let discretization = by_step
        .map(|(k, step)| step.discretization(dim, mmse[k], path.information(k, &sums.path_mmse)))
        .collect();
    let routes = RouteComparison {
        information_entropy: sums.information_entropy.estimate(),
        information_immse: sums.information_immse.estimate(),
        discretization_entropy: sums.entropy.estimate(),
        discretization_immse: sums.immse.estimate(),
        quadrature_error: path.quadrature_error(&sums.path_mmse),
    };
    Ok(Statistics {
        init: sums.init.estimate(),
        mmse,
        discretization,
        discretization_sum: routes.discretization_immse,
        steps,
        routes: Some(routes),
    })
}

/// Weights of each path level's mmse in the sums over all steps.
struct Weights {
    information: Vec<f64>,
    discretization: Vec<f64>,
}

impl Weights {
    fn new(path: &Path, steps: &[ReverseStep]) -> Self {
        let mut information = vec![0.0; path.levels.len()];
        for (i, weight) in path.integrals.iter().flatten() {
            information[*i] += weight;
        }
        let of_error =
            |k: &Option<usize>| k.and_then(|k| steps.get(k)).map_or(0.0, ReverseStep::error_weight);
        let discretization =
            path.visited.iter().zip(&information).map(|(k, info)| of_error(k) - info).collect();
        Weights { information, discretization }
    }
}

#[derive(Default)]
struct Sums {
    path_mmse: Vec<f64>,
    init: Running,
    information_entropy: Running,
    information_immse: Running,
    entropy: Running,
    immse: Running,
}

/// Sums over the levels of one image, and the visited states that later terms refer to with their log densities.
#[derive(Default)]
struct OneImage {
    entropy: f64,
    immse: f64,
    information: f64,
    lowest: Option<(Vec<f64>, f64)>,
    below: Option<(Vec<f64>, f64)>,
}

/// log q(x_s | x_t) - log p(x_s | x_t).
fn log_ratio(step: &ReverseStep, x_t: &[f64], at: &Conditional, x_s: &[f64], log_q_s: f64) -> f64 {
    let posterior = &step.posterior;
    let forward = log_normal(x_t, x_s, posterior.transition_scale, posterior.transition_variance);
    let mean: Vec<f64> =
        x_t.iter().zip(&at.mean).map(|(x, d)| posterior.of_x_t * x + posterior.of_x0 * d).collect();
    forward + log_q_s - at.log_density - log_normal(x_s, &mean, 1.0, step.variance)
}

/// log N(x; scale m, variance I); an empty m is 0.
fn log_normal(x: &[f64], m: &[f64], scale: f64, variance: f64) -> f64 {
    let squared: f64 =
        x.iter().enumerate().map(|(i, x)| (x - scale * m.get(i).copied().unwrap_or(0.0)).powi(2)).sum();
    -0.5 * (squared / variance + x.len() as f64 * (TAU * variance).ln())
}
