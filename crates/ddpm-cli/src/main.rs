//! `ddpm`: train, sample and explain denoising diffusion models.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "help texts are doc comments and speak of shapes such as [n]"
)]

mod checkpoints;
mod classifier;
mod cli;
mod commands;
mod config;
mod datasets;
mod exit;
mod global_options;
mod noising_options;
mod output;
mod pipeline;
mod progress;
mod runtime;
mod sampler_options;
mod schedule_options;
mod target_file;
mod target_sampling;
mod vectors;

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
