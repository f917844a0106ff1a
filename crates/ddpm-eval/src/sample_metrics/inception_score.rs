//! The Inception Score: exp of the mean divergence of p(y|x) from p(y) (Salimans et al. 2016).

use super::measured::{Measured, checked};
use crate::EvalError;
use tch::{Kind, Tensor};

/// Consecutive parts of the images, over which the literature gives mean and standard deviation.
pub(super) const SPLITS: i64 = 10;

/// The mean over ten parts, and as its `stderr` their standard deviation (divided by 10), of logits [n, classes], n of at least 10.
pub fn inception_score(logits: &Tensor) -> Result<Measured, EvalError> {
    let logits = checked(logits, SPLITS, None)?;
    let n = logits.size()[0];
    let scores: Vec<f64> = torch_ext::fence(|| {
        let of = |split: i64| {
            let (first, last) = (split * n / SPLITS, (split + 1) * n / SPLITS);
            let log_p = logits.narrow(0, first, last - first).log_softmax(1, Kind::Double);
            let p = log_p.exp();
            let marginal = p.mean_dim([0i64].as_slice(), true, Kind::Double).log();
            // p log p is 0 where p is.
            let terms = (&p * (&log_p - marginal)).nan_to_num(0.0, None::<f64>, None::<f64>);
            terms
                .sum_dim_intlist([1i64].as_slice(), false, Kind::Double)
                .mean(Kind::Double)
                .exp()
                .double_value(&[])
        };
        (0..SPLITS).map(of).collect()
    })?;
    let mean = scores.iter().sum::<f64>() / SPLITS as f64;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / SPLITS as f64;
    Ok(Measured { value: mean, stderr: variance.sqrt() })
}
