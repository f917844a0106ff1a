//! The C++ entry points of `shim/dist.cpp`.

use crate::shim::RawTensor;
use std::ffi::{c_char, c_void};

/// A group of processes.
pub(super) type RawGroup = *mut c_void;
/// A Reducer.
pub(super) type RawReducer = *mut c_void;

unsafe extern "C" {
    #[allow(clippy::too_many_arguments, reason = "mirrors libtorch's own signature")]
    pub(super) fn ddpm_dist_connect(
        host: *const c_char,
        port: u16,
        serve: bool,
        prefix: *const c_char,
        rank: i32,
        world: i32,
        timeout_ms: i64,
        output: *mut RawGroup,
    ) -> *mut c_char;
    pub(super) fn ddpm_dist_gloo(group: RawGroup) -> *mut c_char;
    pub(super) fn ddpm_dist_leave(group: RawGroup) -> *mut c_char;
    pub(super) fn ddpm_dist_free(group: RawGroup);
    pub(super) fn ddpm_dist_set(group: RawGroup, key: *const c_char, value: *const c_char) -> *mut c_char;
    pub(super) fn ddpm_dist_get(group: RawGroup, key: *const c_char, value: *mut *mut c_char) -> *mut c_char;
    pub(super) fn ddpm_dist_count(
        group: RawGroup,
        key: *const c_char,
        amount: i64,
        value: *mut i64,
    ) -> *mut c_char;
    pub(super) fn ddpm_dist_all_reduce(group: RawGroup, tensor: RawTensor) -> *mut c_char;
    pub(super) fn ddpm_dist_broadcast(group: RawGroup, tensor: RawTensor, root: i32) -> *mut c_char;
    pub(super) fn ddpm_dist_all_gather(
        group: RawGroup,
        input: RawTensor,
        outputs: *const RawTensor,
        count: usize,
    ) -> *mut c_char;
    pub(super) fn ddpm_dist_reducer(
        group: RawGroup,
        tensors: *const RawTensor,
        count: usize,
        output: *mut RawReducer,
    ) -> *mut c_char;
    pub(super) fn ddpm_dist_reducer_prepare(reducer: RawReducer) -> *mut c_char;
    pub(super) fn ddpm_dist_reducer_free(reducer: RawReducer);
}
