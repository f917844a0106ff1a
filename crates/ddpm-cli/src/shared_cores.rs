//! How OpenMP's threads wait on cores that other programs use, too.
//!
//! Between two parallel loops libgomp's threads spin for about 3 ms before they sleep. With the cores to themselves that is fast: nobody has to be
//! woken. Where another program runs, a thread that spins takes the core from the one that is waited for, and a small network trains ten times
//! slower. libgomp spins a thousandth as long while there are more OpenMP threads than cores (`gomp_throttled_spin_count_var`). This module
//! brings that about while the process is kept waiting for its cores, with idle threads. No result depends on it.
//!
//! Settings of the user (`OMP_WAIT_POLICY`, `GOMP_SPINCOUNT`) are left alone, and so are other systems than Linux.

use std::sync::Once;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;
use tch::{Device, Kind, Tensor};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(200);
/// Share of its time that the main thread waits for a core beyond which the cores count as shared. Alone on a machine it is below 0.02.
const SHARED: f64 = 0.10;
/// Share below which a look finds the cores free.
const FREE: f64 = 0.03;
/// Looks in a row that must find the cores free, so that the policy does not change back and forth beside a program that pauses.
const LOOKS: u32 = 10;
/// Numbers enough for libtorch to use all its threads.
const PARALLEL: i64 = 1 << 20;

/// Watches from now on, in a thread of its own, once in a process.
pub(crate) fn watch() {
    static WATCHED: Once = Once::new();
    let chosen =
        ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"].into_iter().any(|name| std::env::var_os(name).is_some());
    if chosen || tch::get_num_threads() < 2 {
        return;
    }
    WATCHED.call_once(|| {
        // Without the thread everything works as libgomp has it.
        let _ = thread::Builder::new().name("cores".to_owned()).spawn(observe);
    });
}

fn observe() {
    let mut policy = Policy::default();
    let mut idle: Option<Vec<IdleThreads>> = None;
    let Some(mut before) = Times::now() else { return };
    loop {
        thread::sleep(INTERVAL);
        let Some(now) = Times::now() else { return };
        let shared = policy.look(now.waited_share_since(&before));
        before = now;
        if shared != idle.is_some() {
            tracing::debug!(shared, "the cores are {}", if shared { "shared" } else { "free" });
            idle = shared.then(idle_threads);
        }
    }
}

/// What the kernel counted of the main thread, in nanoseconds (`/proc/self/schedstat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    ran: u64,
    waited: u64,
}

impl Times {
    fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/schedstat").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
        Some(Times { ran: numbers.next()??, waited: numbers.next()?? })
    }

    /// Of the time that the thread wanted a core, the share in which it had none; none where it slept.
    fn waited_share_since(self, before: &Times) -> Option<f64> {
        let (ran, waited) = (self.ran.saturating_sub(before.ran), self.waited.saturating_sub(before.waited));
        let wanted = ran + waited;
        // A hundredth of the interval.
        (u128::from(wanted) > INTERVAL.as_nanos() / 100).then(|| waited as f64 / wanted as f64)
    }
}

/// Whether the cores count as shared.
#[derive(Debug, Default)]
struct Policy {
    shared: bool,
    free_looks: u32,
}

impl Policy {
    /// The verdict after one more look, which found the given share of waiting.
    fn look(&mut self, share: Option<f64>) -> bool {
        match share {
            Some(share) if share > SHARED => *self = Policy { shared: true, free_looks: 0 },
            Some(share) if share < FREE && self.shared => {
                self.free_looks += 1;
                self.shared = self.free_looks < LOOKS;
            }
            Some(_) => self.free_looks = 0,
            None => {}
        }
        self.shared
    }
}

/// A thread with a team of OpenMP threads that sleep until it is dropped.
struct IdleThreads {
    _end: Sender<()>,
}

/// As many idle teams as make OpenMP's threads more than the cores.
fn idle_threads() -> Vec<IdleThreads> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let in_a_team = tch::get_num_threads().max(2) as usize;
    let teams = (cores + 1).saturating_sub(in_a_team).div_ceil(in_a_team - 1).max(1);
    (0..teams)
        .filter_map(|_| {
            let (end, ended) = channel::<()>();
            let idle = move || {
                // One parallel loop makes the team.
                let made = torch_ext::fence(|| Tensor::zeros([PARALLEL], (Kind::Float, Device::Cpu)) + 1.0);
                drop(made);
                let _ = ended.recv();
            };
            thread::Builder::new().name("idle".to_owned()).spawn(idle).ok().map(|_| IdleThreads { _end: end })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_makes_the_cores_shared_and_a_time_without_makes_them_free() {
        let mut policy = Policy::default();
        assert!(!policy.look(Some(0.01)) && !policy.look(Some(0.05)) && !policy.look(None));
        assert!(policy.look(Some(0.4)));
        // A program that pauses for less than the needed time.
        for _ in 0..LOOKS - 1 {
            assert!(policy.look(Some(0.0)));
        }
        assert!(policy.look(Some(0.05)));
        for _ in 0..LOOKS - 1 {
            assert!(policy.look(Some(0.0)) && policy.look(None));
        }
        assert!(!policy.look(Some(0.0)));
    }

    #[test]
    fn the_share_is_of_the_time_in_which_a_core_was_wanted() {
        let times = |text: &str| Times::parse(text).unwrap();
        let before = times("1000000000 500000000 77\n");
        assert_eq!(times("1030000000 510000000 80\n").waited_share_since(&before), Some(0.25));
        assert_eq!(times("1000001000 500001000 80\n").waited_share_since(&before), None);
        assert_eq!(Times::parse("a b"), None);
        assert_eq!(Times::parse(""), None);
    }
}
