//! TF32: f32 matrix products and convolutions on NVIDIA GPUs with factors rounded to 10 bits of mantissa. No effect on CPUs.

use crate::{TorchError, shim};

/// Allows TF32 in matrix products (cuBLAS) and convolutions (cuDNN), or forbids it in both, for the whole process.
///
/// libtorch itself begins with convolutions allowed and products forbidden.
pub fn allow(on: bool) -> Result<(), TorchError> {
    // SAFETY: the shim takes a plain value and sets two flags of libtorch's global context.
    shim::check(unsafe { shim::ddpm_allow_tf32(on) })
}

/// Whether TF32 is allowed: in matrix products, in convolutions.
pub fn allowed() -> Result<(bool, bool), TorchError> {
    let (mut products, mut convolutions) = (false, false);
    // SAFETY: both pointers are to live values for the length of the call.
    shim::check(unsafe { shim::ddpm_tf32_allowed(&mut products, &mut convolutions) })?;
    Ok((products, convolutions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn the_switch_turns_both_and_leaves_the_cpu_alone() {
        let a = Tensor::linspace(-1.0, 1.0, 64 * 64, (Kind::Float, Device::Cpu)).reshape([64, 64]);
        let before = a.matmul(&a);
        for on in [true, false] {
            allow(on).unwrap();
            assert_eq!(allowed().unwrap(), (on, on));
            assert!(a.matmul(&a).equal(&before));
        }
    }
}
