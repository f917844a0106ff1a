//! The group of processes that compute together, as a value.

use super::Rendezvous;
use super::ffi::{self, RawGroup};
use super::nccl;
use crate::{TorchError, shim};
use std::ffi::{CStr, CString, c_char};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};

/// Time beyond the group's own after which a rendezvous counts as failed.
const GRACE: Duration = Duration::from_secs(5);
/// Time between two looks into the store.
const LOOK: Duration = Duration::from_millis(20);
/// Time between two looks for the word of a process that failed.
const WATCH: Duration = Duration::from_secs(2);
/// Numbers that one exchange of [`Workers::gather`] carries.
const GATHERED: i64 = 1 << 22;
/// Time to wait for word of why another process failed: a process that writes a checkpoint notices the failure when it is done.
const WORD_OF_FAILURE: Duration = Duration::from_secs(10);

/// The processes that compute together. Clones stand for the same group.
///
/// The default is a process that computes alone.
#[derive(Clone, Debug, Default)]
pub struct Workers {
    group: Option<Arc<Group>>,
}

#[derive(Debug)]
struct Group {
    raw: RawGroup,
    place: Rendezvous,
}

// SAFETY: c10d's stores and process groups lock their own state.
unsafe impl Send for Group {}
// SAFETY: as above.
unsafe impl Sync for Group {}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: made by the shim, and freed once.
        unsafe { ffi::ddpm_dist_free(self.raw) };
    }
}

impl Workers {
    /// A process that computes alone: its operations do nothing.
    pub fn alone() -> Self {
        Workers { group: None }
    }

    /// Meets the other processes of a group; returns when all are connected.
    ///
    /// # Errors
    /// A port that is in use, a host that does not answer, and ranks that do not arrive in time, which are named.
    pub fn connect(place: &Rendezvous) -> Result<Self, TorchError> {
        // A foreign program at the port can keep c10d waiting for ever, so that the time is kept outside of it.
        let (sender, receiver) = channel();
        let meeting = place.clone();
        std::thread::Builder::new()
            .name("rendezvous".to_owned())
            .spawn(move || {
                let _ = sender.send(Group::form(&meeting));
            })
            .map_err(|error| TorchError::Group(error.to_string()))?;
        let group = receiver.recv_timeout(place.timeout + GRACE).map_err(|_| {
            let reason = TorchError::Group("what listens there is no store of c10d".to_string());
            unreachable_store(place, &reason)
        })??;
        let workers = Workers { group: Some(Arc::new(group)) };
        // A process that ends at once must not take the store from one that is still connecting.
        workers.barrier()?;
        Ok(workers)
    }

    /// Connects the GPUs of the processes, so that tensors on them can be exchanged; `device` is this process's own. Nothing where it runs alone, and
    /// on the CPU.
    ///
    /// # Errors
    /// A program without NCCL, and what NCCL refuses, such as two processes on one GPU.
    pub fn connect_gpus(&self, device: Device) -> Result<(), TorchError> {
        match (&self.group, device) {
            (Some(group), Device::Cuda(index)) => nccl::connect(group.raw, index)
                .map_err(|error| TorchError::Group(format!("the GPUs cannot be connected: {error}"))),
            _ => Ok(()),
        }
    }

    /// Calls `told`, in another thread, with the word of a process that failed, if this one is still connected ten seconds after it: a process that waits
    /// for its GPU, which waits for another's, does not notice by itself before the group's time is over. Nothing where it runs alone.
    pub fn watch(&self, told: impl FnOnce(&str) + Send + 'static) -> Result<(), TorchError> {
        let Some(group) = &self.group else { return Ok(()) };
        let group = Arc::downgrade(group);
        let watch = move || {
            let word = loop {
                std::thread::sleep(WATCH);
                let Some(group) = group.upgrade() else { return };
                match group.get("failure") {
                    Ok(None) => {}
                    Ok(Some(word)) => break word,
                    Err(_) => break STORE_GONE.to_string(),
                }
            };
            std::thread::sleep(WORD_OF_FAILURE);
            if group.upgrade().is_some() {
                told(&word);
            }
        };
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(watch);
        thread.map(drop).map_err(|error| TorchError::Group(error.to_string()))
    }

    /// Index of this process, from 0.
    pub fn rank(&self) -> usize {
        self.group.as_ref().map_or(0, |group| group.place.rank)
    }

    /// Number of processes.
    pub fn world(&self) -> usize {
        self.group.as_ref().map_or(1, |group| group.place.world)
    }

    /// Whether this is the process that writes files and prints.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Number of times that the launcher has restarted the group.
    pub fn restarts(&self) -> u64 {
        self.group.as_ref().map_or(0, |group| group.place.restarts)
    }

    /// Adds a tensor over all processes, in place.
    pub fn all_reduce(&self, tensor: &Tensor) -> Result<(), TorchError> {
        let Some(group) = self.raw() else { return Ok(()) };
        // SAFETY: a live group and a live tensor.
        self.checked(unsafe { ffi::ddpm_dist_all_reduce(group, shim::raw(tensor)) })
    }

    /// Sums of numbers over all processes.
    pub fn sums<const N: usize>(&self, values: [f64; N]) -> Result<[f64; N], TorchError> {
        if self.group.is_none() {
            return Ok(values);
        }
        let tensor = Tensor::from_slice(&values);
        self.all_reduce(&tensor)?;
        let mut sums = [0.0; N];
        tensor.f_copy_data(&mut sums, N)?;
        Ok(sums)
    }

    /// Replaces a tensor by that of process `root`, in place.
    pub fn broadcast(&self, tensor: &Tensor, root: usize) -> Result<(), TorchError> {
        let Some(group) = self.raw() else { return Ok(()) };
        // SAFETY: a live group and a live tensor.
        self.checked(unsafe { ffi::ddpm_dist_broadcast(group, shim::raw(tensor), root as i32) })
    }

    /// The number of process 0, in every process.
    pub fn from_first(&self, value: i64) -> Result<i64, TorchError> {
        if self.group.is_none() {
            return Ok(value);
        }
        let tensor = Tensor::from_slice(&[value]);
        self.broadcast(&tensor, 0)?;
        Ok(tensor.int64_value(&[0]))
    }

    /// The tensors of all processes, by rank; they have the same shape everywhere.
    pub fn all_gather(&self, tensor: &Tensor) -> Result<Vec<Tensor>, TorchError> {
        let Some(group) = self.raw() else { return Ok(vec![tensor.shallow_clone()]) };
        let outputs: Vec<Tensor> =
            (0..self.world()).map(|_| tensor.f_empty_like()).collect::<Result<_, _>>()?;
        let list = shim::pointers(&outputs);
        // SAFETY: a live group, a live tensor, and an array of as many live tensors as there are processes.
        self.checked(unsafe {
            ffi::ddpm_dist_all_gather(group, shim::raw(tensor), list.as_ptr(), list.len())
        })?;
        Ok(outputs)
    }

    /// The numbers of all processes one after another, by rank. `own` has one dimension, any length, and the same kind everywhere.
    pub fn gather(&self, own: &Tensor) -> Result<Tensor, TorchError> {
        if self.group.is_none() {
            return Ok(own.shallow_clone());
        }
        let lengths = self.all_gather(&Tensor::from_slice(&[own.numel() as i64]))?;
        let mut parts = Vec::new();
        for (root, length) in lengths.iter().enumerate() {
            let length = length.f_int64_value(&[0])?;
            for first in (0..length).step_by(GATHERED as usize) {
                let count = GATHERED.min(length - first);
                // A copy, because a broadcast is in place.
                let part = if root == self.rank() {
                    own.f_narrow(0, first, count)?.f_detach_copy()?
                } else {
                    Tensor::f_zeros([count], (own.kind(), Device::Cpu))?
                };
                self.broadcast(&part, root)?;
                parts.push(part);
            }
        }
        if parts.is_empty() {
            return Ok(own.shallow_clone());
        }
        Tensor::f_cat(&parts, 0).map_err(Into::into)
    }

    /// Whether something holds in any of the processes.
    pub fn any(&self, holds: bool) -> Result<bool, TorchError> {
        Ok(self.sums([f64::from(u8::from(holds))])? != [0.0])
    }

    /// The part of `total` items, one after another, that this process computes.
    pub fn part(&self, total: usize) -> Range<usize> {
        let (rank, world) = (self.rank(), self.world());
        let bound = |rank: usize| (total as u128 * rank as u128 / world as u128) as usize;
        bound(rank)..bound(rank + 1)
    }

    /// Waits until every process is here.
    pub fn barrier(&self) -> Result<(), TorchError> {
        self.all_reduce(&Tensor::zeros([1], (Kind::Float, Device::Cpu)))
    }

    /// Tells the others why this process fails, and leaves the group; the first word counts. Nothing where it runs alone.
    pub fn tell_failure(&self, cause: &str) {
        if let Some(group) = &self.group {
            group.tell_failure(cause);
        }
    }

    /// Why an operation over all processes failed in this one: which rank failed first, or does not answer; leaves the group. `None` where it
    /// runs alone.
    pub fn first_failure(&self) -> Option<String> {
        self.group.as_ref().map(|group| group.first_failure())
    }

    pub(super) fn raw(&self) -> Option<RawGroup> {
        self.group.as_ref().map(|group| group.raw)
    }

    /// The answer of an operation over all processes.
    pub(super) fn checked(&self, answer: *mut c_char) -> Result<(), TorchError> {
        shim::check(answer).map_err(|error| TorchError::collective(&error.to_string()))
    }
}

impl Group {
    /// Opens or finds the store, waits for the other processes, and connects to them.
    fn form(place: &Rendezvous) -> Result<Self, TorchError> {
        let until = Instant::now() + place.timeout;
        let host = text(&place.host)?;
        // A restarted group must not read what an earlier one left in the store.
        let prefix = text(&format!("ddpm/{}", place.restarts))?;
        let mut raw = std::ptr::null_mut();
        let milliseconds = place.timeout.as_millis() as i64;
        // SAFETY: two NUL-terminated strings that live for the call, and a place for the result.
        shim::check(unsafe {
            ffi::ddpm_dist_connect(
                host.as_ptr(),
                place.port,
                place.serve,
                prefix.as_ptr(),
                place.rank as i32,
                place.world as i32,
                milliseconds,
                &raw mut raw,
            )
        })
        .map_err(|error| unreachable_store(place, &error))?;
        let group = Group { raw, place: place.clone() };
        group.meet(until)?;
        // SAFETY: the group is live.
        shim::check(unsafe { ffi::ddpm_dist_gloo(group.raw) })
            .map_err(|error| TorchError::Group(format!("the processes cannot connect: {error}")))?;
        Ok(group)
    }

    /// Waits until every rank has said that it is there, or until the time is over that began with the search for the store.
    fn meet(&self, until: Instant) -> Result<(), TorchError> {
        let Rendezvous { rank, world, timeout, .. } = self.place;
        self.set(&format!("here/{rank}"), "1")?;
        let mut missing: Vec<usize> = Vec::new();
        for other in 0..world {
            match self.wait(&format!("here/{other}"), until) {
                Ok(Some(_)) => {}
                Ok(None) => missing.push(other),
                Err(_) => return Err(TorchError::Group(STORE_GONE.to_string())),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        if self.place.serve {
            // The others find out for themselves which ranks are missing.
            std::thread::sleep(Duration::from_secs(1));
        }
        Err(TorchError::Group(format!(
            "rank {} of {world} did not arrive within {} s; see its log (DDPM_DIST_TIMEOUT sets the time)",
            listed(&missing),
            timeout.as_secs()
        )))
    }

    fn tell_failure(&self, cause: &str) {
        let Ok(key) = text("failures") else { return };
        let mut count = 0;
        // SAFETY: a live group, a NUL-terminated string, and a place for the result.
        let first = shim::check(unsafe { ffi::ddpm_dist_count(self.raw, key.as_ptr(), 1, &raw mut count) });
        if first.is_ok() && count == 1 {
            let _ = self.set("failure", &format!("rank {} failed first: {cause}", self.place.rank));
        }
        self.linger(Instant::now() + WORD_OF_FAILURE);
    }

    fn first_failure(&self) -> String {
        let Rendezvous { rank, world, .. } = self.place;
        let until = Instant::now() + WORD_OF_FAILURE;
        let said = self.set(&format!("asked/{rank}"), "1").and_then(|()| self.wait("failure", until));
        let said = match said {
            Err(_) => STORE_GONE.to_string(),
            Ok(Some(word)) => word,
            Ok(None) => {
                let silent: Vec<usize> = (0..world)
                    .filter(|other| !matches!(self.get(&format!("asked/{other}")), Ok(Some(_))))
                    .collect();
                if silent.is_empty() {
                    "no rank says that it failed first".to_string()
                } else {
                    format!("rank {} does not answer (killed, or its machine is gone)", listed(&silent))
                }
            }
        };
        self.linger(until);
        said
    }

    /// The process that keeps the store stays until the others have asked why it failed, for a short time. No exchange is possible after this.
    fn linger(&self, until: Instant) {
        // They may be waiting in an exchange.
        // SAFETY: a live group.
        let _ = shim::check(unsafe { ffi::ddpm_dist_leave(self.raw) });
        if self.place.serve {
            for other in 1..self.place.world {
                let _ = self.wait(&format!("asked/{other}"), until);
            }
            // Time for the last of them to read the answer.
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    fn set(&self, key: &str, value: &str) -> Result<(), TorchError> {
        let (key, value) = (text(key)?, text(value)?);
        // SAFETY: a live group and two NUL-terminated strings.
        shim::check(unsafe { ffi::ddpm_dist_set(self.raw, key.as_ptr(), value.as_ptr()) })
    }

    /// The value of a key, if it is set by then.
    fn wait(&self, key: &str, until: Instant) -> Result<Option<String>, TorchError> {
        loop {
            let value = self.get(key)?;
            if value.is_some() || Instant::now() >= until {
                return Ok(value);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The value of a key, if it is set now.
    fn get(&self, key: &str) -> Result<Option<String>, TorchError> {
        let key = text(key)?;
        let mut value = std::ptr::null_mut();
        // SAFETY: a live group, a NUL-terminated string, and a place for the result.
        shim::check(unsafe { ffi::ddpm_dist_get(self.raw, key.as_ptr(), &raw mut value) })?;
        if value.is_null() {
            return Ok(None);
        }
        // SAFETY: a NUL-terminated string that the shim allocated for us.
        let said = unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned();
        // SAFETY: allocated by the shim, and freed once.
        unsafe { shim::ddpm_free_text(value) };
        Ok(Some(said))
    }
}

/// What the others know when the process with the store is gone.
const STORE_GONE: &str = "rank 0, which keeps the group's store, is gone; see its log";

fn listed(ranks: &[usize]) -> String {
    ranks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn text(value: &str) -> Result<CString, TorchError> {
    CString::new(value.replace('\0', " ")).map_err(|error| TorchError::Group(error.to_string()))
}

fn unreachable_store(place: &Rendezvous, error: &TorchError) -> TorchError {
    let reason = error.to_string();
    let (host, port) = (&place.host, place.port);
    TorchError::Group(if reason.contains("EADDRINUSE") || reason.contains("address already in use") {
        format!("port {port} of {host} is in use; set another MASTER_PORT")
    } else if place.serve {
        format!("port {port} cannot be opened: {reason}; set another MASTER_PORT")
    } else {
        format!(
            "rank 0 does not answer at {host}, port {port}, within {} s: {reason}; check MASTER_ADDR and MASTER_PORT, and its log",
            place.timeout.as_secs()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Ranks of a group, each in a thread.
    fn group(world: usize) -> Vec<std::thread::JoinHandle<Workers>> {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let place = move |rank| Rendezvous {
            rank,
            world,
            local_rank: rank,
            host: "127.0.0.1".into(),
            port,
            serve: rank == 0,
            restarts: 0,
            timeout: Duration::from_secs(60),
        };
        (0..world).map(|rank| std::thread::spawn(move || Workers::connect(&place(rank)).unwrap())).collect()
    }

    #[test]
    fn a_process_that_does_not_exchange_is_told_who_failed() {
        let workers: Vec<Workers> = group(2).into_iter().map(|thread| thread.join().unwrap()).collect();
        let (sender, receiver) = channel();
        workers[0].watch(move |word| sender.send(word.to_string()).unwrap()).unwrap();
        workers[1].tell_failure("no memory");
        let word = receiver.recv_timeout(WATCH + WORD_OF_FAILURE + Duration::from_secs(30)).unwrap();
        assert_eq!(word, "rank 1 failed first: no memory");
    }

    #[test]
    fn gpus_without_a_place_in_the_group_are_left_alone() {
        assert!(Workers::alone().connect_gpus(Device::Cuda(0)).is_ok());
        let workers: Vec<Workers> = group(2).into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(workers[1].connect_gpus(Device::Cpu).is_ok());
        if !crate::device::cuda_status().usable() {
            let error = workers[1].connect_gpus(Device::Cuda(0)).unwrap_err().to_string();
            assert!(error.starts_with("the GPUs cannot be connected: "), "{error}");
        }
    }
}
