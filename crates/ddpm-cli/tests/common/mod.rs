//! What the tests of the command share.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

pub(crate) mod group;

use assert_cmd::Command;
use std::path::Path;

/// The command on one thread: results are then the same on every machine, and several at once do not slow each other down.
pub(crate) fn ddpm(folder: &Path) -> Command {
    let mut command = plain_ddpm(folder);
    command.args(on_one_thread());
    command
}

/// Options for one thread, and for the device of the tests: the CPU, or the one that the variable DDPM_TEST_DEVICE names (`cuda`).
pub(crate) fn on_one_thread() -> [String; 4] {
    let device = std::env::var("DDPM_TEST_DEVICE").unwrap_or("cpu".to_owned());
    ["--threads".to_owned(), "1".to_owned(), "--device".to_owned(), device]
}

/// The command as it is.
pub(crate) fn plain_ddpm(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("ddpm").unwrap();
    // What is cached belongs to the test.
    command.current_dir(folder).env("OMP_WAIT_POLICY", "passive").env("DDPM_CACHE", folder.join("cache"));
    command
}

/// Settings that make the digits recipe a matter of seconds; dropout stays on so that resuming has masks to reproduce.
pub(crate) const TINY: [&str; 14] = [
    "model.block_out_channels=[8,16]",
    "model.norm_num_groups=4",
    "model.dropout=0.1",
    "train.batch_size=16",
    "train.warmup_steps=2",
    "train.log_every=5",
    "sample.num=4",
    "sample.steps=10",
    "eval.levels=4",
    "quality.split_samples=0",
    "quality.split_fine_steps=0",
    "quality.samples=0",
    "quality.steps=0",
    "quality.likelihood_images=0",
];

/// `--set` for each.
pub(crate) fn set(changes: &[&str]) -> Vec<String> {
    changes.iter().flat_map(|change| ["--set".to_string(), (*change).to_string()]).collect()
}

/// The files below a folder, links included, as sorted paths relative to it.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                collect(root, &entry.path(), found);
            } else {
                found.push(entry.path().strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found.sort();
    found
}
