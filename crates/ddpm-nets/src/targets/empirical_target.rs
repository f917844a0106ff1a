//! The ideal denoiser of the empirical measure of a data set: the memorizing denoiser, whose samples are training data.
//!
//! With data y_1..y_m the noised law is a mixture of N(alpha y_j, sigma^2 I), so
//!
//! ```text
//! l_j = -|x_t - alpha y_j|^2 / (2 sigma^2)      p = softmax(l)      E[x_0 | x_t] = sum_j p_j y_j
//! log q_t(x_t) = logsumexp(l) - log m - d/2 log(2 pi sigma^2)
//! ```
//!
//! Both sums run as matrix products: |x - alpha y|^2 = |x|^2 - 2 alpha x.y + alpha^2 |y|^2, for as many rows of x_t at once as keep the m
//! log-weights of each within a fixed memory. In f32 the expanded square loses digits where sigma is small; there the distances to the nearest
//! data of every row are recomputed from the differences. Farther data have no weight at such levels, and data nearer to each other than the
//! error are interchangeable.
//!
//! Horizontal flips double the measure without doubling the data: the distance from x to a flipped image is that from flipped x to the image.

use super::ideal_denoiser::{IdealDenoiser, TargetPosterior, check, squared_norm, sum_last};
use crate::NetsError;
use ddpm_core::Level;
use std::f64::consts::TAU;
use tch::{Kind, Tensor};

/// Log-weights held at a time: 64 MiB in f32.
const LOG_WEIGHTS: i64 = 1 << 24;
/// Data sets of at most this many numbers are handled in f64.
const SMALL: usize = 1 << 22;
/// Number of nearest data whose distances are recomputed.
const NEAREST: i64 = 8;
/// An error of a log-weight that does not matter.
const HARMLESS: f64 = 1e-3;
/// A share of the weight that does not matter.
const NEGLIGIBLE: f64 = 1e-6;

/// The empirical measure of a data set, each datum of equal weight.
#[derive(Debug)]
pub struct EmpiricalTarget {
    /// Shape of one datum.
    shape: Vec<i64>,
    /// Data less their mean, [m, d]: smaller norms have smaller rounding errors.
    centred: Tensor,
    /// `[d]`.
    mean: Tensor,
    /// |y_j - mean|^2, `[m]`.
    norms: Tensor,
    flips: bool,
}

/// The posterior of rows against one copy of the data.
struct Half {
    /// logsumexp of the log-weights, `[n]` f64.
    log_sum: Tensor,
    /// [n, d].
    mean: Tensor,
    /// E|y - mean|^2, `[n]`.
    variance: Tensor,
}

impl EmpiricalTarget {
    /// The measure of `data` [m, ...] in model space, on the device that holds it. With `flips`, every image [.., width] and its mirror image
    /// along the last dimension.
    pub fn new(data: &Tensor, flips: bool) -> Result<Self, NetsError> {
        let size = data.size();
        let enough = if flips { 3 } else { 2 };
        if size.len() < enough || data.numel() == 0 || !matches!(data.kind(), Kind::Float | Kind::Double) {
            let expected = format!("a float tensor [m, ...] with at least {enough} dimensions and one datum");
            let got = format!("{size:?} of kind {:?}", data.kind());
            return Err(NetsError::input("data", expected, got));
        }
        let kind = if data.numel() <= SMALL { Kind::Double } else { Kind::Float };
        Ok(torch_ext::fence(|| {
            let rows = data.detach().to_kind(kind).reshape([size[0], -1]);
            let mean = rows.mean_dim([0i64].as_slice(), false, kind);
            let centred = rows - &mean;
            // By parts, so that no second copy of the data is made.
            let norms = Tensor::cat(&centred.split(4096, 0).iter().map(squared_norm).collect::<Vec<_>>(), 0);
            EmpiricalTarget { shape: size[1..].to_vec(), centred, mean, norms, flips }
        })?)
    }

    /// The measure of some of the data, such as one class: `rows` are their numbers, i64.
    pub fn restricted(&self, rows: &Tensor) -> Result<Self, NetsError> {
        if rows.numel() == 0 {
            return Err(NetsError::input("rows of the empirical measure", "at least one datum", "none"));
        }
        Ok(torch_ext::fence(|| EmpiricalTarget {
            shape: self.shape.clone(),
            centred: self.centred.index_select(0, rows),
            mean: self.mean.shallow_clone(),
            norms: self.norms.index_select(0, rows),
            flips: self.flips,
        })?)
    }

    /// Number of data m, mirror images not counted.
    pub fn len(&self) -> i64 {
        self.centred.size()[0]
    }

    /// Always false: a measure has at least one datum.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The posterior of rows [n, d] against the data as they are.
    fn half(&self, x: &Tensor, level: &Level) -> Half {
        let (alpha, precision) = (level.alpha(), 1.0 / (level.sigma() * level.sigma()));
        let x = x - &self.mean * alpha;
        let x_norms = squared_norm(&x);
        let bias = &self.norms * (-0.5 * alpha * alpha * precision);
        let mut log_weights = bias.unsqueeze(0).addmm(&(&x * (alpha * precision)), &self.centred.tr());
        log_weights -= (&x_norms * (0.5 * precision)).unsqueeze(1);
        let nearest = self.inexact(&x_norms, level).then(|| self.measure_again(&x, level, &mut log_weights));

        // The largest is subtracted first: log-weights of thousands of nats have no digits left for the normalization.
        let largest = log_weights.amax([1i64].as_slice(), true);
        log_weights -= &largest;
        let log_sum = log_weights.logsumexp([1i64].as_slice(), true);
        log_weights -= &log_sum;
        let weights = log_weights.exp_();
        let log_sum = (largest.to_kind(Kind::Double) + log_sum).squeeze_dim(1);
        // At low noise a handful of data carry all the weight: no second product is needed.
        let few = nearest
            .map(|(index, data)| (weights.gather(1, &index, false), data))
            .filter(|(few, _)| sum_last(few).min().double_value(&[]) > 1.0 - NEGLIGIBLE);
        let (centred_mean, variance) = match few {
            Some((weights, data)) => {
                let mean = weights.unsqueeze(1).bmm(&data);
                let variance = sum_last(&(weights * squared_norm(&(data - &mean))));
                (mean.squeeze_dim(1), variance)
            }
            None => {
                let mean = weights.matmul(&self.centred);
                let variance = weights.mv(&self.norms) - squared_norm(&mean);
                (mean, variance.clamp_min(0.0))
            }
        };
        Half { log_sum, mean: centred_mean + &self.mean, variance }
    }

    /// Whether rounding errors of the expanded square matter at this level.
    fn inexact(&self, x_norms: &Tensor, level: &Level) -> bool {
        if self.centred.kind() == Kind::Double {
            return false;
        }
        let largest =
            x_norms.max().double_value(&[]).max(level.alpha_bar() * self.norms.max().double_value(&[]));
        f64::from(f32::EPSILON) * largest / (level.sigma() * level.sigma()) > HARMLESS
    }

    /// Recomputes the log-weights of the nearest data from the differences. Returns the indices [n, k] and the data [n, k, d].
    fn measure_again(&self, x: &Tensor, level: &Level, log_weights: &mut Tensor) -> (Tensor, Tensor) {
        let (_, index) = log_weights.topk(NEAREST.min(self.len()), 1, true, false);
        let data = self.centred.index_select(0, &index.reshape([-1])).reshape([x.size()[0], -1, x.size()[1]]);
        let distances = squared_norm(&(x.unsqueeze(1) - &data * level.alpha()));
        let measured = distances * (-0.5 / (level.sigma() * level.sigma()));
        let _ = log_weights.scatter_(1, &index, &measured);
        (index, data)
    }

    /// The posterior of rows [n, d] that fit in memory at once.
    fn rows(&self, x: &Tensor, level: &Level) -> TargetPosterior {
        let x = x.to_kind(self.centred.kind());
        let mut joint = self.half(&x, level);
        let mut data = self.len() as f64;
        if self.flips {
            let mirrored = self.half(&self.mirror(&x), level);
            data *= 2.0;
            joint = joint.joined(&Half { mean: self.mirror(&mirrored.mean), ..mirrored });
        }
        let (d, variance) = (x.size()[1] as f64, level.sigma() * level.sigma());
        let constant = -0.5 * d * (TAU * variance).ln() - data.ln();
        TargetPosterior {
            mean: joint.mean,
            variance: joint.variance.to_kind(Kind::Double),
            log_density: joint.log_sum + constant,
        }
    }

    /// Rows [n, d] as images, turned left to right.
    fn mirror(&self, rows: &Tensor) -> Tensor {
        let full: Vec<i64> = std::iter::once(-1).chain(self.shape.iter().copied()).collect();
        rows.reshape(&full).flip([-1i64].as_slice()).reshape(rows.size())
    }
}

impl Half {
    /// The posterior against both halves of the measure: the law of total variance.
    fn joined(self, other: &Half) -> Half {
        let share = (&other.log_sum - &self.log_sum).sigmoid().to_kind(self.mean.kind());
        let between = squared_norm(&(&self.mean - &other.mean)) * &share * (1.0 - &share);
        Half {
            log_sum: self.log_sum.logaddexp(&other.log_sum),
            mean: self.mean.lerp_tensor(&other.mean, &share.unsqueeze(1)),
            variance: self.variance.lerp_tensor(&other.variance, &share) + between,
        }
    }
}

impl IdealDenoiser for EmpiricalTarget {
    fn shape(&self) -> &[i64] {
        &self.shape
    }

    fn posterior(&self, x_t: &Tensor, level: &Level) -> Result<TargetPosterior, NetsError> {
        check(&self.shape, x_t, level)?;
        Ok(torch_ext::fence(|| {
            let _guard = tch::no_grad_guard();
            let rows = x_t.detach().reshape([x_t.size()[0], -1]);
            let at_once = (LOG_WEIGHTS / self.len()).max(1);
            let parts: Vec<_> = rows.split(at_once, 0).iter().map(|x| self.rows(x, level)).collect();
            let joined = |of: fn(&TargetPosterior) -> &Tensor| {
                Tensor::cat(&parts.iter().map(of).collect::<Vec<_>>(), 0)
            };
            TargetPosterior {
                mean: joined(|p| &p.mean).to_kind(x_t.kind()).reshape(x_t.size()),
                variance: joined(|p| &p.variance),
                log_density: joined(|p| &p.log_density),
            }
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, assert_close};
    use super::*;
    use crate::Denoiser;
    use ddpm_core::Target;
    use ddpm_core::targets::Empirical;
    use ddpm_core::{Schedule, Time, TimeIndex};
    use tch::Device;

    fn law(data: &Tensor) -> Target {
        let flat = Vec::<f64>::try_from(data.to_kind(Kind::Double).reshape([-1])).unwrap();
        Target::Empirical(Empirical::new(flat.len() / data.size()[0] as usize, flat).unwrap())
    }

    /// Smooth random images in [-1, 1], the second half of which are near copies of the first: the hard case for f32.
    fn images(count: i64, channels: i64, side: i64, seed: i64) -> Tensor {
        tch::manual_seed(seed);
        let coarse = Tensor::randn([count / 2, channels, 4, 4], (Kind::Float, Device::Cpu)) * 0.7;
        let smooth = coarse.upsample_bilinear2d([side, side], false, None, None).clamp(-1.0, 1.0);
        let near = (&smooth + Tensor::randn(smooth.size().as_slice(), (Kind::Float, Device::Cpu)) * 0.01)
            .clamp(-1.0, 1.0);
        Tensor::cat(&[smooth, near], 0)
    }

    fn noised(data: &Tensor, level: &Level, n: i64) -> Tensor {
        let x0 = data.narrow(0, 0, n);
        &x0 * level.alpha() + x0.randn_like() * level.sigma()
    }

    #[test]
    fn posteriors_equal_the_reference_at_every_level_in_f32_and_f64() {
        let schedule = Schedule::linear(1000).unwrap();
        // 600 x 64 numbers are handled in f64, 5,600 x 768 in f32. The mean has x_t's kind, f32.
        for (count, channels, side, bounds) in
            [(600, 1, 8, [1e-6, 1e-9, 1e-9]), (5_600, 3, 16, [2e-3, 5e-4, 1e-5])]
        {
            let data = images(count, channels, side, 3);
            let target = EmpiricalTarget::new(&data, false).unwrap();
            let law = law(&data);
            let expected_kind = if count == 600 { Kind::Double } else { Kind::Float };
            assert_eq!(target.centred.kind(), expected_kind);
            for t in [0, 5, 20, 100, 300, 999] {
                let level = schedule.level(TimeIndex(t));
                let x_t = noised(&data, &level, 5);
                let got = target.posterior(&x_t, &level).unwrap();
                assert_close(
                    &got,
                    &reference::posterior(&law, &x_t, &level),
                    bounds,
                    &format!("{count} images, t = {t}"),
                );
            }
        }
    }

    #[test]
    fn flips_equal_a_doubled_data_set_and_a_restriction_its_rows() {
        let schedule = Schedule::linear(1000).unwrap();
        let data = images(400, 1, 8, 5);
        let doubled = Tensor::cat(&[data.shallow_clone(), data.flip([-1i64].as_slice())], 0);
        let rows = Tensor::from_slice(&[3i64, 77, 250]);
        let flipped = EmpiricalTarget::new(&data, true).unwrap();
        let few = EmpiricalTarget::new(&data, false).unwrap().restricted(&rows).unwrap();
        for (target, law) in [(&flipped, law(&doubled)), (&few, law(&data.index_select(0, &rows)))] {
            for t in [0, 30, 300, 999] {
                let level = schedule.level(TimeIndex(t));
                let x_t = noised(&doubled.flip([0i64].as_slice()), &level, 30);
                let got = target.posterior(&x_t, &level).unwrap();
                assert_close(
                    &got,
                    &reference::posterior(&law, &x_t, &level),
                    [1e-6, 1e-9, 1e-9],
                    &format!("t = {t}"),
                );
            }
        }
    }

    #[test]
    fn what_has_no_posterior_is_refused() {
        let data = images(4, 1, 8, 0);
        let target = EmpiricalTarget::new(&data, true).unwrap();
        let level = Level::variance_preserving(0.0, Time::Continuous(0.5));
        let message = |x: &Tensor, level: &Level| target.predict(x, level).unwrap_err().to_string();
        assert!(message(&data, &Level::CLEAN).contains("data without noise"));
        assert!(message(&data.narrow(2, 0, 4), &level).contains("rows of shape [1, 8, 8], got [4, 1, 4, 8]"));
        assert!(EmpiricalTarget::new(&data.to_kind(Kind::Uint8), false).is_err());
        assert!(EmpiricalTarget::new(&data.reshape([4, 64]), true).is_err());
        assert!(target.restricted(&Tensor::zeros([0], (Kind::Int64, Device::Cpu))).is_err());
    }
}
