//! Requests to stop: an interrupt from the keyboard, a termination, the signal that Slurm sends before the end of a job, a closed terminal.
//!
//! The first request is noted and work ends at the next place where it can be resumed. A second SIGINT or SIGTERM ends the process at once. A
//! closed terminal sends SIGHUP more than once, so that repetitions of the other signals count for nothing. A signal that was ignored when the
//! process began, as `nohup` does with SIGHUP, stays ignored.

use crate::exit_codes::{Abandoned, INTERRUPTED};
use crate::{run_log, terminal, workers};
use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The state after work that keeps no part of its result.
pub(crate) const NOTHING_WRITTEN: &str = "nothing was written; the same command starts again";

/// Exit code after a second signal: 128 + SIGINT.
const AT_ONCE: i32 = 130;

static REQUESTS: Requests = Requests {
    installed: Mutex::new(false),
    requested: AtomicBool::new(false),
    insisted: AtomicBool::new(false),
    abandonable: Mutex::new(None),
};

#[derive(Debug)]
struct Requests {
    installed: Mutex<bool>,
    /// A stop was asked for.
    requested: AtomicBool,
    /// By a signal that a person sends.
    insisted: AtomicBool,
    /// Set while the process may end at once; what to tell the user then.
    abandonable: Mutex<Option<&'static str>>,
}

/// Whether a stop was asked for.
#[derive(Clone, Debug)]
pub(crate) struct StopFlag(&'static Requests);

impl StopFlag {
    /// Installs the handlers, once in a process.
    pub(crate) fn install() -> Result<Self> {
        let mut installed = guard(&REQUESTS.installed);
        if !*installed {
            let heard = [SIGINT, SIGTERM, SIGHUP, SIGUSR1]
                .into_iter()
                .filter(|&signal| !torch_ext::signal::is_ignored(signal));
            let mut signals = Signals::new(heard).context("cannot handle signals")?;
            let listen = move || signals.forever().for_each(|signal| REQUESTS.receive(signal));
            std::thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
            *installed = true;
        }
        Ok(StopFlag(&REQUESTS))
    }

    /// Break once a stop was asked for.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        if self.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Whether a stop was asked for.
    pub(crate) fn is_set(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// Runs work that leaves nothing half-written: a request ends the process in the middle of it. `state` tells the user what is left.
    pub(crate) fn abandonable<T>(&self, state: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = self.set_abandonable(Some(state));
        // A request that came before this would not be noticed by the work.
        let result = if self.is_set() { Err(Abandoned { state }.into()) } else { work() };
        self.set_abandonable(before);
        result
    }

    /// From now on a request ends the process at once, or no longer does; returns what was set before.
    pub(crate) fn set_abandonable(&self, state: Option<&'static str>) -> Option<&'static str> {
        std::mem::replace(&mut guard(&self.0.abandonable), state)
    }
}

impl Requests {
    fn receive(&self, signal: i32) {
        let first = !self.requested.swap(true, Ordering::SeqCst);
        // A launcher passes a signal on that its processes had already; it kills them itself when its patience ends.
        let may_insist = matches!(signal, SIGINT | SIGTERM) && !workers::are_several();
        if may_insist && self.insisted.swap(true, Ordering::SeqCst) {
            torch_ext::exit::at_once(AT_ONCE);
        }
        let abandonable = guard(&self.abandonable);
        if let Some(state) = *abandonable {
            terminal::clear_bars();
            note!("ddpm: {}", Abandoned { state });
            run_log::end(INTERRUPTED);
            torch_ext::exit::at_once(i32::from(INTERRUPTED));
        }
        if first {
            note!("stopping at the next place where nothing is lost; interrupt once more to stop at once");
        }
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
