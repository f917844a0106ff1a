//! Command-line arguments of `ddpm` and its subcommands.

use crate::commands;
use crate::global_options::Global;
use clap::{Parser, Subcommand};

/// Train, sample and explain denoising diffusion models.
#[derive(Parser, Debug)]
#[command(version = VERSION, about, max_term_width = 100, arg_required_else_help = true, after_help = "\
Examples:
  ddpm reproduce digits                         data, training, samples, evaluation and report
  ddpm train --config digits --resume           train, or resume a training
  ddpm sample --checkpoint runs/digits/checkpoints/latest --num 64 --out grid.png
  ddpm schedule --schedule cosine               a noise schedule as a table, JSON or picture
  ddpm decompose --target mixture.json --steps 50   where a sampler's error comes from
  ddpm error-benchmark --quick                  which schedule, variance and sampler: a sweep and a report
  ddpm config show digits                       a complete configuration to start from
Exit status: 0 success, 2 wrong usage or input, 75 interrupted but resumable.")]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("DDPM_COMMIT"), ")");
/// Name, version and commit of the program, for the foot of a report.
pub(crate) const PROGRAM: &str = concat!("ddpm ", env!("CARGO_PKG_VERSION"), " (", env!("DDPM_COMMIT"), ")");

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Reproduce(commands::reproduce::Reproduce),
    Train(commands::train::Train),
    Schedule(commands::schedule::PrintSchedule),
    Sample(commands::sample::Sample),
    Denoise(commands::denoise::Denoise),
    Decompose(commands::decompose::Decompose),
    ErrorBenchmark(commands::error_benchmark::ErrorBenchmark),
    #[command(subcommand)]
    Data(commands::data::Data),
    #[command(subcommand)]
    Config(commands::config::ConfigCommand),
    Devices(commands::devices::Devices),
    GpuCheck(commands::gpu_check::GpuCheck),
}
