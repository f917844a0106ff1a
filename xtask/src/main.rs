//! `cargo xtask`: set-up of libtorch, build, tests, lints, and the commands that reproduce results.
//!
//! This crate does not link libtorch and does not depend on the other crates, so that it compiles in seconds on a machine
//! with nothing but Rust. It reads facts about libtorch from its files. `reproduce-*`, `error-benchmark`, `gpu-check` and
//! `run` build `ddpm` and replace this process by it.

#[cfg(not(unix))]
compile_error!("this project runs on Linux and macOS; on Windows use WSL 2");

mod architecture;
mod environment;
mod libtorch;
mod links;
mod machine;
mod process;
mod tasks;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::tasks::{bench, build, doctor, launch, lint, product, setup, test, torture};
use crate::workspace::Workspace;

const EXAMPLES: &str = "\
First steps, on a machine with Rust, a C++17 compiler and Python 3.10 or newer:
  cargo xtask reproduce-digits      sets up, builds, trains, samples and prints the path of a report
  cargo xtask test                  sets up, builds and runs every test
  cargo xtask error-benchmark --quick  compares schedules, variances and samplers
  cargo xtask doctor                prints what is missing, and how to install it

Environment:
  LIBTORCH      a libtorch 2.13 of your own: the folder that holds lib/ and include/
                (default: one is installed)
  DDPM_CACHE    where it is installed (default: ~/.cache/ddpm, on macOS ~/Library/Caches/ddpm)
  DDPM_PYTHON   the Python that tests compare against (default: the one that set-up installs)";

/// Set up, build, test and reproduce, each with one command.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES, max_term_width = 110)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find or install libtorch and link it as `.libtorch`; plain cargo then finds it too
    Setup(setup::Args),
    /// Print what is installed, what is missing and how to install it, and whether CUDA is usable
    Doctor,
    /// Set up and build the `ddpm` binary
    Build(build::Args),
    /// Set up and run every test of the workspace, doc tests included
    Test(test::Args),
    /// Kill a training run at random times; it must end with the same bits as an uninterrupted run
    Torture(torture::Args),
    /// Check formatting, lints, documentation, and the dependencies between crates and between modules
    Lint(lint::Args),
    /// Set up, build and run the benchmarks
    Bench(bench::Args),
    /// Train on 8x8 digits, sample and report: minutes on a laptop
    #[command(after_help = product::REPRODUCE_HELP)]
    ReproduceDigits(product::Args),
    /// Train on Fashion-MNIST, sample and report
    #[command(after_help = product::REPRODUCE_HELP)]
    ReproduceFashion(product::Args),
    /// Train Ho et al.'s CIFAR-10 model, sample and report: days on one GPU
    #[command(after_help = product::REPRODUCE_HELP)]
    ReproduceCifar(product::Args),
    /// Sweep schedules, variances, samplers and targets, and report which choices reduce the error
    #[command(after_help = product::ERROR_BENCHMARK_HELP)]
    ErrorBenchmark(product::Args),
    /// Set up, build and run `ddpm` with the arguments that follow `--`
    Run(product::Args),
    /// Set up, build and run `ddpm` as several processes of this machine that share a training
    #[command(after_help = launch::HELP)]
    Launch(launch::Args),
    /// Check on a machine with an NVIDIA GPU that training and sampling work on it
    GpuCheck(product::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match dispatch(cli.task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<process::Failed>() {
            // The program that failed has printed its error.
            Some(failed) => ExitCode::from(failed.code),
            None => {
                eprintln!("error: {error:#}");
                ExitCode::from(2)
            }
        },
    }
}

fn dispatch(task: Task) -> anyhow::Result<()> {
    let workspace = Workspace::locate()?;
    match task {
        Task::Setup(args) => setup::run(&workspace, &args),
        Task::Doctor => doctor::run(&workspace),
        Task::Build(args) => build::run(&workspace, &args),
        Task::Test(args) => test::run(&workspace, &args),
        Task::Torture(args) => torture::run(&workspace, &args),
        Task::Lint(args) => lint::run(&workspace, &args),
        Task::Bench(args) => bench::run(&workspace, &args),
        Task::ReproduceDigits(args) => product::reproduce(&workspace, "digits", args),
        Task::ReproduceFashion(args) => product::reproduce(&workspace, "fashion", args),
        Task::ReproduceCifar(args) => product::reproduce(&workspace, "cifar10-ho2020", args),
        Task::ErrorBenchmark(args) => product::subcommand(&workspace, "error-benchmark", args),
        Task::Run(args) => product::run(&workspace, &args),
        Task::Launch(args) => launch::run(&workspace, &args),
        Task::GpuCheck(args) => product::subcommand(&workspace, "gpu-check", args),
    }
}

/// Prints help as it is, and a usage error as one line.
fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // This fails only if standard output is closed.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or("error: wrong usage");
            let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: "));
            eprintln!(
                "{line}{} (see `cargo xtask --help`)",
                tip.map(|tip| format!(": {tip}")).unwrap_or_default()
            );
            ExitCode::from(2)
        }
    }
}
