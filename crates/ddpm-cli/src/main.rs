//! `ddpm`: train, sample and explain denoising diffusion models.

mod cli;
mod commands;
mod config;
mod exit;
mod pipeline;
mod progress;
mod runtime;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match cli::Cli::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    runtime::start_logging(arguments.global.verbose);
    match commands::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}
