//! A run that is killed at random moments, again and again, ends with the weights of one that was not, bit for bit.
//!
//! `cargo xtask torture --kills 50` runs this with more kills and shows the figures.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, on_one_thread, set};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Kills without the variable: enough to notice a break, few enough for every test run.
const FEW_KILLS: u64 = 5;
const STEPS: u64 = 40;
/// So often that many kills fall into the writing of a checkpoint.
const CHECKPOINT_EVERY: u64 = 3;

/// What the process was doing when it died, as far as the disk tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Starting,
    Training,
    WritingACheckpoint,
    LinkingIt,
    RemovingAnOldOne,
    AfterTheLastStep,
}

struct Run {
    folder: PathBuf,
    name: &'static str,
}

impl Run {
    fn arguments(&self) -> Vec<String> {
        let mut list: Vec<String> =
            ["train", "--config", "digits", "--run", self.name, "--resume"].map(String::from).into();
        list.extend(set(&TINY));
        let (steps, every) =
            (format!("train.steps={STEPS}"), format!("train.checkpoint_every={CHECKPOINT_EVERY}"));
        list.extend(set(&[&steps, &every, "train.log_every=1", "train.keep_every=12"]));
        list
    }

    fn start(&self) -> Child {
        Command::new(assert_cmd::cargo::cargo_bin("ddpm"))
            .current_dir(&self.folder)
            .env("OMP_WAIT_POLICY", "passive")
            .args(on_one_thread())
            .args(self.arguments())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn root(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    fn checkpoints(&self) -> PathBuf {
        self.root().join("checkpoints")
    }

    /// Steps done, by the metrics that every step writes.
    fn steps_done(&self) -> u64 {
        let text = std::fs::read_to_string(self.root().join("metrics.jsonl")).unwrap_or_default();
        let line = |line| serde_json::from_str::<serde_json::Value>(line).ok()?["step"].as_u64();
        text.lines().filter_map(line).next_back().unwrap_or(0)
    }

    /// Entries of the folder of checkpoints with the time they changed: a leftover of an earlier death is not one of this.
    fn entries(&self) -> BTreeSet<(String, SystemTime)> {
        let entries = std::fs::read_dir(self.checkpoints()).into_iter().flatten().flatten();
        let described = entries.map(|entry| {
            let changed = entry.path().symlink_metadata().and_then(|data| data.modified());
            (entry.file_name().into_string().unwrap(), changed.unwrap())
        });
        described.collect()
    }

    fn newest(&self) -> Option<String> {
        self.entries().into_iter().map(|(name, _)| name).filter(|name| name.starts_with("step-")).max()
    }

    fn newest_step(&self) -> u64 {
        self.newest().map_or(0, |name| name["step-".len()..].parse().unwrap())
    }

    /// Losses, without the times that differ between machines and moments.
    fn losses(&self) -> Vec<(u64, f64)> {
        let text = std::fs::read_to_string(self.root().join("metrics.jsonl")).unwrap();
        let line = |line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            (value["step"].as_u64().unwrap(), value["loss"].as_f64().unwrap())
        };
        text.lines().map(line).collect()
    }
}

/// What is compared: every file of every checkpoint that stays, and the names of all files.
fn content(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_symlink() {
            files
                .insert(name, std::fs::read_link(&path).unwrap().to_string_lossy().into_owned().into_bytes());
        } else if path.is_dir() {
            content(&path, &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

fn checkpoints_of(run: &Run) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    content(&run.checkpoints(), "", &mut files);
    files
}

/// A number in [0, 1), another one each time: which moments are hit is up to the machine anyway.
fn chance() -> f64 {
    (RandomState::new().hash_one(0) >> 11) as f64 / (1u64 << 53) as f64
}

/// Kills the process after `delay`; whether it was still there.
fn kill_after(mut child: Child, delay: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < delay {
        if let Some(status) = child.try_wait().unwrap() {
            let output = child.wait_with_output().unwrap();
            assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&output.stderr));
            return false;
        }
        std::thread::sleep(Duration::from_micros(500).min(delay));
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.code().is_none() || output.status.success(), "{output:?}");
    output.status.code().is_none()
}

#[test]
fn a_run_survives_being_killed_at_any_moment() {
    let kills = std::env::var("DDPM_TORTURE_KILLS").map_or(FEW_KILLS, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let run = |name| Run { folder: folder.path().to_path_buf(), name };

    let whole = run("whole");
    let begun = Instant::now();
    let mut child = whole.start();
    let mut first_step = None;
    while child.try_wait().unwrap().is_none() {
        if first_step.is_none() && whole.steps_done() > 0 {
            first_step = Some(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(child.wait_with_output().unwrap().status.success());
    // A life ends anywhere between its birth and a third of the way through the run.
    let (first_step, total) = (first_step.unwrap(), begun.elapsed());
    let longest = first_step + (total - first_step) / 3;
    let expected = checkpoints_of(&whole);
    assert_eq!(whole.newest_step(), STEPS);

    let mut killed = BTreeMap::<Phase, u64>::new();
    let mut lost = Vec::new();
    let mut lives = 0;
    let mut runs = 0;
    while killed.values().sum::<u64>() < kills {
        let broken = run("broken");
        runs += 1;
        loop {
            let (before, resumed_from) = (broken.entries(), broken.newest_step());
            let enough = killed.values().sum::<u64>() == kills;
            let delay = if enough { Duration::from_secs(600) } else { longest.mul_f64(chance()) };
            lives += 1;
            if !kill_after(broken.start(), delay) {
                break;
            }
            let after = broken.entries();
            let new = |suffix: &str| after.difference(&before).any(|(name, _)| name.ends_with(suffix));
            let link = std::fs::read_link(broken.checkpoints().join("latest")).ok();
            let (done, saved) = (broken.steps_done(), broken.newest_step());
            let phase = if new(".new.partial") {
                Phase::WritingACheckpoint
            } else if new(".old.partial") {
                Phase::RemovingAnOldOne
            } else if saved > resumed_from && link != broken.newest().map(PathBuf::from) {
                Phase::LinkingIt
            } else if saved == STEPS {
                Phase::AfterTheLastStep
            } else if done <= resumed_from {
                Phase::Starting
            } else {
                Phase::Training
            };
            *killed.entry(phase).or_default() += 1;
            if phase != Phase::Starting {
                lost.push(done - saved);
            }
            assert!(saved >= resumed_from, "a checkpoint was lost");
        }
        assert_eq!(broken.losses(), whole.losses());
        let files = checkpoints_of(&broken);
        assert_eq!(files.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, bytes) in &files {
            assert!(*bytes == expected[name], "{name} differs");
        }
        std::fs::remove_dir_all(broken.root()).unwrap();
    }
    // The finished run says so once more, and nothing changes.
    ddpm(folder.path()).args(whole.arguments()).assert().success();
    assert_eq!(checkpoints_of(&whole), expected);

    let phases: Vec<String> = killed.iter().map(|(phase, count)| format!("{count} {phase:?}")).collect();
    println!("{kills} kills in {runs} runs of {STEPS} steps, {lives} processes: {}", phases.join(", "));
    println!(
        "steps done twice: {} in all, at most {} after a kill (a checkpoint every {CHECKPOINT_EVERY} steps)",
        lost.iter().sum::<u64>(),
        lost.iter().max().unwrap_or(&0)
    );
    println!("every run ended with the checkpoints of the uninterrupted one, bit for bit");
}
