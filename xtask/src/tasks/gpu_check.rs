//! `cargo xtask gpu-check`: what only a machine with a GPU can show.

use anyhow::Result;

use super::build::become_product;
use crate::workspace::Workspace;

/// Set up, build and check that training and sampling work on the NVIDIA GPU.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments for `ddpm gpu-check`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    rest: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<()> {
    let mut arguments = vec!["gpu-check".to_owned()];
    arguments.extend(args.rest);
    become_product(workspace, &arguments)
}
