//! The same bits from the same work on a GPU.
//!
//! By default cuDNN times its algorithms and takes the fastest, which differ from process to process, and some of them sum in an order that
//! varies. CPUs give the same bits at a fixed number of threads without this.

use crate::device::cuda_status;
use crate::{TorchError, shim};

/// Chooses algorithms on GPUs for the whole process: `on`, always the same ones, whose sums have a fixed order; otherwise the fastest. Without a
/// usable GPU it does nothing.
///
/// Call it before the first computation on a GPU: cuBLAS reads its part once. An operation without a deterministic algorithm then fails with
/// its name. Sets the environment variable CUBLAS_WORKSPACE_CONFIG where it is not set, as libtorch demands.
pub fn set(on: bool) -> Result<(), TorchError> {
    // The flags would make libtorch look for its CUDA library, once and for all: it must be loaded before.
    if !cuda_status().usable() {
        return Ok(());
    }
    // SAFETY: the shim takes a plain value, sets flags of libtorch's global context and one variable that nobody else writes.
    shim::check(unsafe { shim::ddpm_set_deterministic(on) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn the_switch_leaves_the_cpu_alone() {
        // A convolution, even on the CPU, makes libtorch look for CUDA once and for all.
        let _ = cuda_status();
        let x = Tensor::linspace(-1.0, 1.0, 3 * 64, (Kind::Float, Device::Cpu)).reshape([1, 3, 8, 8]);
        let before = x.conv2d(&x, None::<&Tensor>, 1, 1, 1, 1);
        for on in [true, false] {
            set(on).unwrap();
            assert!(x.conv2d(&x, None::<&Tensor>, 1, 1, 1, 1).equal(&before));
        }
    }
}
