//! `cargo xtask torture`: kills a training run at random times and compares its checkpoints with those of an uninterrupted run.

use std::env;

use anyhow::Result;

use super::setup;
use crate::process;
use crate::workspace::Workspace;

/// The variable with the number of kills, which the test reads.
const KILLS: &str = "DDPM_TORTURE_KILLS";

/// Set up, build and kill a small training run repeatedly.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Number of SIGKILLs
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    kills: u32,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    setup::ensure(workspace)?;
    let mut command = workspace.cargo();
    // The same test runs with fewer kills in every test run.
    command.args(["test", "--package", "ddpm-cli", "--test", "torture", "--", "--nocapture"]);
    command.env(KILLS, args.kills.to_string());
    if env::var_os("OMP_WAIT_POLICY").is_none() {
        command.env("OMP_WAIT_POLICY", "passive");
    }
    process::run(&mut command)
}
