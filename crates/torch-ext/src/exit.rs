//! Immediate exit of the process during a computation.

unsafe extern "C" {
    fn _exit(code: i32) -> !;
}

/// Ends the process at once, from any thread. An ordinary exit would destroy libtorch's globals while other threads use them,
/// and crash.
pub fn at_once(code: i32) -> ! {
    // SAFETY: POSIX's _exit takes a plain value, may be called from any thread, and does not return.
    unsafe { _exit(code) }
}
