//! Likelihoods of vectors.

use super::{LikelihoodProgress, Likelihoods, Method};
use crate::EvalError;
use ddpm_core::Noising;
use ddpm_nets::Denoiser;
use ddpm_sample::SampleError;
use ddpm_sample::likelihood::{Trace, log_density, random_signs};
use std::ops::ControlFlow;
use tch::Tensor;
use torch_ext::dist::Workers;

/// Numbers of a batch: its rows share the steps of the solver.
const NUMBERS: i64 = 1 << 16;

/// Minus log densities of rows `points` [n, d] under the flow of a denoiser, in the points' own units. The arithmetic is of the points' kind.
///
/// Several processes share the batches, and all get every value.
///
/// Fails for [`Method::Bound`]: the decoder of a bound is one of grey levels.
pub fn likelihood_of_points(
    denoiser: &dyn Denoiser,
    noising: &Noising,
    points: &Tensor,
    method: &Method,
    seed: u64,
    workers: &Workers,
    progress: &mut LikelihoodProgress<'_>,
) -> Result<Likelihoods, EvalError> {
    Likelihoods::gathered(workers, of_part(denoiser, noising, points, method, seed, workers, progress))
}

/// The likelihoods of the rows of one process.
fn of_part(
    denoiser: &dyn Denoiser,
    noising: &Noising,
    points: &Tensor,
    method: &Method,
    seed: u64,
    workers: &Workers,
    progress: &mut LikelihoodProgress<'_>,
) -> Result<Likelihoods, EvalError> {
    let Method::Ode { tolerance, probes } = method else {
        return Err(EvalError::mismatch("method of a likelihood of vectors", "ode", method.name()));
    };
    let size = points.size();
    let [n, d] = size[..] else {
        return Err(EvalError::mismatch("points", "[n, d]", format_args!("{size:?}")));
    };
    let batch = (NUMBERS / d.max(1)).clamp(1, n.max(1));
    let mut all = Likelihoods::default();
    let part = workers.part(n.max(0).div_euclid(batch) as usize + usize::from(n % batch != 0));
    for first in part.map(|number| number as i64 * batch) {
        let count = batch.min(n - first);
        let rows = torch_ext::fence(|| points.narrow(0, first, count))?;
        let signs = (0..probes.unwrap_or(0))
            .map(|probe| {
                let images = first as u64..(first + count) as u64;
                let signs = random_signs(seed, images, probe, &[d], points.device())?;
                Ok(torch_ext::fence(|| signs.to_kind(points.kind()))?)
            })
            .collect::<Result<Vec<Tensor>, EvalError>>()?;
        let trace = if probes.is_some() { Trace::Probes(&signs) } else { Trace::Exact };
        let mut stopped = None;
        let found = log_density(denoiser, noising, &rows, trace, tolerance, &mut |share| match progress(
            (first as f64 + share * count as f64) / n as f64,
        ) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                stopped = Some(error);
                ControlFlow::Break(())
            }
        });
        match (found, stopped) {
            (Err(SampleError::Interrupted { .. }), Some(error)) => return Err(error),
            (found, _) => all.add_densities(&found?.nats, 0.0)?,
        }
    }
    Ok(all)
}
