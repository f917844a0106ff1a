//! `cargo xtask lint`: what must hold of the text of the code.

use std::time::Instant;

use anyhow::Result;

use super::setup;
use crate::architecture;
use crate::process::{self, Failed};
use crate::workspace::Workspace;

/// Passes, or says what does not hold (cargo has then shown it).
type Check = fn(&Workspace) -> Result<()>;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::ensure(workspace)?;
    let checks: [(&str, Check); 4] = [
        ("formatting (cargo fmt mends it)", formatting),
        ("dependencies between crates", architecture::check),
        ("clippy", clippy),
        ("documentation", documentation),
    ];
    let mut failures = 0;
    for (name, check) in checks {
        eprintln!("lint: {name}");
        let start = Instant::now();
        match check(workspace) {
            Ok(()) => eprintln!("lint: {name}: passed in {:.1} s", start.elapsed().as_secs_f64()),
            Err(error) => {
                failures += 1;
                eprintln!("lint: {name}: FAILED: {error:#}");
            }
        }
    }
    println!("lint: {} of {} checks passed", checks.len() - failures, checks.len());
    if failures == 0 { Ok(()) } else { Err(Failed { code: 1 }.into()) }
}

fn formatting(workspace: &Workspace) -> Result<()> {
    process::run(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    process::run(workspace.cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn documentation(workspace: &Workspace) -> Result<()> {
    process::run(
        workspace.cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
    )
}
