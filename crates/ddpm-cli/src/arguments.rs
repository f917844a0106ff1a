//! Command-line arguments of `ddpm` and its subcommands.

use crate::commands::{self, eval::Eval};
use crate::given::Given;
use crate::global_options::Global;
use anyhow::Result;
use clap::{Command as Definition, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;

/// Train, sample and explain denoising diffusion models
#[derive(Parser, Debug)]
#[command(name = "ddpm", version = VERSION, about, max_term_width = 100, arg_required_else_help = true, after_help = "\
Examples:
  ddpm reproduce digits                         data, training, samples, evaluation and report
  ddpm train --config digits --resume           train, or resume a training
  ddpm sample --checkpoint runs/digits/checkpoints/latest --num 64 --out grid.png
  ddpm schedule --schedule cosine               a noise schedule as a table, JSON or picture
  ddpm decompose --target mixture.json --steps 50   where a sampler's error comes from
  ddpm eval fid --images samples/ --data digits --extractor pixels   how far samples are from data
  ddpm error-benchmark --quick                  which schedule, variance and sampler: a sweep and a report
  ddpm config show digits                       a complete configuration to start from
Exit codes: 0 success, 2 wrong usage or input, 75 interrupted but resumable.")]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("DDPM_COMMIT"), ")");
impl Cli {
    /// Runs the subcommand.
    pub(crate) fn run(self) -> Result<()> {
        let global = self.global;
        if let Some(name) = self.command.of_one_process() {
            crate::workers::refuse_several(name)?;
        }
        match self.command {
            Command::Reproduce(command) => command.run(&global),
            Command::Train(command) => command.run(&global),
            Command::Schedule(command) => command.run(&global),
            Command::Sample(command) => command.run(&global),
            Command::Noise(command) => command.run(&global),
            Command::Denoise(command) => command.run(&global),
            Command::Decompose(command) => command.run(&global),
            Command::Eval(command) => command.run(&global),
            Command::ErrorBenchmark(command) => command.run(&global),
            Command::Data(command) => command.run(&global),
            Command::Config(command) => command.run(&global),
            Command::Devices(command) => command.run(&global),
            Command::GpuCheck(command) => command.run(&global),
        }
    }

    /// The arguments of this process.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        Self::read_from(std::env::args_os())
    }

    /// The arguments in a list of words, the program's name first.
    pub(crate) fn read_from<W: Into<OsString> + Clone>(
        words: impl IntoIterator<Item = W>,
    ) -> Result<Self, clap::Error> {
        let matches = definition().try_get_matches_from(words)?;
        let mut arguments = Cli::from_arg_matches(&matches)?;
        arguments.global.given = Given::of(&matches);
        Ok(arguments)
    }
}

/// The definition of the command line. Negative numbers reach the check of the option that they are given to.
pub(crate) fn definition() -> Definition {
    fn negative_numbers(command: Definition) -> Definition {
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        let command = command.mut_args(|option| {
            let takes_value = option.get_action().takes_values();
            if takes_value { option.allow_negative_numbers(true) } else { option }
        });
        names.into_iter().fold(command, |command, name| command.mut_subcommand(name, negative_numbers))
    }
    negative_numbers(Cli::command())
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Reproduce(commands::reproduce::Reproduce),
    Train(commands::train::Train),
    Schedule(commands::schedule::PrintSchedule),
    Sample(commands::sample::Sample),
    Noise(commands::noise::Noise),
    Denoise(commands::denoise::Denoise),
    Decompose(commands::decompose::Decompose),
    #[command(subcommand)]
    Eval(commands::eval::Eval),
    ErrorBenchmark(commands::error_benchmark::ErrorBenchmark),
    #[command(subcommand)]
    Data(commands::data::Data),
    #[command(subcommand)]
    Config(commands::config::ConfigCommand),
    Devices(commands::devices::Devices),
    GpuCheck(commands::gpu_check::GpuCheck),
}

impl Command {
    /// The name of a command that computes or writes in one process; `None` for those that share their work, and for those that only tell.
    fn of_one_process(&self) -> Option<&'static str> {
        match self {
            Command::Noise(_) => Some("noise"),
            Command::Denoise(_) => Some("denoise"),
            Command::Decompose(command) => command.of_one_process(),
            Command::Eval(Eval::TrainFeatures(_)) => Some("eval train-features"),
            Command::ErrorBenchmark(_) => Some("error-benchmark"),
            Command::GpuCheck(_) => Some("gpu-check"),
            Command::Reproduce(_)
            | Command::Train(_)
            | Command::Sample(_)
            | Command::Eval(_)
            | Command::Schedule(_)
            | Command::Data(_)
            | Command::Config(_)
            | Command::Devices(_) => None,
        }
    }
}
