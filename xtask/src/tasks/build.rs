//! `cargo xtask build`, and starting the built `ddpm`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::setup;
use crate::process::{self, Failed};
use crate::workspace::Workspace;

/// Set up and build the `ddpm` binary; prints where it is.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build without optimization (the default is a release build)
    #[arg(long)]
    debug: bool,
    /// Arguments for `cargo build`
    #[arg(last = true, value_name = "CARGO ARGUMENTS")]
    cargo: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    setup::ensure(workspace)?;
    let binary = build(workspace, !args.debug, &args.cargo)?;
    println!("{}", binary.display());
    Ok(())
}

/// Set up, build, and replace this process by `ddpm`.
pub(crate) fn become_product(workspace: &Workspace, args: &[String]) -> Result<()> {
    setup::ensure(workspace)?;
    let binary = release(workspace)?;
    Err(process::become_program(Command::new(binary).args(args)))
}

/// Build the release binary; returns its path.
pub(crate) fn release(workspace: &Workspace) -> Result<PathBuf> {
    build(workspace, true, &[])
}

/// One line of cargo's report.
#[derive(Deserialize)]
struct Message {
    target: Option<Built>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Built {
    name: String,
}

/// Build the binary and read its path from cargo's messages.
fn build(workspace: &Workspace, release: bool, cargo: &[String]) -> Result<PathBuf> {
    let mut command = workspace.cargo();
    command.args([
        "build",
        "--package",
        "ddpm-cli",
        "--bin",
        "ddpm",
        "--message-format=json-render-diagnostics",
    ]);
    if release {
        command.arg("--release");
    }
    let mut child = command.args(cargo).stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let mut binary = None;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let Ok(Message { target: Some(target), executable: Some(executable) }) =
                serde_json::from_str(&line?)
            else {
                continue;
            };
            if target.name == "ddpm" {
                binary = Some(executable);
            }
        }
    }
    let status = child.wait().context("cargo")?;
    if !status.success() {
        return Err(Failed::from_status(status).into());
    }
    binary.context("cargo built no binary named ddpm")
}
