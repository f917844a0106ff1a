//! Rules of `docs/architecture.md` that can be checked: dependencies between crates, and between the modules of a crate.

pub(crate) mod crates;
mod cycles;
mod import_graph;
mod module_tree;
pub(crate) mod modules;
