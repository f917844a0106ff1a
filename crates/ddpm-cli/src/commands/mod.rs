//! The commands: each file holds what can be typed and what then happens.

pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod decompose;
pub(crate) mod denoise;
pub(crate) mod devices;
pub(crate) mod error_benchmark;
pub(crate) mod gpu_check;
pub(crate) mod reproduce;
pub(crate) mod sample;
pub(crate) mod schedule;
pub(crate) mod train;

use crate::cli::{Cli, Command};
use anyhow::Result;

/// Runs what was typed.
pub(crate) fn run(arguments: Cli) -> Result<()> {
    let global = arguments.global;
    match arguments.command {
        Command::Reproduce(command) => command.run(&global),
        Command::Train(command) => command.run(&global),
        Command::Schedule(command) => command.run(),
        Command::Sample(command) => command.run(&global),
        Command::Denoise(command) => command.run(&global),
        Command::Decompose(command) => command.run(&global),
        Command::ErrorBenchmark(command) => command.run(&global),
        Command::Data(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Devices(command) => command.run(),
        Command::GpuCheck(command) => command.run(&global),
    }
}
