//! A training step whose loss or gradient is NaN or infinite: at which step, at which noise level, in which layer.

use tch::{Kind, Tensor};
use torch_ext::{TorchError, foreach};

/// A step with a non-finite loss or gradient. It ends the run, or is skipped where `train.skip_nonfinite` allows that.
#[derive(Clone, Debug, PartialEq)]
pub struct NonFiniteStep {
    /// What was not finite.
    pub what: &'static str,
    /// Its value.
    pub value: f64,
    /// The step, 0-based.
    pub step: u64,
    /// The noise level and the layer, in words.
    pub place: String,
}

impl std::fmt::Display for NonFiniteStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {} at step {} ({})", self.what, self.value, self.step, self.place)
    }
}

/// The sample of a batch with the largest loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorstSample {
    /// Its loss.
    pub error: f64,
    /// Its noise level as the network is told it: the 0-based timestep of a discrete schedule.
    pub t: f64,
}

impl WorstSample {
    /// The worse of two.
    pub(crate) fn or(self, other: Self) -> Self {
        if other.severity() > self.severity() { other } else { self }
    }

    /// A non-finite loss counts as the largest.
    fn severity(&self) -> f64 {
        if self.error.is_finite() { self.error } else { f64::INFINITY }
    }
}

/// The sample with the largest loss, of losses `[n]` at noise levels `[n]` as the network is told them.
pub(crate) fn worst_sample(losses: &Tensor, levels: &Tensor) -> Result<WorstSample, TorchError> {
    torch_ext::fence(|| {
        let error = losses.to_kind(Kind::Float);
        let key = error.where_self(&error.isfinite(), &Tensor::from(f32::INFINITY).to_device(error.device()));
        let row = key.argmax(0, false).int64_value(&[]);
        WorstSample { error: error.double_value(&[row]), t: levels.double_value(&[row]) }
    })
}

/// The names of the tensors whose norm is not finite, in their order.
pub(crate) fn not_finite<'a>(names: &'a [String], tensors: &[Tensor]) -> Result<Vec<&'a str>, TorchError> {
    let norms = foreach::norms(tensors)?;
    let norms = torch_ext::fence(|| Vec::<f64>::try_from(norms.to_kind(Kind::Double)))??;
    Ok(names
        .iter()
        .zip(&norms)
        .filter(|(_, norm)| !norm.is_finite())
        .map(|(name, _)| name.as_str())
        .collect())
}

/// The place of a failure in words, from the layers (input to output) whose weights or gradients are not finite.
///
/// Gradients flow from the output to the input: of several layers with non-finite gradients, the one nearest the output was the first.
pub(crate) fn describe_place(weights: &[&str], grads: &[&str], worst: Option<WorstSample>) -> String {
    let and_more =
        |count: usize| if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    let layer = match (weights.first(), grads.last()) {
        (Some(name), _) => Some(format!("weight {name}{} is not finite", and_more(weights.len()))),
        (None, Some(name)) => Some(format!("gradient of {name}{}", and_more(grads.len()))),
        (None, None) => None,
    };
    let sample = worst
        .map(|worst| format!("worst sample at noise level t = {} with loss {:.3e}", worst.t, worst.error));
    layer.into_iter().chain(sample).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_sample_and_the_first_broken_layer_are_found() {
        let levels = Tensor::from_slice(&[10f32, 20.0, 30.0]);
        let losses = Tensor::from_slice(&[1f32, 13.0, 4.0]);
        assert_eq!(worst_sample(&losses, &levels).unwrap(), WorstSample { error: 13.0, t: 20.0 });
        let losses = Tensor::from_slice(&[1f32, 13.0, f32::NAN]);
        assert_eq!(worst_sample(&losses, &levels).unwrap().t, 30.0);

        let names = ["conv_in", "mid", "conv_out"].map(String::from);
        let grads = |values: [f32; 3]| values.map(|value| Tensor::from_slice(&[value, 1.0]));
        assert!(not_finite(&names, &grads([1.0, 2.0, 3.0])).unwrap().is_empty());
        let broken = not_finite(&names, &grads([f32::NAN, f32::INFINITY, 3.0])).unwrap();
        let worst = Some(WorstSample { error: 13.0, t: 20.0 });
        assert_eq!(
            describe_place(&[], &broken, worst),
            "gradient of mid (and 1 more), worst sample at noise level t = 20 with loss 1.300e1"
        );
        assert!(
            describe_place(&["conv_in"], &broken, worst).starts_with("weight conv_in is not finite, worst")
        );
    }
}
