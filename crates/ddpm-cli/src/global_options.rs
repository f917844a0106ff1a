//! Options that every subcommand takes: device, threads, seed, verbosity.

use crate::given::Given;
use crate::numbers::{seed, whole};
use clap::Args;
use torch_ext::device::DeviceChoice;

/// Options of every command.
#[derive(Args, Debug, Clone)]
pub(crate) struct Global {
    /// Device: cpu, cuda (one of several processes: its own GPU), cuda:N, or auto (CUDA where there is one); no effect where nothing is computed on tensors
    #[arg(
        long,
        global = true,
        default_value = "auto",
        value_name = "DEVICE",
        help_heading = "Global options"
    )]
    pub(crate) device: DeviceChoice,
    /// CPU threads [default: one a core]; no effect where nothing is computed on tensors
    #[arg(long, global = true, value_name = "N", value_parser = whole, help_heading = "Global options")]
    pub(crate) threads: Option<usize>,
    /// Seed of everything random; overrides the configuration's
    #[arg(long, global = true, value_name = "N", value_parser = seed, help_heading = "Global options")]
    pub(crate) seed: Option<u64>,
    /// Log more; twice for details
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// The options that stand on the command line.
    #[arg(skip)]
    pub(crate) given: Given,
}
