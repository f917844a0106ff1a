//! `ddpm`: train, sample and explain denoising diffusion models.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "help texts are doc comments and speak of shapes such as [n]"
)]
// `println!` panics where the reader has closed the pipe; `output::print` and `note!` do not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod output;
mod arguments;
mod checkpoint_sampling;
mod checkpoints;
mod classifier_run;
mod command_line;
mod commands;
mod config;
mod datasets;
mod evaluation;
mod exit_codes;
mod given;
mod global_options;
mod guiding_classifier;
mod image_file_options;
mod image_model;
mod image_run;
mod image_set_check;
mod levels_file;
mod noising_options;
mod numbers;
#[cfg(test)]
mod option_effects;
mod pictures;
mod point_pictures;
mod process_pictures;
mod progress;
mod run;
mod run_log;
mod runtime;
mod sample_files;
mod sampler_options;
mod sampling;
mod sampling_memory;
mod schedule_options;
mod serde_text;
mod shared_cores;
mod stage_marks;
mod stages;
mod stop;
mod target_file;
mod terminal;
mod terminal_noise;
mod text_file;
mod training;
mod vector_run;
mod workers;

use std::process::ExitCode;

fn main() -> ExitCode {
    run_log::start_clock();
    let arguments = match arguments::Cli::read() {
        Ok(arguments) => arguments,
        Err(error) => return exit_codes::usage(&error),
    };
    runtime::start_logging(arguments.global.verbose);
    let code = match arguments.run() {
        Ok(()) => exit_codes::SUCCESS,
        Err(error) => exit_codes::report(&error),
    };
    run_log::end(code);
    workers::end(code);
    ExitCode::from(code)
}
