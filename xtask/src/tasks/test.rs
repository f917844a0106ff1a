//! `cargo xtask test`: runs all tests of the workspace, with the Python that some of them compare with.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::setup;
use super::test_python::{self, TestPython};
use crate::process;
use crate::workspace::Workspace;

/// The variable that names a Python with the pinned packages.
const PYTHON: &str = "DDPM_PYTHON";

/// The variable that enables long tests.
const LONG: &str = "DDPM_LONG_TESTS";

/// Set up and run all tests, unit, integration and documentation.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run the long tests too
    #[arg(long)]
    long: bool,
    /// Arguments for `cargo test`, as in `-- -p ddpm-core posterior`
    #[arg(last = true, value_name = "CARGO ARGUMENTS")]
    cargo: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let libtorch = setup::ensure(workspace)?;
    let python = test_python::ensure(workspace, &libtorch)?;

    let mut command = workspace.cargo();
    command.args(["test", "--no-fail-fast"]);
    if !args.cargo.iter().any(|argument| selects_packages(argument)) {
        command.arg("--workspace");
    }
    command.args(&args.cargo);
    // Waiting threads of libtorch spin by default, which slows down tests that run at the same time.
    if env::var_os("OMP_WAIT_POLICY").is_none() {
        command.env("OMP_WAIT_POLICY", "passive");
    }
    command.env_remove(LONG);
    if args.long {
        command.env(LONG, "1");
    }
    let skipped = match &python {
        TestPython::Ready(python) => {
            command.env(PYTHON, python);
            None
        }
        TestPython::Unavailable(reason) if is_ci() => {
            bail!("no Python for the tests that compare with it, and CI must run them: {reason}")
        }
        TestPython::Unavailable(reason) => {
            command.env_remove(PYTHON);
            Some(skipped(workspace, reason))
        }
    };
    if let Some(text) = &skipped {
        eprintln!("{text}");
    }
    let result = process::run(&mut command);
    // Repeated at the end of the output.
    if let Some(text) = skipped {
        eprintln!("{text}");
    }
    result
}

fn selects_packages(argument: &str) -> bool {
    argument == "--workspace"
        || argument == "--package"
        || argument.starts_with("--package=")
        || argument.starts_with("--manifest-path")
        || (argument.starts_with("-p") && !argument.starts_with("--"))
}

fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// The message that lists the tests which are skipped without Python.
fn skipped(workspace: &Workspace, reason: &str) -> String {
    let folders = ["crates", "xtask/tests"].map(|folder| workspace.root().join(folder));
    let files = tests_with_python(&folders);
    let names: Vec<String> = files
        .iter()
        .map(|file| file.strip_prefix(workspace.root()).unwrap_or(file).display().to_string())
        .collect();
    let names = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
    format!(
        "skipped, because there is no Python to compare with ({reason}): the tests that ask for {PYTHON}: {names}"
    )
}

/// Test files that read `DDPM_PYTHON`, or use the test kit's function that does.
fn tests_with_python(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = folders.to_vec();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.components().any(|component| component.as_os_str() == "tests")
                && fs::read_to_string(&path)
                    .is_ok_and(|text| [PYTHON, "ddpm_testkit::python"].iter().any(|word| text.contains(word)))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_on_the_command_line_replaces_the_workspace() {
        for argument in ["-p", "-pddpm-core", "--package", "--package=ddpm-core", "--workspace"] {
            assert!(selects_packages(argument), "{argument}");
        }
        for argument in ["posterior", "--release", "--test", "--", "--profile"] {
            assert!(!selects_packages(argument), "{argument}");
        }
    }

    #[test]
    fn tests_that_ask_for_python_are_found_by_name() {
        let temporary = tempfile::tempdir().unwrap();
        let tests = temporary.path().join("nets/tests");
        fs::create_dir_all(&tests).unwrap();
        fs::write(tests.join("parity.rs"), "std::env::var(\"DDPM_PYTHON\")").unwrap();
        fs::write(tests.join("reader.rs"), "use ddpm_testkit::python;").unwrap();
        fs::write(tests.join("pure.rs"), "assert!(true)").unwrap();
        fs::write(tests.join("notes.md"), "DDPM_PYTHON").unwrap();
        fs::write(temporary.path().join("nets/lib.rs"), "DDPM_PYTHON").unwrap();
        let expected = [tests.join("parity.rs"), tests.join("reader.rs")];
        assert_eq!(tests_with_python(&[temporary.path().to_path_buf()]), expected);
    }
}
