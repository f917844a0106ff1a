//! The posterior of x_0 at one point x_t of a level: log density, mean and variance.

use nalgebra::DMatrix;

/// The law of x_0 given x_t = x, in summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditional {
    /// log q_t(x), in nats.
    pub log_density: f64,
    /// D*(x) = E[x_0 | x].
    pub mean: Vec<f64>,
    /// trace Cov[x_0 | x] = E[|x_0 - D*(x)|^2 | x].
    pub variance: f64,
}

/// log sum exp of `logits`, which become their softmax.
pub(super) fn softmax(logits: &mut [f64]) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        // Every weight underflowed even as a logarithm: no component is nearer than another.
        let uniform = 1.0 / logits.len() as f64;
        logits.fill(uniform);
        return top;
    }
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = (*logit - top).exp();
        sum += *logit;
    }
    logits.iter_mut().for_each(|weight| *weight /= sum);
    top + sum.ln()
}

pub(super) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// `matrix += weight v v^T`.
pub(super) fn add_outer(matrix: &mut DMatrix<f64>, weight: f64, v: &[f64]) {
    let v = nalgebra::DVectorView::from_slice(v, v.len());
    matrix.ger(weight, &v, &v, 1.0);
}
