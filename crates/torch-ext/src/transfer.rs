//! Copies between the host and a GPU that neither of them waits for.

use crate::{TorchError, shim};
use std::ffi::c_void;
use tch::{Device, Tensor};

/// A tensor of the host on a device. To a GPU it goes through pinned memory: the caller waits neither for the copy nor for what the GPU has yet
/// to do. Call it inside [`crate::fence`].
pub fn upload(host: Tensor, device: Device) -> Tensor {
    let kind = host.kind();
    match device {
        // libtorch keeps pinned memory from being used again before the copy is done. Without it the copy is right, and waited for.
        Device::Cuda(_) => pinned(&host).unwrap_or(host).to_device_(device, kind, true, false),
        _ => host.to_device(device),
    }
}

fn pinned(host: &Tensor) -> Result<Tensor, TorchError> {
    let output = Tensor::new();
    // SAFETY: two live tensors; the shim assigns the copy to the output.
    shim::check(unsafe { shim::ddpm_pinned(shim::raw(host), shim::raw(&output)) })?;
    Ok(output)
}

/// A copy of a device's numbers on its way to the host.
#[derive(Debug)]
pub struct Download {
    host: Tensor,
    /// What the device reaches when the copy is done; `None` where it is done.
    event: Option<Event>,
}

impl Download {
    /// Begins to copy a tensor of f64, once the device has computed it.
    pub fn begin(tensor: &Tensor) -> Result<Self, TorchError> {
        let Device::Cuda(index) = tensor.device() else {
            return Ok(Download { host: crate::fence(|| tensor.detach_copy())?, event: None });
        };
        // libtorch takes pinned memory for a copy that is not waited for.
        let host = crate::fence(|| tensor.detach().to_device_(Device::Cpu, tensor.kind(), true, false))?;
        Ok(Download { host, event: Some(Event::record(index)?) })
    }

    /// The numbers, as soon as they are there.
    pub fn wait(self) -> Result<Vec<f64>, TorchError> {
        if let Some(event) = &self.event {
            event.wait()?;
        }
        Ok(Vec::try_from(&self.host.f_reshape([-1])?)?)
    }
}

/// A place in the order of a GPU's work.
#[derive(Debug)]
struct Event(*mut c_void);

impl Event {
    /// After everything that was asked of the device so far.
    fn record(device: usize) -> Result<Self, TorchError> {
        let mut event = std::ptr::null_mut();
        // SAFETY: a place for the result.
        shim::check(unsafe { shim::ddpm_event_record(device as i32, &raw mut event) })?;
        Ok(Event(event))
    }

    fn wait(&self) -> Result<(), TorchError> {
        // SAFETY: a live event.
        shim::check(unsafe { shim::ddpm_event_wait(self.0) })
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: made by the shim, and freed once.
        unsafe { shim::ddpm_event_free(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_arrive_on_both_sides() {
        let device = match crate::device::cuda_status().usable() {
            true => Device::Cuda(0),
            false => Device::Cpu,
        };
        let there = upload(Tensor::from_slice(&[1.5f64, -2.0]), device);
        assert_eq!(there.device(), device);
        let back = Download::begin(&(&there * 2.0)).unwrap();
        // What comes after the copy does not change it.
        let _ = there.shallow_clone().zero_();
        assert_eq!(back.wait().unwrap(), [3.0, -4.0]);
    }
}
