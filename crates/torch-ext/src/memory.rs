//! Memory of GPUs: what is free, and what tensors have held.

use crate::device::{make_current, runtime_function};
use crate::{TorchError, shim};
use tch::Device;

/// Free memory of a GPU in bytes; `None` for other devices, and where the driver does not say.
pub fn free_memory(device: Device) -> Option<u64> {
    let Device::Cuda(index) = device else { return None };
    // The runtime answers once the device is in use.
    let _used = tch::Tensor::f_zeros([1], (tch::Kind::Float, device)).ok()?;
    make_current(index);
    let (mut free, mut total) = (0, 0);
    let function =
        runtime_function::<unsafe extern "C" fn(*mut usize, *mut usize) -> i32>(b"cudaMemGetInfo\0")?;
    // SAFETY: both pointers are to live values for the length of the call.
    let code = unsafe { function(&mut free, &mut total) };
    (code == 0).then_some(free as u64)
}

/// Begins to count the most memory that tensors hold on a device anew; nothing on the CPU.
pub fn reset_peak(device: Device) -> Result<(), TorchError> {
    match device {
        // SAFETY: a plain value.
        Device::Cuda(index) => shim::check(unsafe { shim::ddpm_memory_reset_peak(index as i32) }),
        _ => Ok(()),
    }
}

/// Most bytes that tensors have held on a GPU since [`reset_peak`]; `None` for other devices.
pub fn peak(device: Device) -> Result<Option<u64>, TorchError> {
    let Device::Cuda(index) = device else { return Ok(None) };
    let mut bytes = 0;
    // SAFETY: a place for the result.
    shim::check(unsafe { shim::ddpm_memory_peak(index as i32, &raw mut bytes) })?;
    Ok(Some(bytes as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_of_gpus_alone() {
        assert_eq!((free_memory(Device::Cpu), peak(Device::Cpu).unwrap()), (None, None));
        reset_peak(Device::Cpu).unwrap();
        if crate::device::cuda_status().usable() {
            let device = Device::Cuda(0);
            reset_peak(device).unwrap();
            let held = tch::Tensor::zeros([1 << 20], (tch::Kind::Float, device));
            assert!(peak(device).unwrap().unwrap() >= 4 << 20 && free_memory(device).unwrap() > 0);
            drop(held);
        }
    }
}
