//! The graph of a crate's files: an edge from each file to the files whose items it names.

use std::collections::BTreeMap;

use super::cycles::{self, Cycle};
use super::module_tree::{Import, Module, ModuleTree};

/// Re-exports of re-exports are followed this far.
const MAX_DEPTH: usize = 16;

/// Edges between the files of one crate.
pub(crate) struct ImportGraph {
    /// For each edge (from, to), one path that makes it.
    edges: BTreeMap<(usize, usize), String>,
    names: Vec<String>,
}

/// What a path leads to.
#[derive(Clone, Copy)]
enum Found {
    /// An item that this module defines.
    Item(usize),
    /// A module itself.
    Module(usize),
}

impl ImportGraph {
    pub(crate) fn of(tree: &ModuleTree) -> Self {
        let mut edges = BTreeMap::new();
        for (index, module) in tree.modules.iter().enumerate() {
            let mut add = |found: Option<Found>, path: &[String], is_reexport: bool| {
                let target = match found {
                    Some(Found::Item(target)) => target,
                    // Naming a module uses nothing of it; what is used through its name has a path of its own.
                    Some(Found::Module(_)) | None => return,
                };
                let to = tree.modules[target].file;
                if to != module.file && !(is_reexport && tree.is_below(target, index)) {
                    edges.entry((module.file, to)).or_insert_with(|| path.join("::"));
                }
            };
            for Import { path, name, is_reexport } in &module.imports {
                let mut found = tree.resolve(index, path, 0);
                // `use a::*` uses the items of module `a`.
                if let (None, Some(Found::Module(target))) = (name, found) {
                    found = (!tree.modules[target].items.is_empty()).then_some(Found::Item(target));
                }
                add(found, path, *is_reexport);
            }
            for path in &module.paths {
                // A bare name counts if it was imported: a parent may use what it re-exports.
                if path.len() > 1 || module.imports.iter().any(|import| import.name.as_ref() == path.first())
                {
                    add(tree.resolve(index, path, 0), path, false);
                }
            }
        }
        let names = tree.files.iter().map(|file| file.display().to_string()).collect();
        Self { edges, names }
    }

    /// The shortest cycle through each file that is part of one, each named once.
    pub(crate) fn cycles(&self) -> Vec<String> {
        let describe = |cycle: &Cycle| {
            let steps = |separator: &str, show: &dyn Fn(usize, usize) -> String| {
                let next = cycle.iter().cycle().skip(1);
                let steps: Vec<String> = cycle.iter().zip(next).map(|(&from, &to)| show(from, to)).collect();
                steps.join(separator)
            };
            let start = &self.names[cycle[0]];
            let arrows = steps("", &|_, to| format!(" -> {}", self.names[to]));
            let imports =
                steps("; ", &|from, to| format!("{} names `{}`", self.names[from], self.edges[&(from, to)]));
            format!("{start}{arrows} ({imports})")
        };
        cycles::shortest(self.names.len(), self.edges.keys().copied()).iter().map(describe).collect()
    }
}

impl ModuleTree {
    fn is_below(&self, module: usize, ancestor: usize) -> bool {
        let mut at = Some(module);
        while let Some(module) = at {
            if module == ancestor {
                return true;
            }
            at = self.modules[module].parent;
        }
        false
    }

    /// What `path` means in the code of module `from`; `None` for another crate or a local name.
    fn resolve(&self, from: usize, path: &[String], depth: usize) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        if depth > MAX_DEPTH {
            return None;
        }
        match first.as_str() {
            "crate" => self.walk(0, rest, depth),
            "self" => self.walk(from, rest, depth),
            "super" => self.walk(self.modules[from].parent?, rest, depth),
            _ => self.named(from, path, depth),
        }
    }

    /// Follow the segments below a module of this crate. A name that is found nowhere (a macro made it) is an item.
    fn walk(&self, at: usize, path: &[String], depth: usize) -> Option<Found> {
        match path.first().map(String::as_str) {
            None => Some(Found::Module(at)),
            Some("super") => self.walk(self.modules[at].parent?, &path[1..], depth),
            Some(_) => Some(self.named(at, path, depth).unwrap_or(Found::Item(at))),
        }
    }

    /// Find the first segment among the names of a module, then follow the others.
    fn named(&self, at: usize, path: &[String], depth: usize) -> Option<Found> {
        let (name, rest) = path.split_first()?;
        let Module { children, items, imports, .. } = &self.modules[at];
        let imported = imports.iter().find(|import| import.name.as_ref() == Some(name));
        // A module and an item may share a name: the item is meant where the path ends.
        if let Some(&child) = children.get(name)
            && (!rest.is_empty() || (imported.is_none() && !items.contains(name)))
        {
            return self.walk(child, rest, depth);
        }
        if items.contains(name) {
            return Some(Found::Item(at));
        }
        if let Some(import) = imported {
            // `use name;` of another crate would find itself.
            let target: Vec<String> = import.path.iter().chain(rest).cloned().collect();
            return if target == path { None } else { self.resolve(at, &target, depth + 1) };
        }
        imports.iter().filter(|import| import.name.is_none()).find_map(|glob| {
            match self.resolve(at, &glob.path, depth + 1)? {
                Found::Module(module) if module != at => self.named(module, path, depth + 1),
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Cycles of a crate whose files are given.
    fn cycles(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = ModuleTree::read(&folder.path().join(files[0].0)).unwrap();
        ImportGraph::of(&tree).cycles()
    }

    #[test]
    fn siblings_that_import_each_other_are_named_with_their_imports() {
        let found = cycles(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "pub struct B; fn f() { super::c::g(); }"),
            ("c.rs", "use crate::a; pub fn g() -> Option<a::A> { None }"),
        ]);
        assert_eq!(
            found,
            [
                "a.rs -> b.rs -> c.rs -> a.rs (a.rs names `crate::b::B`; b.rs names `super::c::g`; c.rs names `a::A`)"
            ]
        );
    }

    #[test]
    fn a_line_of_modules_passes() {
        let found = cycles(&[
            ("main.rs", "mod a; mod b; use a::A; fn main() { b::run(A); }"),
            ("a.rs", "pub struct A; impl A { fn f() -> Self { Self } }"),
            ("b.rs", "use crate::a::A; pub fn run(_: A) {}"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_parent_may_declare_reexport_and_call_its_children() {
        let found = cycles(&[
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b; mod c; pub use b::B; pub fn f() { c::g(); }"),
            ("a/b.rs", "pub struct B;"),
            ("a/c.rs", "use super::B; pub fn g() -> B { B }"),
        ]);
        assert_eq!(found, Vec::<String>::new(), "`super::B` is an item of b.rs");
    }

    #[test]
    fn a_child_that_uses_its_parent_s_own_items_while_the_parent_uses_it_is_a_cycle() {
        let parent = "mod b; pub struct Shared; pub fn f() { b::g(); }";
        let child = "use super::Shared; pub fn g() -> Shared { Shared }";
        let found = cycles(&[("lib.rs", "mod a;"), ("a.rs", parent), ("a/b.rs", child)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("a.rs -> a/b.rs -> a.rs"), "{found:?}");
        // A parent that re-exports the child's function and calls it by its bare name uses it as well.
        let parent = "mod b; pub use b::g; pub struct Shared; pub fn f() { g(); }";
        assert_eq!(cycles(&[("lib.rs", "mod a;"), ("a.rs", parent), ("a/b.rs", child)]).len(), 1);
        // A parent that re-exports the child and does not use it does not depend on it.
        let parent = "mod b; pub use b::g; pub struct Shared;";
        assert_eq!(cycles(&[("lib.rs", "mod a;"), ("a.rs", parent), ("a/b.rs", child)]).len(), 0);
    }

    #[test]
    fn tests_documentation_and_other_crates_do_not_count() {
        let found = cycles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "//! See [`crate::b::B`].\nuse serde::b::B; pub struct A; fn f(_: &other::b::B) {}"),
            (
                "b.rs",
                "use crate::a::A; pub struct B(A); #[cfg(test)] mod tests { use crate::a::A; use super::*; }",
            ),
        ]);
        assert_eq!(found, Vec::<String>::new());
        let test = "#[cfg(test)] mod tests { fn f() { crate::b::g(); } } pub struct A;";
        let found = cycles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", test),
            ("b.rs", "use crate::a::A; pub fn g() -> A { A }"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn macros_attributes_globs_and_function_bodies_are_read() {
        let uses = [
            "fn f() { println!(\"{}\", crate::b::g()); }",
            "#[derive(Args)] pub struct C { #[arg(default_value_t = crate::b::g())] c: u8 }",
            "use super::b::*;",
            "fn f() { use crate::b::g; g(); }",
            "fn f() -> Vec<crate::b::B> { Vec::new() }",
        ];
        for code in uses {
            let found = cycles(&[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", &format!("pub struct A; {code}")),
                ("b.rs", "use crate::a::A; pub struct B; pub fn g() -> u8 { 0 } fn h(_: A) {}"),
            ]);
            assert_eq!(found.len(), 1, "{code}: {found:?}");
        }
    }

    #[test]
    fn reexports_are_followed_to_the_file_that_defines_the_item() {
        let found = cycles(&[
            ("lib.rs", "mod a; mod b; pub use a::*; pub use b::deep::Deep as Renamed;"),
            ("a.rs", "use crate::Renamed; pub struct A(Renamed);"),
            ("b/mod.rs", "pub mod deep;"),
            ("b/deep.rs", "pub struct Deep; pub fn f() -> Option<crate::A> { None }"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("a.rs -> b/deep.rs -> a.rs"), "{found:?}");
    }
}
