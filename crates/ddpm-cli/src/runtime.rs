//! The process: devices, threads, diagnostics.

pub(crate) use crate::stop::{NOTHING_WRITTEN, StopFlag};

use crate::{run_log, shared_cores, terminal, workers};
use anyhow::{Context, Result};
use std::io::{self, Write};
use tch::Device;
use torch_ext::device::DeviceChoice;
use tracing::Metadata;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, registry};

/// Diagnostics go to the standard error and into the log of the run; `-v` shows more, and the variable DDPM_LOG overrides both.
pub(crate) fn start_logging(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("DDPM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let shown = fmt::layer().with_ansi(terminal::has_colours()).without_time().with_writer(Sink::Terminal);
    let logged = fmt::layer().with_ansi(false).without_time().with_level(false).with_target(false);
    let logged = logged.with_writer(Sink::Log);
    // The subscriber's own complaint about a failed write would be printed on the stream that failed, and panic.
    let quiet = (shown.log_internal_errors(false), logged.log_internal_errors(false));
    registry().with(filter).with(quiet.0).with(quiet.1).init();
}

/// Where diagnostics go.
#[derive(Clone, Copy)]
enum Sink {
    /// The standard error, above the progress bars.
    Terminal,
    /// The log of the run.
    Log,
}

/// One event, which is passed on whole when it is dropped.
struct Event {
    sink: Sink,
    /// The level in lower case: the kind of the log's record.
    kind: String,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Event;

    fn make_writer(&'a self) -> Event {
        Event { sink: *self, kind: "message".to_owned(), text: Vec::new() }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Event {
        Event { sink: *self, kind: metadata.level().as_str().to_lowercase(), text: Vec::new() }
    }
}

impl Write for Event {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        match self.sink {
            Sink::Terminal => terminal::print_line(&text),
            Sink::Log => run_log::add(&self.kind, &text),
        }
    }
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
    shared_cores::watch();
    let device = device.resolve(workers::local_rank()?)?;
    // libtorch allows it in convolutions; f32 means f32 here, unless a training asks for it.
    torch_ext::tf32::allow(false)?;
    if device.is_cuda() {
        // Samples and measurements are the same at every repetition; a training may ask for the fastest algorithms instead.
        torch_ext::determinism::set(true)?;
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
