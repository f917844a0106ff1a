//! docs/theory-map.md: its modules and tests exist, and its commands can be typed.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::ddpm;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/theory-map.md")).unwrap()
}

/// Everything in backticks on lines of tables.
fn quoted() -> Vec<String> {
    let page = page();
    let rows = page.lines().filter(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Names of all functions in the sources and tests of the workspace.
fn functions() -> BTreeSet<String> {
    let mut folders = vec![root().join("crates")];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let names = text.lines().filter_map(|line| line.trim().strip_prefix("fn "));
                found.extend(names.map(|name| name.split(['(', '<']).next().unwrap().to_owned()));
            }
        }
    }
    found
}

#[test]
fn every_module_and_every_test_of_the_map_exists() {
    let functions = functions();
    let (mut modules, mut tests) = (0, 0);
    for word in quoted() {
        if word.ends_with(".rs") {
            assert!(root().join("crates").join(&word).is_file(), "{word}");
            modules += 1;
        } else if word.contains('_') && !word.contains([' ', '.']) && word != "posterior_variance" {
            assert!(functions.contains(&word), "{word}");
            tests += 1;
        }
    }
    assert!(modules > 25 && tests > 30, "{modules} {tests}");
}

#[test]
fn every_command_of_the_map_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let page = page();
    // The targets, as the page makes them.
    for line in page.lines().filter_map(|line| line.strip_prefix("echo '")) {
        let (text, name) = line.split_once("' > ").unwrap();
        fs::write(folder.join(name), text).unwrap();
    }
    let mut commands: Vec<String> = quoted().into_iter().filter(|word| word.starts_with("ddpm ")).collect();
    assert!(commands.len() > 25, "{}", commands.len());
    let annealed = commands.iter().find(|command| command.contains("annealed.svg")).unwrap();
    commands.push(
        annealed.replace("annealed.safetensors", "constant.safetensors")
            + " --constant-step --step-size 2e-5",
    );
    for command in commands {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        // Pictures are made by several commands under one name.
        let mut run = ddpm(folder);
        run.args(&words);
        if ["train", "reproduce"].contains(&words[0]) {
            run.args(["--set", "train.steps=2", "--set", "train.warmup_steps=1"]);
        }
        if words[0] == "reproduce" {
            run.args(["--set", "sample.num=8"]);
            if command.contains("digits") {
                for setting in [
                    "quality.samples=0",
                    "quality.steps=0",
                    "quality.likelihood_images=0",
                    "quality.split_samples=0",
                    "quality.split_fine_steps=0",
                    "eval.levels=3",
                    "eval.max_images=8",
                    "model.block_out_channels=[8,16]",
                    "model.norm_num_groups=4",
                ] {
                    run.args(["--set", setting]);
                }
            } else {
                run.args(["--set", "eval.samples=200"]);
            }
            if command.contains("vpsde") || command.contains("vesde") || command.contains("digits-ism") {
                run.args(["--set", "sample.steps=5"]);
            }
        }
        let done = run.assert().success();
        let printed = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
        if words.contains(&"-") {
            assert!(printed.contains('{'), "{command}: {printed}");
        }
        for file in words
            .iter()
            .filter(|word| [".png", ".svg", ".gif", ".safetensors"].iter().any(|end| word.ends_with(end)))
        {
            assert!(fs::metadata(folder.join(file)).unwrap().len() > 200, "{command}: {file}");
        }
    }
}
