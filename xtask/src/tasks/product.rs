//! Tasks that set up, build `ddpm` and replace this process by it: `reproduce-*`, `error-benchmark`, `gpu-check`, `run`.

use anyhow::Result;

use super::build::become_product;
use crate::workspace::Workspace;

/// Help of `reproduce-*`.
pub(crate) const REPRODUCE_HELP: &str = "\
All arguments are passed to `ddpm reproduce`. It skips completed stages, so that the same command resumes after an
interruption. The most common arguments:
  --set section.key=value   change a setting, as in --set train.steps=500; may be repeated
  --data-dir DIR            read the data from a folder instead of downloading it
  --device cpu|cuda|auto    where to compute
  --config NAME|FILE.toml   another recipe, as in `reproduce-cifar --config cifar10-small`
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

/// `ddpm reproduce RECIPE ARGUMENTS`.
pub(crate) fn reproduce(workspace: &Workspace, recipe: &str, args: Args) -> Result<()> {
    become_product(workspace, &reproduce_arguments(recipe, args.rest))
}

/// `--config` replaces the recipe; all other arguments are passed on unchanged.
fn reproduce_arguments(recipe: &str, rest: Vec<String>) -> Vec<String> {
    let mut name = recipe.to_owned();
    let mut others = Vec::new();
    let mut rest = rest.into_iter();
    while let Some(argument) = rest.next() {
        match argument.strip_prefix("--config=") {
            Some(value) => value.clone_into(&mut name),
            None if argument == "--config" => match rest.next() {
                Some(value) => name = value,
                // No value follows: `ddpm` reports the error.
                None => others.push(argument),
            },
            None => others.push(argument),
        }
    }
    let mut arguments = vec!["reproduce".to_owned(), name];
    arguments.append(&mut others);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(typed: &str) -> String {
        reproduce_arguments("digits", typed.split_whitespace().map(str::to_owned).collect()).join(" ")
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
