//! The relative error of a score at each noise level.
//!
//! ```text
//! E |s(x_t) - s*(x_t)|^2 / E |s*(x_t)|^2,          x_t ~ q_t
//! ```
//!
//! Both expectations are over the noised law q_t, so that an error counts in proportion to the density where it is made.

use crate::EvalError;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{Level, PredictionKind, Target};
use ddpm_nets::Denoiser;
use ddpm_nets::targets::ideal_denoiser;
use ddpm_report::results::ScoreError;
use tch::{Device, Kind, Tensor};

/// Samples in a batch.
const BATCH: u64 = 8192;

/// The errors of `denoiser` on `samples` fresh samples of `target` at each of `levels`. The same samples and noise serve every level.
pub fn score_errors(
    denoiser: &dyn Denoiser,
    target: &Target,
    levels: &[Level],
    samples: u64,
    seed: u64,
    device: Device,
) -> Result<Vec<ScoreError>, EvalError> {
    let exact = ideal_denoiser(target, device)?;
    let (data, noise) =
        (NoiseSource::new(seed, Purpose::Target), NoiseSource::new(seed, Purpose::Evaluation));
    let d = target.dim();
    let mut sums = vec![Sums::default(); levels.len()];
    let mut first = 0;
    while first < samples {
        let batch = first..(first + BATCH).min(samples);
        let x0: Vec<f64> = batch.clone().flat_map(|i| target.sample(&data, i)).collect();
        let eps: Vec<f64> = batch.clone().flat_map(|i| noise.normal(i, 0, d)).collect();
        for (level, sums) in levels.iter().zip(&mut sums) {
            let x_t: Vec<f64> =
                x0.iter().zip(&eps).map(|(x, e)| level.alpha() * x + level.sigma() * e).collect();
            let x_t =
                torch_ext::fence(|| Tensor::from_slice(&x_t).reshape([-1, d as i64]).to_device(device))?;
            let score =
                |from: &dyn Denoiser| from.predict(&x_t, level)?.as_kind(PredictionKind::Score, &x_t, level);
            let (got, truth) = (score(denoiser)?, score(exact.as_ref())?);
            sums.add(&row_squares(&(got - &truth))?, &row_squares(&truth)?);
        }
        first = batch.end;
    }
    levels.iter().zip(&sums).map(|(level, sums)| sums.error(level, d)).collect()
}

/// |x|^2 of each row.
fn row_squares(x: &Tensor) -> Result<Vec<f64>, EvalError> {
    let squares = torch_ext::fence(|| {
        x.to_kind(Kind::Double).square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double)
    })?;
    Ok(Vec::try_from(squares).map_err(torch_ext::TorchError::from)?)
}

/// Sums over samples of a = |s - s*|^2 and b = |s*|^2 and their products.
#[derive(Clone, Copy, Default)]
struct Sums {
    n: f64,
    a: f64,
    b: f64,
    aa: f64,
    ab: f64,
    bb: f64,
}

impl Sums {
    fn add(&mut self, errors: &[f64], squares: &[f64]) {
        for (a, b) in errors.iter().zip(squares) {
            self.n += 1.0;
            self.a += a;
            self.b += b;
            self.aa += a * a;
            self.ab += a * b;
            self.bb += b * b;
        }
    }

    /// The ratio of means; its variance is that of (a - r b)/E[b], to first order.
    fn error(&self, level: &Level, d: usize) -> Result<ScoreError, EvalError> {
        let relative = self.a / self.b;
        if !relative.is_finite() {
            let got = format!("a relative error of {relative} at log-SNR {:.4}", level.log_snr());
            return Err(EvalError::mismatch("score", "finite numbers", got));
        }
        let residual = (self.aa - 2.0 * relative * self.ab + relative * relative * self.bb) / self.n;
        Ok(ScoreError {
            alpha: level.alpha(),
            sigma: level.sigma(),
            log_snr: level.log_snr(),
            relative,
            stderr: (residual / self.n).max(0.0).sqrt() / (self.b / self.n),
            score_rms: (self.b / self.n / d as f64).sqrt(),
        })
    }
}
