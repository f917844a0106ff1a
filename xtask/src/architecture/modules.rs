//! The check that no crate has a cycle among its modules.

use anyhow::{Result, bail};

use super::import_graph::ImportGraph;
use super::module_tree::ModuleTree;
use crate::workspace::Workspace;

/// Check every library and binary of the workspace; the error has one line for each cycle.
///
/// A module is a file here. File A depends on file B where the code of A names an item that B defines, by a `use`
/// declaration or by a path; a re-export is followed to the file that defines the item. A parent that declares or
/// re-exports its children does not depend on them by that alone. Code under `#[cfg(test)]` does not count.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut lines = Vec::new();
    for package in workspace.metadata()?.packages {
        for target in &package.targets {
            if !target.kind.iter().any(|kind| kind == "lib" || kind == "bin") {
                continue;
            }
            let cycles = ImportGraph::of(&ModuleTree::read(&target.src_path)?).cycles();
            if !cycles.is_empty() {
                lines.push(format!("{}: {} cycles among modules", package.name, cycles.len()));
                lines.extend(cycles.iter().map(|cycle| format!("  {cycle}")));
            }
        }
    }
    if lines.is_empty() { Ok(()) } else { bail!("{}", lines.join("\n")) }
}
