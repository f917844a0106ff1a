//! Where a deterministic sampler errs: the exact contribution of each of its steps to the error of its final sample.
//!
//! The sampler goes y_N = x_T, y_{N-1}, ..., y_0. With Phi_k the fine solution of the probability flow from level k to the end, and Phi_0 the
//! identity,
//!
//! ```text
//! y_0 - Phi_N(x_T) = sum over k of [ Phi_{k-1}(y_{k-1}) - Phi_k(y_k) ]
//! ```
//!
//! is an identity of vectors, whatever the sampler and the network: term k is what step k costs in the final sample. Phi_k consists of DDIM's steps on
//! one fixed fine grid that contains every level of the sampler, so that fine solutions compose. The local error of step k is y_{k-1} less the fine
//! solution from y_k at level k-1. For a sampler with memory, term k includes the error of the evaluations that the step takes from earlier ones.

use crate::{Evaluator, LinearSampler, Noise, Options, SampleError, Sampler};
use ddpm_core::{Level, Mismatch, Scheme, Trajectory};
use ddpm_nets::Denoiser;
use std::ops::ControlFlow;
use tch::Tensor;

/// The states and fine solutions of one batch.
#[derive(Debug)]
pub struct StepErrors {
    /// The level at which each step begins, the noisiest first.
    pub levels: Vec<Level>,
    /// Phi_k(y_k) [n, ...] for k = N, N-1, ..., 0: one more than steps. The first is the flow's answer, the last the sampler's.
    pub ends: Vec<Tensor>,
    /// y_{k-1} less the fine solution from y_k at level k-1, [n, ...], a step each.
    pub local: Vec<Tensor>,
}

/// A draw is asked of a sampler that must not draw.
struct NoNoise;

impl Noise for NoNoise {
    fn start(&mut self, _level: &Level) -> Result<Tensor, SampleError> {
        Err(stochastic())
    }

    fn draw(&mut self) -> Result<Tensor, SampleError> {
        Err(stochastic())
    }
}

fn stochastic() -> SampleError {
    SampleError::Setting(Mismatch::new(
        "sampler",
        "deterministic, such as ddim or dpmpp-2m",
        "one that draws noise",
    ))
}

impl StepErrors {
    /// Follows `sampler` from `start` [n, ...] along `coarse`, and from each of its states the flow along `fine`, which contains every level of
    /// `coarse` and ends where it ends.
    ///
    /// `progress` is told how many evaluations of about how many are done; breaking from it ends in [`SampleError::Interrupted`].
    pub fn of(
        denoiser: &dyn Denoiser,
        sampler: &mut dyn Sampler,
        coarse: &Trajectory,
        fine: &Trajectory,
        start: &Tensor,
        options: &Options,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Self, SampleError> {
        let places = places(coarse, fine)?;
        let chain = Scheme::ddim(0.0).plan(fine)?;
        let total: u64 = places.iter().map(|&place| (chain.len() - place) as u64).sum();
        let mut done = 0;
        let mut evaluator = Evaluator::new(denoiser, options.threshold);
        let (mut ends, mut local) = (Vec::new(), Vec::<Tensor>::new());
        sampler.begin();
        let mut state = start.shallow_clone();
        for (k, &place) in places.iter().enumerate() {
            // The fine solution from here to the end, and on its way at the next level of the sampler.
            let next = places.get(k + 1).copied();
            let mut x = state.shallow_clone();
            let mut at_next = None;
            for (index, step) in chain.iter().enumerate().skip(place) {
                let mut one = LinearSampler::new(vec![step.clone()]);
                x = moved(&mut one, &x, &mut evaluator)?.ok_or_else(|| unfinished("a fine step"))?;
                if Some(index + 1) == next {
                    at_next = Some(x.shallow_clone());
                }
                done += 1;
                if progress(done, total).is_break() {
                    return Err(SampleError::Interrupted { steps: done as usize });
                }
            }
            ends.push(x);
            if let Some(solution) = at_next {
                state = moved(sampler, &state, &mut evaluator)?.ok_or_else(|| unfinished("as many steps"))?;
                local.push(torch_ext::fence(|| &state - &solution)?);
            }
        }
        let levels = coarse.levels()[..coarse.steps()].to_vec();
        Ok(StepErrors { levels, ends, local })
    }

    /// Term k [n, ...], what step k costs in the final sample, the noisiest step first. `of` maps final samples to what is compared: themselves or
    /// their features; the terms sum to the whole difference in any of them.
    pub fn terms<E: From<SampleError>>(
        &self,
        of: &mut dyn FnMut(&Tensor) -> Result<Tensor, E>,
    ) -> Result<Vec<Tensor>, E> {
        let ends = self.ends.iter().map(of).collect::<Result<Vec<_>, E>>()?;
        ends.windows(2)
            .map(|pair| {
                torch_ext::fence(|| &pair[1] - &pair[0]).map_err(|error| E::from(SampleError::from(error)))
            })
            .collect()
    }
}

fn unfinished(what: &str) -> SampleError {
    SampleError::Setting(Mismatch::new("steps of the sampler", what, "none left"))
}

fn moved(
    sampler: &mut dyn Sampler,
    x: &Tensor,
    evaluator: &mut Evaluator<'_>,
) -> Result<Option<Tensor>, SampleError> {
    let moved = torch_ext::fence(|| {
        let _guard = tch::no_grad_guard();
        sampler.step(x, evaluator, &mut NoNoise)
    })??;
    Ok(moved.map(|moved| moved.x))
}

/// Where the levels of `coarse` stand among those of `fine`.
fn places(coarse: &Trajectory, fine: &Trajectory) -> Result<Vec<usize>, SampleError> {
    let same = |a: &Level, b: &Level| {
        let (a, b) = (a.log_snr(), b.log_snr());
        a == b || (a - b).abs() < 1e-9 * (1.0 + a.abs())
    };
    coarse
        .levels()
        .iter()
        .map(|level| {
            fine.levels().iter().position(|other| same(level, other)).ok_or_else(|| {
                let got = format!("none at log-SNR {}", level.log_snr());
                SampleError::Setting(Mismatch::new("fine grid", "every level of the sampler", got))
            })
        })
        .collect()
}

/// The levels of both trajectories, and of `coarse` the end: what [`StepErrors::of`] needs as its fine grid.
pub fn refined(coarse: &Trajectory, fine: &Trajectory) -> Result<Trajectory, SampleError> {
    let (start, end) = (coarse.start().log_snr(), coarse.end().log_snr());
    let mut levels: Vec<Level> = coarse.levels().to_vec();
    for level in fine.levels() {
        let at = level.log_snr();
        let near =
            |other: &Level| (other.log_snr() - at).abs() < 1e-9 * (1.0 + at.abs()) || other.log_snr() == at;
        if at > start && at < end && !levels.iter().any(near) {
            levels.push(*level);
        }
    }
    levels.sort_by(|a, b| a.log_snr().total_cmp(&b.log_snr()));
    Ok(Trajectory::of_levels(levels, coarse.scale(), None)?)
}
