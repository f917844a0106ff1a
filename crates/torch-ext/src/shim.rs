//! The C++ entry points of `shim/shim.cpp` and the translation of their errors.

use crate::TorchError;
use std::ffi::{CStr, c_char};
use tch::Tensor;

/// An `at::Tensor*` as tch hands it out.
pub(crate) type RawTensor = *mut std::ffi::c_void;

unsafe extern "C" {
    pub(crate) fn ddpm_free_text(text: *mut c_char);
    pub(crate) fn ddpm_channels_last(input: RawTensor, output: RawTensor) -> *mut c_char;
    pub(crate) fn ddpm_set_autocast(device_type: i32, enabled: bool) -> *mut c_char;
    pub(crate) fn ddpm_allow_tf32(on: bool) -> *mut c_char;
    pub(crate) fn ddpm_set_deterministic(on: bool) -> *mut c_char;
    pub(crate) fn ddpm_tf32_allowed(products: *mut bool, convolutions: *mut bool) -> *mut c_char;
    #[allow(clippy::too_many_arguments, reason = "mirrors libtorch's own signature")]
    pub(crate) fn ddpm_fused_adam(
        params: *const RawTensor,
        grads: *const RawTensor,
        exp_avgs: *const RawTensor,
        exp_avg_sqs: *const RawTensor,
        steps: *const RawTensor,
        count: usize,
        lr: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
        decoupled: bool,
        skip: RawTensor,
    ) -> *mut c_char;
    pub(crate) fn ddpm_foreach_zero(tensors: *const RawTensor, count: usize) -> *mut c_char;
    pub(crate) fn ddpm_pinned(input: RawTensor, output: RawTensor) -> *mut c_char;
    pub(crate) fn ddpm_memory_peak(device: i32, bytes: *mut i64) -> *mut c_char;
    pub(crate) fn ddpm_memory_reset_peak(device: i32) -> *mut c_char;
    pub(crate) fn ddpm_event_record(device: i32, output: *mut *mut std::ffi::c_void) -> *mut c_char;
    pub(crate) fn ddpm_event_wait(event: *mut std::ffi::c_void) -> *mut c_char;
    pub(crate) fn ddpm_event_free(event: *mut std::ffi::c_void);
    pub(crate) fn ddpm_foreach_lerp(
        into: *const RawTensor,
        towards: *const RawTensor,
        count: usize,
        weight: f64,
    ) -> *mut c_char;
    pub(crate) fn ddpm_foreach_scale(
        tensors: *const RawTensor,
        count: usize,
        factor: RawTensor,
    ) -> *mut c_char;
    pub(crate) fn ddpm_foreach_norms(
        tensors: *const RawTensor,
        count: usize,
        output: RawTensor,
    ) -> *mut c_char;
}

/// Pointers to the C++ tensors, valid as long as the slice's tensors live.
pub(crate) fn pointers(tensors: &[Tensor]) -> Vec<RawTensor> {
    tensors.iter().map(raw).collect()
}

/// Pointer to one C++ tensor, valid as long as the tensor lives.
pub(crate) fn raw(tensor: &Tensor) -> RawTensor {
    tensor.as_ptr().cast_mut().cast()
}

/// Turns a shim's answer into a result.
pub(crate) fn check(text: *mut c_char) -> Result<(), TorchError> {
    whole_text(text).map_err(|message| TorchError::Operation(crate::error::first_line(&message)))
}

/// Turns a shim's answer into a result with the whole text of the error.
pub(crate) fn whole_text(text: *mut c_char) -> Result<(), String> {
    if text.is_null() {
        return Ok(());
    }
    // SAFETY: a non-null answer is a NUL-terminated string that the shim allocated for us.
    let message = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    // SAFETY: the string came from the shim's malloc and is freed exactly once.
    unsafe { ddpm_free_text(text) };
    Err(message)
}
