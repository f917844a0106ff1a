//! `cargo xtask bench`: runs the criterion benchmarks.

use anyhow::{Result, bail};

use super::setup;
use crate::process;
use crate::workspace::{Metadata, Workspace};

/// Set up, build and run the benchmarks.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only benchmarks whose target has this name (default: all)
    names: Vec<String>,
    /// Arguments for criterion, as in `-- --quick schedule`
    #[arg(last = true, value_name = "CRITERION ARGUMENTS")]
    criterion: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let benches = benches(&workspace.metadata()?);
    let chosen: Vec<&(String, String)> =
        benches.iter().filter(|(_, name)| args.names.is_empty() || args.names.contains(name)).collect();
    if benches.is_empty() {
        bail!("the workspace has no benchmarks");
    }
    if let Some(unknown) = args.names.iter().find(|name| !benches.iter().any(|(_, known)| known == *name)) {
        let known: Vec<&str> = benches.iter().map(|(_, name)| name.as_str()).collect();
        bail!("no benchmark is named {unknown}: there are {}", known.join(", "));
    }
    setup::ensure(workspace)?;
    let mut command = workspace.cargo();
    command.arg("bench");
    // Without names cargo would also run unit tests of libraries, which do not accept criterion's arguments.
    for (package, name) in chosen {
        command.args(["--package", package, "--bench", name]);
    }
    process::run(command.arg("--").args(&args.criterion))
}

/// Package and name of every benchmark.
fn benches(metadata: &Metadata) -> Vec<(String, String)> {
    let targets = metadata
        .packages
        .iter()
        .flat_map(|package| package.targets.iter().map(move |target| (package, target)));
    targets
        .filter(|(_, target)| target.kind.iter().any(|kind| kind == "bench"))
        .map(|(package, target)| (package.name.clone(), target.name.clone()))
        .collect()
}
