//! Operations over whole lists of tensors in few kernels: fused Adam, EMA, norms.

use crate::{TorchError, shim};
use tch::Tensor;

/// Hyper-parameters of one Adam step (Kingma & Ba 2015; AdamW: Loshchilov & Hutter 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether weight decay acts on the weights (AdamW) instead of on the gradient (Adam).
    pub decoupled: bool,
}

/// The tensors of an Adam step, index by index: weights, gradients, moments, and 0-dimensional f32 step counters.
#[derive(Debug)]
pub struct AdamTensors<'a> {
    /// Weights, changed in place.
    pub params: &'a [Tensor],
    /// Gradients.
    pub grads: &'a [Tensor],
    /// First moments, changed in place.
    pub exp_avgs: &'a [Tensor],
    /// Second moments, changed in place.
    pub exp_avg_sqs: &'a [Tensor],
    /// Number of steps taken, including this one.
    pub steps: &'a [Tensor],
    /// A 0-dimensional f32 on the weights' device: 1 where nothing shall change, else 0.
    pub skip: Option<&'a Tensor>,
}

fn same_length(what: &'static str, expected: usize, got: usize) -> Result<(), TorchError> {
    if expected == got { Ok(()) } else { Err(TorchError::Count { what, expected, got }) }
}

/// One Adam step over all parameters.
pub fn adam(tensors: &AdamTensors<'_>, step: AdamStep) -> Result<(), TorchError> {
    let count = tensors.params.len();
    same_length("gradients", count, tensors.grads.len())?;
    same_length("first moments", count, tensors.exp_avgs.len())?;
    same_length("second moments", count, tensors.exp_avg_sqs.len())?;
    same_length("step counters", count, tensors.steps.len())?;
    let (p, g) = (shim::pointers(tensors.params), shim::pointers(tensors.grads));
    let (m, v) = (shim::pointers(tensors.exp_avgs), shim::pointers(tensors.exp_avg_sqs));
    let s = shim::pointers(tensors.steps);
    // SAFETY: five arrays of `count` live tensors, and a live tensor or null; the shim writes through them only inside libtorch's own kernels.
    shim::check(unsafe {
        shim::ddpm_fused_adam(
            p.as_ptr(),
            g.as_ptr(),
            m.as_ptr(),
            v.as_ptr(),
            s.as_ptr(),
            count,
            step.learning_rate,
            step.beta1,
            step.beta2,
            step.eps,
            step.weight_decay,
            step.decoupled,
            tensors.skip.map_or(std::ptr::null_mut(), shim::raw),
        )
    })
}

/// Sets every tensor to 0, in place.
pub fn zero(tensors: &[Tensor]) -> Result<(), TorchError> {
    if tensors.is_empty() {
        return Ok(());
    }
    let list = shim::pointers(tensors);
    // SAFETY: an array of live tensors.
    shim::check(unsafe { shim::ddpm_foreach_zero(list.as_ptr(), list.len()) })
}

/// into += weight * (towards - into), in place, tensor by tensor.
pub fn lerp(into: &[Tensor], towards: &[Tensor], weight: f64) -> Result<(), TorchError> {
    same_length("lerp targets", into.len(), towards.len())?;
    let (a, b) = (shim::pointers(into), shim::pointers(towards));
    // SAFETY: two arrays of the same number of live tensors.
    shim::check(unsafe { shim::ddpm_foreach_lerp(a.as_ptr(), b.as_ptr(), a.len(), weight) })
}

/// Multiplies every tensor by a 0-dimensional tensor, in place, without waiting for the device.
pub fn scale(tensors: &[Tensor], factor: &Tensor) -> Result<(), TorchError> {
    let list = shim::pointers(tensors);
    // SAFETY: an array of live tensors and one live tensor.
    shim::check(unsafe { shim::ddpm_foreach_scale(list.as_ptr(), list.len(), shim::raw(factor)) })
}

/// The Euclidean norm of every tensor, as one vector on their device.
pub fn norms(tensors: &[Tensor]) -> Result<Tensor, TorchError> {
    let list = shim::pointers(tensors);
    let output = Tensor::new();
    // SAFETY: an array of live tensors; the shim assigns the result to the live output.
    shim::check(unsafe { shim::ddpm_foreach_norms(list.as_ptr(), list.len(), shim::raw(&output)) })?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn filled(value: f64) -> Tensor {
        Tensor::full([3], value, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn adam_follows_its_equations() {
        let (params, exp_avgs, exp_avg_sqs) = ([filled(1.0)], [filled(0.0)], [filled(0.0)]);
        let steps = [Tensor::from(0f32)];
        let hyper = AdamStep {
            learning_rate: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
        };
        let (mut x, mut m, mut v) = (1.0f64, 0.0f64, 0.0f64);
        for k in 1..=3 {
            let g = 0.5 * f64::from(k);
            let _ = steps[0].shallow_clone().fill_(f64::from(k));
            let tensors = AdamTensors {
                params: &params,
                grads: &[filled(g)],
                exp_avgs: &exp_avgs,
                exp_avg_sqs: &exp_avg_sqs,
                steps: &steps,
                skip: Some(&Tensor::from(0f32)),
            };
            adam(&tensors, hyper).unwrap();
            adam(&AdamTensors { skip: Some(&Tensor::from(1f32)), ..tensors }, hyper).unwrap();
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            x -= 0.1 * (m / (1.0 - 0.9f64.powi(k))) / ((v / (1.0 - 0.999f64.powi(k))).sqrt() + 1e-8);
            assert!((params[0].double_value(&[1]) - x).abs() < 1e-6);
        }
        let short = AdamTensors {
            params: &params,
            grads: &[],
            exp_avgs: &[],
            exp_avg_sqs: &[],
            steps: &[],
            skip: None,
        };
        assert_eq!(adam(&short, hyper).unwrap_err().to_string(), "gradients: expected 1 tensors, got 0");
    }

    #[test]
    fn norms_scale_and_lerp() {
        let list = [filled(2.0), Tensor::from_slice(&[3f32, 4.0])];
        let norms = norms(&list).unwrap();
        assert!((norms.double_value(&[0]) - 12f64.sqrt()).abs() < 1e-6);
        assert!((norms.double_value(&[1]) - 5.0).abs() < 1e-6);
        scale(&list, &Tensor::from(0.5f32)).unwrap();
        assert_eq!(list[1].double_value(&[1]), 2.0);
        lerp(&list[..1], &[filled(5.0)], 0.25).unwrap();
        assert_eq!(list[0].double_value(&[0]), 2.0);
        zero(&list).unwrap();
        zero(&[]).unwrap();
        assert!(list.iter().all(|tensor| tensor.abs().max().double_value(&[]) == 0.0));
    }
}
