//! The project's runner, `cargo xtask`: everything from a clean machine to a report, by name.
//!
//! It must not know torch: it compiles in seconds on a machine that has nothing but Rust, and what it finds out about
//! libtorch it reads from files. It must not know what the product does either: `reproduce-*`, `run` and `gpu-check`
//! build `ddpm` and become it.

#[cfg(not(unix))]
compile_error!("this project runs on Linux and macOS; on Windows use WSL 2");

mod architecture;
mod environment;
mod libtorch;
mod machine;
mod process;
mod tasks;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::tasks::{
    bench, build, doctor, error_benchmark, gpu_check, lint, reproduce, run, setup, test, torture,
};
use crate::workspace::Workspace;

const EXAMPLES: &str = "\
First steps, on a machine with Rust, a C++17 compiler and Python 3.10 or newer:
  cargo xtask reproduce-digits      sets up, builds, trains, samples and prints the path of a report
  cargo xtask test                  sets up, builds and runs every test
  cargo xtask error-benchmark --quick  says which schedule, variance and sampler to take, and why
  cargo xtask doctor                says what is missing, and how to get it

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
    /// Say what is installed, what is missing and how to get it, and if CUDA is usable
    Doctor,
    /// Set up and build the `ddpm` binary
    Build(build::Args),
    /// Set up and run every test of the workspace, doc tests included
    Test(test::Args),
    /// Kill a training run at random moments; it must end with the same bits as one that was left alone
    Torture(torture::Args),
    /// Check formatting, lints, documentation, and which crate may depend on which
    Lint(lint::Args),
    /// Set up, build and run the benchmarks
    Bench(bench::Args),
    /// Train on 8x8 digits, sample and report: minutes on a laptop
    ReproduceDigits(reproduce::Args),
    /// Train on Fashion-MNIST, sample and report
    ReproduceFashion(reproduce::Args),
    /// Train Ho et al.'s CIFAR-10 model, sample and report: days on one GPU
    ReproduceCifar(reproduce::Args),
    /// Sweep schedules, variances, samplers and targets, and report which choices reduce the error
    ErrorBenchmark(error_benchmark::Args),
    /// Set up, build and run `ddpm` with the arguments that follow `--`
    Run(run::Args),
    /// Check on a machine with an NVIDIA GPU that training and sampling work on it
    GpuCheck(gpu_check::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match dispatch(cli.task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<process::Failed>() {
            // What failed has already spoken for itself.
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
        Task::ReproduceDigits(args) => reproduce::run(&workspace, "digits", args),
        Task::ReproduceFashion(args) => reproduce::run(&workspace, "fashion", args),
        Task::ReproduceCifar(args) => reproduce::run(&workspace, "cifar10-ho2020", args),
        Task::ErrorBenchmark(args) => error_benchmark::run(&workspace, args),
        Task::Run(args) => run::run(&workspace, &args),
        Task::GpuCheck(args) => gpu_check::run(&workspace, args),
    }
}

/// Help goes out as it is; a mistake becomes one line, like every other error here.
fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // The only way this fails is a closed terminal, and then there is nobody to tell.
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
