//! Memory formats of image tensors.

use crate::{TorchError, shim};
use tch::Tensor;

/// The same [n, c, h, w] values laid out channels-last, the layout that convolution kernels for bf16 prefer.
pub fn channels_last(input: &Tensor) -> Result<Tensor, TorchError> {
    let output = Tensor::new();
    // SAFETY: both pointers are live tensors for the length of the call; the shim only assigns to the second.
    shim::check(unsafe { shim::ddpm_channels_last(shim::raw(input), shim::raw(&output)) })?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_change_and_values_stay() {
        let x = Tensor::arange(2 * 3 * 4 * 5, (tch::Kind::Float, tch::Device::Cpu)).reshape([2, 3, 4, 5]);
        let y = channels_last(&x).unwrap();
        assert_eq!(y.stride(), [60, 1, 15, 3]);
        assert!(y.equal(&x));
        assert!(channels_last(&x.reshape([6, 20])).unwrap_err().to_string().contains("rank 4"));
    }
}
