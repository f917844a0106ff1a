//! NCCL, which exchanges tensors between GPUs: its entry points are a library of their own, loaded when the first group asks for it.

use super::ffi::RawGroup;
use crate::device::cuda_status;
use crate::{TorchError, shim};
use std::ffi::{CStr, c_char};
use std::sync::OnceLock;

/// The library that the build script compiled from `shim/nccl.cpp`; empty where it could not.
static LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/nccl_shim.so"));

/// Why the build script could not compile it; empty where it could.
const ABSENT: &str = env!("TORCH_EXT_NCCL_ABSENT");

/// The entry points of `shim/nccl.cpp`.
#[derive(Clone, Copy)]
struct Entries {
    connect: unsafe extern "C" fn(RawGroup, i32) -> *mut c_char,
    version: unsafe extern "C" fn(*mut *mut c_char) -> *mut c_char,
}

/// Connects the GPUs of a group; `device` is this process's.
pub(super) fn connect(group: RawGroup, device: usize) -> Result<(), TorchError> {
    let entries = entries()?;
    // SAFETY: a live group.
    let answer = shim::whole_text(unsafe { (entries.connect)(group, device as i32) });
    answer.map_err(|text| TorchError::Group(reason(&text).to_string()))
}

/// What NCCL says last, which is the cause; else the first line.
fn reason(text: &str) -> &str {
    let last = text.split_once("Last error:").map(|(_, last)| last.trim()).filter(|last| !last.is_empty());
    last.unwrap_or(text).lines().next().unwrap_or_default().trim()
}

/// The version of NCCL, such as `2.29.7`.
///
/// # Errors
/// Why this program has no NCCL.
pub fn nccl_version() -> Result<String, TorchError> {
    let entries = entries()?;
    let mut version = std::ptr::null_mut();
    // SAFETY: a place for the result.
    shim::check(unsafe { (entries.version)(&raw mut version) })?;
    // SAFETY: a NUL-terminated string that the shim allocated for us.
    let text = unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned();
    // SAFETY: allocated by the shim, and freed once.
    unsafe { shim::ddpm_free_text(version) };
    Ok(text)
}

/// Loads the library, once.
fn entries() -> Result<Entries, TorchError> {
    static ENTRIES: OnceLock<Result<Entries, String>> = OnceLock::new();
    let loaded = ENTRIES.get_or_init(|| {
        if !ABSENT.is_empty() {
            return Err(format!("this program was built without NCCL: {ABSENT}; run `cargo xtask setup --cuda` and build again"));
        }
        let status = cuda_status();
        if !status.linked {
            return Err(status.message);
        }
        load().map_err(|error| format!("NCCL cannot be loaded: {error}"))
    });
    loaded.clone().map_err(TorchError::Group)
}

/// From memory, so that a program that was moved needs no second file.
#[cfg(target_os = "linux")]
fn load() -> Result<Entries, String> {
    use libloading::os::unix::{Library, RTLD_NOW};
    use std::io::Write;
    use std::os::fd::{AsRawFd, FromRawFd};

    // SAFETY: a NUL-terminated name; the call makes a file without a path.
    let descriptor = unsafe { libc::memfd_create(c"ddpm-nccl".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(std::io::Error::last_os_error().to_string());
    }
    // SAFETY: the descriptor was just made, and nothing else owns it.
    let mut file = unsafe { std::fs::File::from_raw_fd(descriptor) };
    file.write_all(LIBRARY).map_err(|error| error.to_string())?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the library was compiled for the libtorch that this process runs, and has no initializers of its own.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW) }.map_err(|error| error.to_string())?;
    let text = |error: libloading::Error| error.to_string();
    // SAFETY: `shim/nccl.cpp` declares the functions with these signatures.
    let entries = unsafe {
        Entries {
            connect: *library.get(b"ddpm_nccl_connect\0").map_err(text)?,
            version: *library.get(b"ddpm_nccl_version\0").map_err(text)?,
        }
    };
    // The functions live for as long as the process.
    std::mem::forget(library);
    Ok(entries)
}

#[cfg(not(target_os = "linux"))]
fn load() -> Result<Entries, String> {
    let _ = LIBRARY;
    Err("it exists on Linux alone".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_the_reason() {
        let text = "NCCL error in: ProcessGroupNCCL.cpp:94, invalid usage, NCCL version 2.28.9\nncclInvalidUsage: This \
                    usually reflects invalid usage of NCCL library.\nLast error:\nDuplicate GPU detected : rank 0 and rank 1 \
                    both on CUDA device 50000\n";
        assert_eq!(reason(text), "Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 50000");
        assert_eq!(reason("a\nLast error:\n\n"), "a");
    }

    /// Loading resolves every symbol of libtorch_cuda and NCCL, which needs no GPU.
    #[test]
    fn nccl_is_there_where_libtorch_has_cuda() {
        let has_cuda = crate::device::libtorch_folder().join("libtorch_cuda.so").exists();
        match nccl_version() {
            Ok(version) => assert!(has_cuda && version.starts_with("2."), "{version}"),
            Err(error) => assert!(!has_cuda, "{error}"),
        }
    }
}
