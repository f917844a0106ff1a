//! bf16 autocast for a given device. tch's own autocast leaves CPU matrix products in f32.

use crate::{TorchError, shim};
use tch::Device;

/// Runs `body` with matrix products and convolutions in bf16; parameters, norms and reductions stay f32.
pub fn bf16<T>(device: Device, body: impl FnOnce() -> T) -> Result<T, TorchError> {
    struct Guard(i32);
    impl Drop for Guard {
        fn drop(&mut self) {
            // SAFETY: the shim takes plain values. Switching off cannot fail for a device type that could be switched on.
            let _ = shim::check(unsafe { shim::ddpm_set_autocast(self.0, false) });
        }
    }
    // c10::DeviceType: CPU = 0, CUDA = 1.
    let device_type = i32::from(device.is_cuda());
    // SAFETY: the shim takes plain values.
    shim::check(unsafe { shim::ddpm_set_autocast(device_type, true) })?;
    let _guard = Guard(device_type);
    Ok(body())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    #[test]
    fn products_run_in_bf16_inside_and_f32_outside() {
        let a = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
        let inside = bf16(Device::Cpu, || (a.matmul(&a).kind(), a.softmax(0, None).kind())).unwrap();
        assert_eq!(inside, (Kind::BFloat16, Kind::Float));
        assert_eq!(a.matmul(&a).kind(), Kind::Float);
    }
}
