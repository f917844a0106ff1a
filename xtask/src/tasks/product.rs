//! Tasks that set up, build `ddpm` and replace this process by it: `reproduce-*`, `error-benchmark`, `gpu-check`, `run`.

use anyhow::{Result, ensure};

use super::build::become_product;
use super::launch;
use crate::workspace::Workspace;

/// Help of `reproduce-*`.
pub(crate) const REPRODUCE_HELP: &str = "\
All arguments but --nproc are passed to `ddpm reproduce`. It skips completed stages, so that the same command resumes after an
interruption. The most common arguments:
  --set section.key=value   change a setting, as in --set train.steps=500; may be repeated
  --data-dir DIR            read the data from a folder instead of downloading it
  --device cpu|cuda|auto    where to compute
  --config NAME|FILE.toml   another recipe, as in `reproduce-cifar --config cifar10-small`
  --nproc N                 share the work between N processes, each with a GPU of its own where there are GPUs
  --fresh                   start over
  --yes                     continue although it will take long
`cargo xtask run -- reproduce --help` lists all of them.";

/// Help of `error-benchmark`.
pub(crate) const ERROR_BENCHMARK_HELP: &str = "\
All arguments are passed to `ddpm error-benchmark`. Finished cells are kept, so that the same command resumes after an
interruption, and a second run reproduces results.json byte for byte. The most common arguments:
  --quick                   a smaller sweep with shortly trained networks: minutes on two cores
  --out DIR                 output folder [default: runs/error-benchmark]
  --data-dir DIR            a folder with Fashion-MNIST instead of downloading
  --fresh                   start over
`cargo xtask run -- error-benchmark --help` lists all of them.";

/// Arguments that are passed to `ddpm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments for `ddpm`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    rest: Vec<String>,
}

/// `ddpm ARGUMENTS`.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    become_product(workspace, &args.rest)
}

/// `ddpm COMMAND ARGUMENTS`.
pub(crate) fn subcommand(workspace: &Workspace, command: &str, args: Args) -> Result<()> {
    let arguments: Vec<String> = std::iter::once(command.to_owned()).chain(args.rest).collect();
    become_product(workspace, &arguments)
}

/// `ddpm reproduce RECIPE ARGUMENTS`, as several processes with `--nproc`.
pub(crate) fn reproduce(workspace: &Workspace, recipe: &str, args: Args) -> Result<()> {
    let Reproduction { processes, arguments } = Reproduction::read(recipe, args.rest)?;
    match processes {
        None => become_product(workspace, &arguments),
        Some(processes) => launch::start(workspace, processes, 0, &arguments),
    }
}

/// What the arguments of `reproduce-*` ask for.
#[derive(Debug, PartialEq, Eq)]
struct Reproduction {
    processes: Option<u32>,
    /// Arguments of `ddpm`.
    arguments: Vec<String>,
}

impl Reproduction {
    /// `--config` replaces the recipe, `--nproc` is for the launcher; all other arguments are passed on unchanged.
    fn read(recipe: &str, rest: Vec<String>) -> Result<Self> {
        let mut name = recipe.to_owned();
        let mut processes = None;
        let mut others = Vec::new();
        let mut rest = rest.into_iter();
        while let Some(argument) = rest.next() {
            let (option, value) = match argument.split_once('=') {
                Some((option, value)) => (option, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            match option {
                "--config" => match value.or_else(|| rest.next()) {
                    Some(value) => name = value,
                    // No value follows: `ddpm` reports the error.
                    None => others.push(argument),
                },
                "--nproc" => {
                    let value = value.or_else(|| rest.next()).unwrap_or_default();
                    let number = value.parse().ok().filter(|number| (1..=launch::MOST).contains(number));
                    ensure!(
                        number.is_some(),
                        "--nproc must be a number from 1 to {}, got {value:?}",
                        launch::MOST
                    );
                    processes = number;
                }
                _ => others.push(argument),
            }
        }
        let mut arguments = vec!["reproduce".to_owned(), name];
        arguments.append(&mut others);
        Ok(Self { processes, arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(typed: &str) -> Result<Reproduction> {
        Reproduction::read("digits", typed.split_whitespace().map(str::to_owned).collect())
    }

    fn arguments(typed: &str) -> String {
        read(typed).unwrap().arguments.join(" ")
    }

    #[test]
    fn the_number_of_processes_is_for_the_launcher() {
        for typed in ["--fresh --nproc 4 --yes", "--fresh --nproc=4 --yes"] {
            let reproduction = read(typed).unwrap();
            assert_eq!(reproduction.processes, Some(4));
            assert_eq!(reproduction.arguments.join(" "), "reproduce digits --fresh --yes");
        }
        assert_eq!(read("--yes").unwrap().processes, None);
        for typed in ["--nproc", "--nproc 0", "--nproc=x", "--nproc 5000"] {
            assert!(
                read(typed)
                    .unwrap_err()
                    .to_string()
                    .starts_with("--nproc must be a number from 1 to 1024, got ")
            );
        }
    }

    #[test]
    fn the_config_replaces_the_name_and_the_rest_passes_through() {
        assert_eq!(arguments(""), "reproduce digits");
        assert_eq!(
            arguments("--set train.steps=20 --data-dir d --fresh"),
            "reproduce digits --set train.steps=20 --data-dir d --fresh"
        );
        assert_eq!(arguments("--yes --config small --device cpu"), "reproduce small --yes --device cpu");
        assert_eq!(arguments("--config=my.toml --yes"), "reproduce my.toml --yes");
        assert_eq!(arguments("--yes --config"), "reproduce digits --yes --config");
    }
}
