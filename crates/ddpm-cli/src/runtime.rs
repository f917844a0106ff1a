//! The process: devices, threads, logs, and stop requests.

use anyhow::{Context, Result};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tch::Device;
use torch_ext::device::DeviceChoice;
use tracing_subscriber::EnvFilter;

/// Logs go to the standard error; `-v` shows more, and the variable DDPM_LOG overrides both.
pub(crate) fn start_logging(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("DDPM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

/// Resolves the device and sets the number of CPU threads.
pub(crate) fn prepare(device: DeviceChoice, threads: Option<usize>) -> Result<Device> {
    if let Some(threads) = threads {
        anyhow::ensure!(
            (1..=1024).contains(&threads),
            "--threads must lie between 1 and 1024, got {threads}"
        );
        tch::set_num_threads(threads as i32);
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("--threads cannot be changed any more")?;
    }
    let device = device.resolve()?;
    // libtorch allows it in convolutions; f32 means f32 here, unless a training asks for it.
    torch_ext::tf32::allow(false)?;
    if device.is_cuda() {
        // Convolutions of fixed shapes: let cuDNN pick the fastest algorithm.
        tch::Cuda::cudnn_set_benchmark(true);
    }
    Ok(device)
}

/// How a device is named in reports.
pub(crate) fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(n) => format!("cuda:{n}"),
        _ => match tch::get_num_threads() {
            1 => "cpu, 1 thread".to_string(),
            threads => format!("cpu, {threads} threads"),
        },
    }
}

/// Name, version and commit of the program, for the foot of a report.
pub(crate) const PROGRAM: &str = concat!("ddpm ", env!("CARGO_PKG_VERSION"), " (", env!("DDPM_COMMIT"), ")");

/// Programs and libraries with their versions, for the foot of a report.
pub(crate) fn versions() -> Vec<(String, String)> {
    vec![
        ("ddpm".to_string(), PROGRAM.trim_start_matches("ddpm ").to_string()),
        ("libtorch".to_string(), torch_ext::device::libtorch_version()),
    ]
}

/// Set by the first SIGINT or SIGTERM; the second ends the process at once.
#[derive(Clone, Debug)]
pub(crate) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Installs the handler, once in a process.
    pub(crate) fn install() -> Result<Self> {
        static INSTALLED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
        if let Some(flag) = INSTALLED.get() {
            return Ok(StopFlag(Arc::clone(flag)));
        }
        let flag = Arc::clone(INSTALLED.get_or_init(Arc::default));
        let seen = Arc::clone(&flag);
        ctrlc::set_handler(move || {
            if seen.swap(true, Ordering::SeqCst) {
                torch_ext::exit::at_once(130);
            }
            note!("stopping after this step; once more to stop at once");
        })
        .context("cannot handle interrupts")?;
        Ok(StopFlag(flag))
    }

    /// Break once a stop was asked for.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        if self.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Whether a stop was asked for.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
