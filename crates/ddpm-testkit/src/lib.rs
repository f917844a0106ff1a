//! Helpers that the tests of several crates share. A development dependency only: no library or binary uses it.
//!
//! - [`python`]: the Python interpreter with the packages that tests compare against.
//! - [`long_tests`]: whether tests of minutes are to run.
//! - [`hashed`]: weights and inputs of golden files, which both sides compute instead of storing.
#![deny(missing_docs)]

pub mod hashed;

use std::env;
use std::path::PathBuf;

/// The interpreter that `DDPM_PYTHON` names; `cargo xtask test` sets it to one with diffusers, tensorboard and numpy.
///
/// `None` where the variable is not set: the caller returns, and its test is skipped with a line that says so.
///
/// # Panics
/// Where the variable is missing although `CI` is set: continuous integration must run these tests.
pub fn python(test: &str) -> Option<PathBuf> {
    let python = env::var_os("DDPM_PYTHON").map(PathBuf::from);
    if python.is_none() {
        assert!(
            env::var_os("CI").is_none(),
            "{test}: DDPM_PYTHON is not set: CI must name a Python with the packages of xtask/python/requirements.txt"
        );
        println!("skipped: {test} needs DDPM_PYTHON (run `cargo xtask test`)");
    }
    python
}

/// Whether long tests were asked for (`DDPM_LONG_TESTS=1`); prints that `test` is skipped where they were not.
pub fn long_tests(test: &str) -> bool {
    let asked = env::var_os("DDPM_LONG_TESTS").is_some_and(|value| value == "1");
    if !asked {
        println!("skipped: {test} (set DDPM_LONG_TESTS=1, or run `cargo xtask test --long`)");
    }
    asked
}
