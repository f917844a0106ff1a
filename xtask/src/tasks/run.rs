//! `cargo xtask run -- ...`: the product with any arguments.

use anyhow::Result;

use super::build::become_product;
use crate::workspace::Workspace;

/// Set up, build and run `ddpm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments for `ddpm`, as in `cargo xtask run -- sample --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    rest: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    become_product(workspace, &args.rest)
}
