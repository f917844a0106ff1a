//! `cargo xtask error-benchmark`: which schedule, variance, sampler and number of steps.

use anyhow::Result;

use super::build::become_product;
use crate::workspace::Workspace;

const NOTES: &str = "\
All arguments go to `ddpm error-benchmark`. Finished cells are kept, so the same command goes on after an
interruption, and a second run reproduces results.json byte for byte. The arguments used most:
  --quick                   a smaller sweep with shortly trained networks: minutes on two cores
  --out DIR                 where results go [default: runs/error-benchmark]
  --data-dir DIR            a folder with Fashion-MNIST instead of downloading
  --fresh                   start over
`cargo xtask run -- error-benchmark --help` lists them all.";

/// Set up, build, then sweep and report; prints the report's path.
#[derive(clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Args {
    /// Arguments for `ddpm error-benchmark`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    rest: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<()> {
    let arguments: Vec<String> = std::iter::once("error-benchmark".to_owned()).chain(args.rest).collect();
    become_product(workspace, &arguments)
}
