//! `cargo xtask launch`: `ddpm` as several processes of this machine, started by the torchrun that comes with torch.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::{build, setup};
use crate::environment::{Environment, cache_dir};
use crate::libtorch::Libtorch;
use crate::process::{Failed, cannot_start};
use crate::workspace::Workspace;

/// The variable that names the file for the exit code of `ddpm`: torchrun has a code of its own for every failure.
const EXIT_FILE: &str = "DDPM_EXIT_FILE";

/// Processes at most.
pub(crate) const MOST: u32 = 1024;

pub(crate) const HELP: &str = "\
Examples:
  cargo xtask launch --nproc 4 -- train --config digits --device cpu
  cargo xtask launch --nproc 8 --restarts 3 -- reproduce cifar10-ho2020
Each process computes its part of every batch. Exit codes are those of `ddpm`: 75 for a run that was asked to stop and can be
resumed. For several machines, start torchrun or srun yourself (docs/cluster.md).";

/// Set up, build, and run `ddpm` as several processes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Number of processes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST)))]
    nproc: u32,
    /// Times that all processes are started again when one fails
    #[arg(long, value_name = "N", default_value_t = 0)]
    restarts: u32,
    /// Arguments for `ddpm`
    #[arg(last = true, required = true, value_name = "ARGUMENTS")]
    rest: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    start(workspace, args.nproc, args.restarts, &args.rest)
}

/// Set up, build, and run `ddpm ARGUMENTS` as several processes.
pub(crate) fn start(
    workspace: &Workspace,
    processes: u32,
    restarts: u32,
    arguments: &[String],
) -> Result<()> {
    let torchrun = torchrun(&setup::ensure(workspace)?)?;
    let binary = build::release(workspace)?;
    let mut command = Command::new(torchrun);
    command.args(["--standalone", "--no-python"]);
    command.arg(format!("--nproc-per-node={processes}")).arg(format!("--max-restarts={restarts}"));
    // Without the dashes torchrun takes options of `ddpm` for abbreviations of its own.
    command.arg("--").arg(binary).args(arguments);
    let exit_file = std::env::temp_dir().join(format!("ddpm-exit-{}", std::process::id()));
    let _ = fs::remove_file(&exit_file);
    command.env(EXIT_FILE, &exit_file);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1]).context("cannot handle signals")?;
    let child = command.spawn().with_context(|| cannot_start(command.get_program()))?;
    let status = wait(child, &mut signals)?;
    let said = fs::read_to_string(&exit_file).ok().and_then(|code| code.trim().parse::<u8>().ok());
    let _ = fs::remove_file(&exit_file);
    if status.success() {
        return Ok(());
    }
    // A process that was killed has said nothing, and one that succeeded was not at fault.
    Err(said
        .filter(|&code| code != 0)
        .map_or_else(|| Failed::from_status(status), |code| Failed { code })
        .into())
}

/// Waits for the launcher, and passes signals on to it.
fn wait(mut child: Child, signals: &mut Signals) -> Result<std::process::ExitStatus> {
    let id = child.id();
    let handle = signals.handle();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for signal in signals.forever() {
                // torchrun passes SIGTERM on to its processes; a terminal's Ctrl-C reaches all of them anyway.
                let signal = if signal == SIGINT { Signal::INT } else { Signal::TERM };
                if let Some(launcher) = Pid::from_raw(id as i32) {
                    let _ = kill_process(launcher, signal);
                }
            }
        });
        let status = child.wait();
        handle.close();
        Ok(status?)
    })
}

/// The torchrun beside the libtorch that the program is built against, or the one on the search path.
fn torchrun(libtorch: &Libtorch) -> Result<PathBuf> {
    let beside = Environment::that_holds(&cache_dir()?, libtorch)
        .map(|environment| environment.python().with_file_name("torchrun"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = beside
        .into_iter()
        .chain(std::env::split_paths(&path).map(|folder| folder.join("torchrun")))
        .find(|program| program.is_file());
    let program = found.ok_or_else(|| {
        anyhow!("no torchrun: LIBTORCH is a folder without Python's torch; put the torchrun of a torch 2.13 on PATH, or unset LIBTORCH and run `cargo xtask setup`")
    })?;
    ensure!(program.is_absolute(), "{}: PATH must name torchrun's folder from the root", program.display());
    Ok(program)
}
