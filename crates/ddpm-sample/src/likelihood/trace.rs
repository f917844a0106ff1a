//! The trace of a denoiser's Jacobian: exact, or by Hutchinson's estimator.

use ddpm_core::Level;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_nets::{Denoiser, NetsError, normal_rows};
use tch::{Device, Kind, Tensor};
use torch_ext::TorchError;

/// How tr(dD/dx) is found.
#[derive(Clone, Copy, Debug)]
pub enum Trace<'a> {
    /// From all d derivatives: d backward passes.
    Exact,
    /// Hutchinson's estimator v^T (dD/dx) v for each of these probes v `[n, ...]`, of x's shape, whose components are independent with mean 0
    /// and variance 1: one backward pass each.
    Probes(&'a [Tensor]),
}

impl Trace<'_> {
    /// Estimates of the trace for each image.
    pub(super) fn columns(&self) -> i64 {
        match self {
            Trace::Exact => 1,
            Trace::Probes(probes) => probes.len() as i64,
        }
    }

    /// D(x) at `level` for x [n, ...], of x's shape, and tr(dD/dx) `[n, columns]` in f64.
    ///
    /// Fails where the denoiser's answer has no derivative.
    pub fn of(
        &self,
        denoiser: &dyn Denoiser,
        x: &Tensor,
        level: &Level,
    ) -> Result<(Tensor, Tensor), NetsError> {
        torch_ext::fence(|| {
            tch::with_grad(|| {
                let x = x.detach().set_requires_grad(true);
                let prediction = denoiser.predict(&x, level)?;
                if !prediction.value.requires_grad() {
                    let got = "an answer without a derivative";
                    return Err(NetsError::input("denoiser", "differentiable in x_t for a likelihood", got));
                }
                let x0 = prediction.x0(&x, level)?;
                let rows = [x.size()[0], -1];
                let product = |v: &Tensor, last: bool| {
                    let total = (&x0 * v).sum(x0.kind());
                    let gradient = Tensor::run_backward(&[total], &[&x], !last, false).remove(0);
                    (gradient * v).reshape(rows).sum_dim_intlist([1i64].as_slice(), false, Kind::Double)
                };
                let traces = match self {
                    Trace::Probes(probes) => {
                        let each = probes.iter().enumerate();
                        let each: Vec<Tensor> =
                            each.map(|(k, probe)| product(probe, k + 1 == probes.len())).collect();
                        Tensor::stack(&each, 1)
                    }
                    Trace::Exact => {
                        let dim = x.reshape(rows).size()[1];
                        let mut sum = Tensor::zeros([x.size()[0]], (Kind::Double, x.device()));
                        for component in 0..dim {
                            let unit = x.zeros_like().detach().reshape(rows);
                            let _ = unit.select(1, component).fill_(1.0);
                            sum += product(&unit.reshape(x.size()), component + 1 == dim);
                        }
                        sum.unsqueeze(1)
                    }
                };
                Ok((x0.detach(), traces))
            })
        })?
    }
}

/// A probe of independent signs [n, shape...] f32 (Hutchinson 1990), keyed by the seed, the image and the number of the probe.
pub fn random_signs(
    seed: u64,
    images: impl IntoIterator<Item = u64>,
    probe: u64,
    shape: &[i64],
    device: Device,
) -> Result<Tensor, TorchError> {
    let normal = normal_rows(&NoiseSource::new(seed, Purpose::Projection), images, probe, shape, device)?;
    torch_ext::fence(|| normal.ge(0.0).to_kind(Kind::Float) * 2.0 - 1.0)
}
