//! Groups of processes, started as a launcher starts them.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Longer than any of the runs here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A port that is free now: below those that systems give to connections, and another one at each call.
pub(crate) fn free_port() -> u16 {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let base = 10_000 + (std::process::id() % 400) as u16 * 50;
    let candidates = std::iter::repeat_with(|| base + CALLS.fetch_add(1, Ordering::Relaxed) % 50);
    candidates.take(50).find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).unwrap()
}

pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("ddpm"));
    command.current_dir(folder).env("OMP_WAIT_POLICY", "passive").env("DDPM_CACHE", folder.join("cache"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Rank `rank` of `world`, as a launcher starts it.
pub(crate) fn rank(folder: &Path, rank: usize, world: usize, port: u16, words: &[String]) -> Child {
    let mut command = program(folder);
    command.args(words).env("RANK", rank.to_string()).env("LOCAL_RANK", rank.to_string());
    command.env("WORLD_SIZE", world.to_string()).env("MASTER_ADDR", "127.0.0.1");
    command.env("MASTER_PORT", port.to_string()).env("DDPM_DIST_TIMEOUT", "60").spawn().unwrap()
}

pub(crate) fn group(folder: &Path, world: usize, words: &[String]) -> Vec<Child> {
    let port = free_port();
    (0..world).map(|k| rank(folder, k, world, port, words)).collect()
}

/// The outputs of processes that end in time.
pub(crate) fn ended(children: Vec<Child>) -> Vec<Output> {
    let until = Instant::now() + PATIENCE;
    let wait = |mut child: Child| {
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > until {
                child.kill().unwrap();
                panic!("a process does not end");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.wait_with_output().unwrap()
    };
    children.into_iter().map(wait).collect()
}

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a group that ends well.
pub(crate) fn succeed(folder: &Path, world: usize, words: &[String]) {
    for output in ended(group(folder, world, words)) {
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    }
}

pub(crate) fn alone(folder: &Path, words: &[String]) {
    let output = program(folder).args(words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
}
