//! Devices: parsing of `--device`, and loading of CUDA at run time.
//!
//! The linker drops libtorch_cuda from a binary that names none of its symbols, so CUDA is loaded at run time: one binary then serves
//! machines with and without a GPU, and starts faster where none is asked for.

use crate::TorchError;
use std::path::Path;
use std::str::FromStr;
use std::sync::OnceLock;
use tch::Device;

/// The device that the user chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The CUDA device of this process if there is a usable one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this process: the first, or for one of several processes on a machine the one of its index there.
    Cuda,
    /// CUDA device N.
    CudaAt(usize),
}

impl FromStr for DeviceChoice {
    type Err = TorchError;

    fn from_str(text: &str) -> Result<Self, TorchError> {
        match text {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(DeviceChoice::CudaAt)
                .ok_or_else(|| TorchError::DeviceName(text.to_string())),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DeviceChoice::Auto => f.write_str("auto"),
            DeviceChoice::Cpu => f.write_str("cpu"),
            DeviceChoice::Cuda => f.write_str("cuda"),
            DeviceChoice::CudaAt(n) => write!(f, "cuda:{n}"),
        }
    }
}

impl DeviceChoice {
    /// The device itself, checked to be usable. `local_rank` is the index of this process among those of its group on this machine.
    ///
    /// On a machine with fewer devices than processes they take turns: a launcher may show each process its own device alone.
    pub fn resolve(self, local_rank: usize) -> Result<Device, TorchError> {
        if self == DeviceChoice::Cpu {
            return Ok(Device::Cpu);
        }
        let status = cuda_status();
        let unusable = |reason: String| TorchError::Device { device: self.to_string(), reason };
        if !status.usable() {
            return if self == DeviceChoice::Auto { Ok(Device::Cpu) } else { Err(unusable(status.message)) };
        }
        let devices = status.devices as usize;
        let index = match self {
            DeviceChoice::CudaAt(n) if n >= devices => {
                return Err(unusable(format!("this machine has {devices} CUDA devices")));
            }
            DeviceChoice::CudaAt(n) => n,
            _ => local_rank % devices,
        };
        make_current(index);
        Ok(Device::Cuda(index))
    }
}

/// The state of CUDA in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaStatus {
    /// Whether libtorch's CUDA library was found and loaded.
    pub linked: bool,
    /// Number of devices that CUDA reports.
    pub devices: i64,
    /// One line of text: why CUDA cannot be used, or how many devices there are.
    pub message: String,
}

impl CudaStatus {
    /// Whether a CUDA device can be used.
    pub fn usable(&self) -> bool {
        self.linked && self.devices > 0
    }
}

/// The folder of libtorch's libraries that this program was built against.
pub fn libtorch_folder() -> &'static Path {
    Path::new(env!("TORCH_EXT_LIBTORCH_LIB"))
}

/// The version of libtorch, such as `2.13.0+cpu`, from the file that comes with it.
pub fn libtorch_version() -> String {
    let root = libtorch_folder().parent().unwrap_or(libtorch_folder());
    let from_wheel = || {
        let text = std::fs::read_to_string(root.join("version.py")).ok()?;
        let line = text.lines().find(|line| line.starts_with("__version__"))?;
        line.split(['\'', '"']).nth(1).map(str::to_string)
    };
    let from_archive = || Some(std::fs::read_to_string(root.join("build-version")).ok()?.trim().to_string());
    from_wheel().or_else(from_archive).unwrap_or_else(|| "unknown".to_string())
}

/// Loads libtorch's CUDA library (once) and asks it for devices.
///
/// A convolution, even on the CPU, makes libtorch look for its CUDA library once and for all: where a GPU may be used, this comes before.
pub fn cuda_status() -> CudaStatus {
    static STATUS: OnceLock<CudaStatus> = OnceLock::new();
    STATUS.get_or_init(probe).clone()
}

fn probe() -> CudaStatus {
    let off = |linked, message| CudaStatus { linked, devices: 0, message };
    if cfg!(target_os = "macos") {
        return off(false, "macOS has no CUDA".to_string());
    }
    if let Err(reason) = load_cuda() {
        return off(false, reason);
    }
    let devices = tch::Cuda::device_count();
    if devices > 0 {
        return CudaStatus { linked: true, devices, message: format!("{devices} CUDA device(s)") };
    }
    // Allocation states the reason (no driver, a driver too old), which the device count does not.
    let reason = tch::Tensor::f_zeros([1], (tch::Kind::Float, Device::Cuda(0)))
        .err()
        .map_or_else(|| "CUDA reports no device".to_string(), |e| crate::error::first_line(&e.to_string()));
    off(true, reason)
}

/// The name of a GPU, such as `NVIDIA H100 80GB HBM3`; `None` for other devices, and where the driver does not say.
pub fn gpu_name(device: Device) -> Option<String> {
    use libloading::os::unix::Library;
    let Device::Cuda(index) = device else { return None };
    // The driver answers once the runtime has started it.
    let _used = tch::Tensor::f_zeros([1], (tch::Kind::Float, device)).ok()?;
    // SAFETY: the driver's library is loaded already, by the runtime; its initializers have run.
    let driver = unsafe { Library::new("libcuda.so.1") }.ok()?;
    type DeviceGetName = unsafe extern "C" fn(*mut std::ffi::c_char, i32, i32) -> i32;
    // SAFETY: the driver declares the function with this signature.
    let function = unsafe { driver.get::<DeviceGetName>(b"cuDeviceGetName\0") }.ok()?;
    let mut name = [0u8; 256];
    // SAFETY: a buffer of the stated length, which lives for the call.
    let code = unsafe { function(name.as_mut_ptr().cast(), name.len() as i32, index as i32) };
    let end = name.iter().position(|&byte| byte == 0)?;
    (code == 0).then(|| String::from_utf8_lossy(&name[..end]).into_owned())
}

/// Makes a device the calling thread's own, so that what names no device (pinned memory) does not take memory on the first one.
pub(crate) fn make_current(index: usize) {
    if let Some(function) = runtime_function::<unsafe extern "C" fn(i32) -> i32>(b"cudaSetDevice\0") {
        // SAFETY: a plain value; a wrong one is answered with an error code, and the next operation names the device itself.
        unsafe { function(index as i32) };
    }
}

/// A function of the CUDA runtime that libtorch has loaded.
pub(crate) fn runtime_function<F: Copy>(name: &[u8]) -> Option<F> {
    // SAFETY: the callers name functions with the signatures that the CUDA runtime declares.
    let symbol = unsafe { libloading::os::unix::Library::this().get::<F>(name) }.ok()?;
    Some(*symbol)
}

fn load_cuda() -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    let built_against = libtorch_folder().join("libtorch_cuda.so");
    // A moved installation is found through the binary's own search path.
    let path = if built_against.exists() { built_against } else { "libtorch_cuda.so".into() };
    // SAFETY: libtorch_cuda's initializers register its kernels with the libtorch that this process already runs; they are made to be
    // loaded this way, as Python does.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) }
        .map_err(|e| format!("this libtorch has no CUDA ({e}); run `cargo xtask setup --cuda`"))?;
    // The registered kernels point into the library for as long as the process lives.
    std::mem::forget(library);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_print() {
        for (text, choice) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cuda", DeviceChoice::Cuda),
            ("cuda:3", DeviceChoice::CudaAt(3)),
        ] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap(), choice);
        }
        for bad in ["gpu", "cuda:", "cuda:-1", "cuda:x", ""] {
            assert!(bad.parse::<DeviceChoice>().unwrap_err().to_string().contains("cuda:N"));
        }
    }

    /// The check of the trap described above that needs no GPU: a libtorch with CUDA must answer about the driver, not that it has no
    /// CUDA kernels.
    #[test]
    fn cuda_is_reachable_when_libtorch_has_it() {
        let status = cuda_status();
        let has_cuda = libtorch_folder().join("libtorch_cuda.so").exists();
        assert_eq!(status.linked, has_cuda, "{status:?}");
        assert!(!status.message.contains("Could not run"), "{status:?}");
        if has_cuda && !status.usable() {
            let message = status.message.to_lowercase();
            assert!(message.contains("driver") || message.contains("device"), "{status:?}");
        }
        if !status.usable() {
            let error = DeviceChoice::CudaAt(0).resolve(0).unwrap_err().to_string();
            assert!(error.contains("cuda:0") && error.contains("--device cpu"), "{error}");
            assert_eq!(DeviceChoice::Auto.resolve(1).unwrap(), Device::Cpu);
        }
    }
}
