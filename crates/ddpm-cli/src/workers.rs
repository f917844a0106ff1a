//! The group of processes that a launcher (torchrun, srun, mpirun) started this one in.

use crate::terminal;
use anyhow::{Result, bail};
use ddpm_eval::EvalError;
use ddpm_sample::SampleError;
use ddpm_train::TrainError;
use std::sync::OnceLock;
use tch::Device;
use torch_ext::TorchError;
use torch_ext::dist::{Rendezvous, Workers};

static GROUP: OnceLock<Workers> = OnceLock::new();

/// The file into which the processes of a group write their exit code, for launchers that have codes of their own.
const EXIT_FILE: &str = "DDPM_EXIT_FILE";

/// Meets the other processes; returns when all are there. A process without a launcher is alone.
pub(crate) fn join() -> Result<Workers> {
    if let Some(group) = GROUP.get() {
        return Ok(group.clone());
    }
    let Some(place) = Rendezvous::from_environment()? else { return Ok(Workers::alone()) };
    terminal::set_rank(place.rank);
    let group = Workers::connect(&place)?;
    tracing::info!("rank {} of {}", place.rank, place.world);
    Ok(GROUP.get_or_init(|| group).clone())
}

/// The index of this process among those of its group on this machine.
pub(crate) fn local_rank() -> Result<usize> {
    Ok(Rendezvous::from_environment()?.map_or(0, |place| place.local_rank))
}

/// Connects the GPUs of a group that trains on them. `told` gets the word of a process that failed, where this one waits for its GPU and does not notice.
pub(crate) fn connect_gpus(workers: &Workers, device: Device, told: fn(&str)) -> Result<()> {
    if workers.world() == 1 || !device.is_cuda() {
        return Ok(());
    }
    workers.connect_gpus(device)?;
    Ok(workers.watch(told)?)
}

/// Work of the first process that leaves files, such as a download, and then the same work in the others, which find the files.
pub(crate) fn in_turn<R>(workers: &Workers, work: impl Fn() -> Result<R>) -> Result<R> {
    let first = workers.is_first().then(&work).transpose()?;
    workers.barrier()?;
    first.map_or_else(work, Ok)
}

/// Refuses work that one process does in a process that is one of several: they would write the same files.
pub(crate) fn refuse_several(command: &str) -> Result<()> {
    if let Some(Rendezvous { rank, world, .. }) = Rendezvous::from_environment()? {
        terminal::set_rank(rank);
        bail!(
            "ddpm {command} is work for one process, and this is one of {world}: start it without a launcher (ddpm train, reproduce, \
             sample, decompose and eval share the work with a network)"
        );
    }
    Ok(())
}

/// Whether this process is one of several, and not the first, which writes what they computed.
pub(crate) fn is_follower() -> bool {
    GROUP.get().is_some_and(|group| !group.is_first())
}

/// Whether this process is one of several.
pub(crate) fn are_several() -> bool {
    GROUP.get().is_some()
}

/// What to say beside the error of this process: who failed first. Tells the others where it is this one.
pub(crate) fn settle_failure(error: &anyhow::Error) -> Option<String> {
    let group = GROUP.get()?;
    if is_of_an_exchange(error) {
        return group.first_failure();
    }
    group.tell_failure(&format!("{error:#}").replace('\n', " "));
    None
}

/// Ends the process, if it is one of several: others may still be connected, whose threads an ordinary exit would disturb.
pub(crate) fn end(code: u8) {
    if let Some(path) = std::env::var_os(EXIT_FILE) {
        // The first process's code counts; one that failed before the processes met speaks where no other has.
        let first = GROUP.get().is_some_and(Workers::is_first);
        if first || !std::path::Path::new(&path).exists() {
            // A launcher without the file takes its own code.
            let _ = std::fs::write(path, code.to_string());
        }
    }
    if GROUP.get().is_some() {
        terminal::clear_bars();
        torch_ext::exit::at_once(i32::from(code));
    }
}

/// Whether an error is that of an operation over all processes. Transparent errors hide their sources.
fn is_of_an_exchange(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let torch = match cause.downcast_ref::<TrainError>() {
            Some(TrainError::Torch(torch)) => Some(torch),
            _ => cause.downcast_ref::<TorchError>(),
        };
        let torch = match (cause.downcast_ref::<EvalError>(), cause.downcast_ref::<SampleError>()) {
            (Some(EvalError::Torch(torch)), _) | (_, Some(SampleError::Torch(torch))) => Some(torch),
            _ => torch,
        };
        matches!(torch, Some(TorchError::Collective(_)))
    })
}
