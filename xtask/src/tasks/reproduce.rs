//! `cargo xtask reproduce-*`: from a fresh checkout to a report.

use anyhow::Result;

use super::build::become_product;
use crate::workspace::Workspace;

const NOTES: &str = "\
All arguments go to `ddpm reproduce`. It skips what is already done, so the same command goes
on after an interruption. The arguments used most:
  --set section.key=value   change a setting, as in --set train.steps=500; may be repeated
  --data-dir DIR            take the data from a folder instead of downloading
  --device cpu|cuda|auto    where to compute
  --config NAME|FILE.toml   another recipe, as in `reproduce-cifar --config cifar10-small`
  --fresh                   start over
  --yes                     go on although it will take long
`cargo xtask run -- reproduce --help` lists them all.";

/// Set up, build, then train, sample, evaluate and report; prints the report's path.
#[derive(clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Args {
    /// Arguments for `ddpm reproduce`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    rest: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, default: &str, args: Args) -> Result<()> {
    become_product(workspace, &product_arguments(default, args.rest))
}

/// `reproduce NAME ...`: `--config` replaces the name; everything else is handed on untouched.
fn product_arguments(default: &str, rest: Vec<String>) -> Vec<String> {
    let mut name = default.to_owned();
    let mut others = Vec::new();
    let mut rest = rest.into_iter();
    while let Some(argument) = rest.next() {
        match argument.strip_prefix("--config=") {
            Some(value) => value.clone_into(&mut name),
            None if argument == "--config" => match rest.next() {
                Some(value) => name = value,
                // Nothing follows: the product's own parser says so.
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
        product_arguments("digits", typed.split_whitespace().map(str::to_owned).collect()).join(" ")
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
