//! The forward process on tensors: data with more and more noise, at once or step by step.

use crate::{NetsError, noised, normal_rows};
use ddpm_core::noise::NoiseSource;
use ddpm_core::{Level, Posterior};
use tch::Tensor;
use torch_ext::fence;

/// x_t = alpha x_0 + sigma eps for x_0 [n, ...] at each of `levels`, with one eps a row for all of them.
pub fn noised_at_once(x0: &Tensor, levels: &[Level], source: &NoiseSource) -> Result<Vec<Tensor>, NetsError> {
    let eps = noise(x0, source, 0)?;
    levels.iter().map(|level| noised(x0, &eps, &[*level])).collect()
}

/// The same states drawn one after another, the least noisy first: x_t ~ q(x_t | x_s) with fresh noise in each step; those at the indices `kept` are returned. At each level the law of a row is
/// that of [`noised_at_once`]; the rows of one path belong together as in the chain of Ho et al. 2020, eq. 2.
pub fn noised_in_steps(
    x0: &Tensor,
    levels: &[Level],
    kept: &[usize],
    source: &NoiseSource,
) -> Result<Vec<Tensor>, NetsError> {
    let mut before = (Level::CLEAN, x0.shallow_clone());
    let mut states = Vec::with_capacity(kept.len());
    for (step, level) in levels.iter().enumerate() {
        let transition = Posterior::between(level, &before.0);
        let eps = noise(x0, source, step as u64)?;
        let state =
            fence(|| transition.transition_scale * &before.1 + transition.transition_variance.sqrt() * eps)?;
        if kept.contains(&step) {
            states.push(state.shallow_clone());
        }
        before = (*level, state);
    }
    Ok(states)
}

fn noise(x0: &Tensor, source: &NoiseSource, draw: u64) -> Result<Tensor, NetsError> {
    let size = x0.size();
    let eps = normal_rows(source, 0..size[0] as u64, draw, &size[1..], x0.device())?;
    Ok(fence(|| eps.to_kind(x0.kind()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::noise::Purpose;
    use ddpm_core::{ProcessConfig, ProcessKind, Schedule, TimeIndex};
    use tch::{Device, Kind};

    /// Mean and variance of all numbers.
    fn moments(x: &Tensor) -> [f64; 2] {
        [x.mean(Kind::Double).double_value(&[]), x.var(true).double_value(&[])]
    }

    #[test]
    fn at_once_and_in_steps_are_one_law_at_every_level() {
        let schedule = Schedule::linear(50).unwrap();
        let discrete: Vec<Level> = (0..50).map(|t| schedule.level(TimeIndex(t))).collect();
        let exploding = ProcessConfig::new(ProcessKind::Ve, None).build().unwrap();
        let (least, most) = exploding.ends().unwrap();
        let sub = ProcessConfig::new(ProcessKind::SubVp, None).build().unwrap();
        let times: Vec<Level> = (1..=20).map(|k| sub.level(f64::from(k) / 20.0).unwrap()).collect();
        for levels in [discrete, vec![least, most], times] {
            let n = 20_000;
            let x0 = Tensor::full([n, 4], 0.7, (Kind::Double, Device::Cpu));
            let source = NoiseSource::new(3, Purpose::Evaluation);
            let once = noised_at_once(&x0, &levels, &source).unwrap();
            let steps =
                noised_in_steps(&x0, &levels, &(0..levels.len()).collect::<Vec<_>>(), &source).unwrap();
            for (k, level) in levels.iter().enumerate() {
                let (mean, variance) = (0.7 * level.alpha(), level.sigma().powi(2));
                for state in [&once[k], &steps[k]] {
                    let [m, v] = moments(state);
                    // Five standard errors.
                    assert!((m - mean).abs() < 5.0 * (variance / (4 * n) as f64).sqrt(), "{k}: {m}, {mean}");
                    assert!((v / variance - 1.0).abs() < 5.0 * (2.0 / (4 * n) as f64).sqrt(), "{k}: {v}");
                }
            }
        }
    }
}
