//! Likelihoods datum by datum, and their mean with its intervals.

use super::Method;
use crate::{EvalError, shared};
use ddpm_core::interval::{CONFIDENCE, Estimate};
use ddpm_report::results::{BoundParts, Format, Likelihood};
use std::f64::consts::LN_2;
use tch::{Kind, Tensor};
use torch_ext::dist::Workers;

/// Negative log likelihoods in nats.
#[derive(Clone, Debug, Default)]
pub struct Likelihoods {
    /// One for each datum: the mean over the probes.
    nats: Vec<f64>,
    /// For each datum the variance of that mean due to the probes; empty where it is unknown.
    probe_variances: Vec<f64>,
    /// For each datum L_T, L_1 + ... + L_{T-1}, L_0; empty for the ODE.
    parts: Vec<[f64; 3]>,
}

impl Likelihoods {
    /// Adds log densities [n, k] of k probes, of which `offset` turns the negative into nats of the data.
    pub(super) fn add_densities(&mut self, log_densities: &Tensor, offset: f64) -> Result<(), EvalError> {
        let probes = log_densities.size()[1];
        let (means, variances) = torch_ext::fence(|| {
            let means = log_densities.mean_dim([1i64].as_slice(), false, Kind::Double);
            // One value has no spread.
            let spread =
                (probes > 1).then(|| log_densities.var_dim([1i64].as_slice(), true, false) / probes as f64);
            (means, spread)
        })?;
        self.nats.extend(numbers(&means)?.into_iter().map(|density| offset - density));
        if let Some(variances) = variances {
            self.probe_variances.extend(numbers(&variances)?);
        }
        Ok(())
    }

    /// Adds bounds by their parts, in nats a datum.
    pub(super) fn add_bounds(&mut self, parts: impl Iterator<Item = [f64; 3]>) {
        for part in parts {
            self.nats.push(part.iter().sum());
            self.parts.push(part);
        }
    }

    /// The values of all processes one after another, in each of them.
    pub(super) fn gathered(workers: &Workers, own: Result<Self, EvalError>) -> Result<Self, EvalError> {
        let own = own.map(|own| vec![own.nats, own.probe_variances, own.parts.into_flattened()]);
        let mut columns = shared::gather(workers, own)?.into_iter();
        let mut column = || columns.next().unwrap_or_default();
        let (nats, probe_variances, parts) = (column(), column(), column());
        Ok(Likelihoods { nats, probe_variances, parts: parts.as_chunks().0.to_vec() })
    }

    /// Number of data.
    pub(super) fn count(&self) -> usize {
        self.nats.len()
    }

    /// The mean with its intervals; `method` is the one that gave the values.
    pub fn report(
        &self,
        method: &Method,
        dim: usize,
        model: String,
        data: String,
    ) -> Result<Likelihood, EvalError> {
        let estimate = Estimate::of(self.nats.iter().copied())?;
        let n = self.nats.len() as f64;
        let probes = match method {
            Method::Ode { probes: Some(probes), .. } => *probes,
            _ => 0,
        };
        let probe_stderr = match probes {
            0 => Some(0.0),
            1 => None,
            _ => Some(self.probe_variances.iter().sum::<f64>().sqrt() / n),
        };
        let part = |k: usize| self.parts.iter().map(|part| part[k]).sum::<f64>() / n;
        let to_bits = 1.0 / (dim as f64 * LN_2);
        let interval = estimate.interval(CONFIDENCE).ends();
        Ok(Likelihood {
            format: Format,
            metric: "nll".into(),
            method: method.name().into(),
            nats: estimate.mean,
            bits_per_dim: estimate.mean * to_bits,
            interval,
            bits_interval: interval.map(|end| end * to_bits),
            n: self.nats.len() as u64,
            probe_stderr,
            dim: dim as u64,
            probes,
            parts: (!self.parts.is_empty()).then(|| BoundParts {
                prior: part(0),
                denoising: part(1),
                decoder: part(2),
            }),
            model,
            data,
        })
    }
}

pub(super) fn numbers(values: &Tensor) -> Result<Vec<f64>, EvalError> {
    Ok(Vec::try_from(values.to_kind(Kind::Double)).map_err(torch_ext::TorchError::from)?)
}
