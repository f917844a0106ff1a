//! `cargo xtask lint`: checks of the source text: formatting, architecture, clippy and documentation.

use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use super::setup;
use crate::architecture;
use crate::links;
use crate::process::{self, Failed};
use crate::workspace::Workspace;

/// Options of `cargo xtask lint`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run this check alone (can be given several times)
    #[arg(long, value_name = "CHECK")]
    only: Vec<Check>,
}

/// One check. Its error is one or more lines; cargo's own checks have printed theirs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Check {
    /// `cargo fmt --check`
    Formatting,
    /// Which crate may depend on which, and where `unsafe` may stand
    Crates,
    /// No cycle among the modules of a crate
    Modules,
    /// Links between the Markdown documents
    Links,
    /// `cargo clippy`, warnings are errors
    Clippy,
    /// `cargo doc`, warnings are errors
    Documentation,
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Self::Formatting => "formatting (`cargo fmt` corrects it)",
            Self::Crates => "dependencies between crates",
            Self::Modules => "cycles among modules",
            Self::Links => "links between documents",
            Self::Clippy => "clippy",
            Self::Documentation => "documentation",
        }
    }

    fn needs_libtorch(self) -> bool {
        matches!(self, Self::Clippy | Self::Documentation)
    }

    fn run(self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Formatting => process::run(workspace.cargo().args(["fmt", "--all", "--check"])),
            Self::Crates => architecture::crates::check(workspace),
            Self::Modules => architecture::modules::check(workspace),
            Self::Links => links::check(workspace),
            Self::Clippy => {
                let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
                process::run(workspace.cargo().args(arguments))
            }
            Self::Documentation => {
                let mut cargo = workspace.cargo();
                process::run(
                    cargo.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
                )
            }
        }
    }
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let checks = if args.only.is_empty() { Check::value_variants() } else { &args.only[..] };
    if checks.iter().any(|check| check.needs_libtorch()) {
        setup::ensure(workspace)?;
    }
    let mut failures = 0;
    for check in checks {
        let name = check.name();
        eprintln!("lint: {name}");
        let start = Instant::now();
        match check.run(workspace) {
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
