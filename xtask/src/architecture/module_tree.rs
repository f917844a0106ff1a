//! The modules of one crate as its source files declare them: items, imports, and the paths that the code names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, UseTree, Visibility};

/// Segments of a path as it is written, such as `["crate", "level", "Level"]`.
pub(crate) type Segments = Vec<String>;

/// All modules of a crate; the first is its root.
pub(crate) struct ModuleTree {
    pub(crate) modules: Vec<Module>,
    /// Source files, relative to the folder of the root file.
    pub(crate) files: Vec<PathBuf>,
}

/// One module: a file, or an inline `mod name { .. }` within a file.
#[derive(Default)]
pub(crate) struct Module {
    /// Index of its file.
    pub(crate) file: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    /// Names of the functions, types, constants, ... that are defined here.
    pub(crate) items: BTreeSet<String>,
    /// Imported and re-exported names.
    pub(crate) imports: Vec<Import>,
    /// Paths in the code outside `use` declarations.
    pub(crate) paths: BTreeSet<Segments>,
}

/// One leaf of a `use` declaration.
pub(crate) struct Import {
    pub(crate) path: Segments,
    /// The name that it brings into the module; `None` for `*`.
    pub(crate) name: Option<String>,
    /// Whether other modules can use the name: `pub`, `pub(crate)`, ...
    pub(crate) is_reexport: bool,
}

impl ModuleTree {
    /// Read the crate whose root file is given (`lib.rs` or `main.rs`).
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let folder = root.parent().context("a crate's root file stands in a folder")?;
        let mut tree = Self { modules: Vec::new(), files: Vec::new() };
        tree.add_file(folder, root, folder, None)?;
        Ok(tree)
    }

    /// Add the module of a file; its child modules stand in `children_folder`.
    fn add_file(
        &mut self,
        source: &Path,
        file: &Path,
        children_folder: &Path,
        parent: Option<usize>,
    ) -> Result<usize> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let parsed =
            syn::parse_file(&text).with_context(|| format!("{} is not valid Rust", file.display()))?;
        self.files.push(file.strip_prefix(source).unwrap_or(file).to_path_buf());
        self.add_module(source, self.files.len() - 1, &parsed.items, children_folder, parent)
    }

    fn add_module(
        &mut self,
        source: &Path,
        file: usize,
        items: &[Item],
        children_folder: &Path,
        parent: Option<usize>,
    ) -> Result<usize> {
        let index = self.modules.len();
        self.modules.push(Module { file, parent, ..Module::default() });
        let mut collector = Collector::default();
        for item in items.iter().filter(|item| !is_test_only(attributes(item))) {
            let Item::Mod(module) = item else {
                self.modules[index].items.extend(defined_name(item));
                collector.visit_item(item);
                continue;
            };
            let name = module.ident.to_string();
            let folder = children_folder.join(&name);
            let child = match &module.content {
                Some((_, items)) => self.add_module(source, file, items, &folder, Some(index))?,
                None => {
                    let files = [children_folder.join(format!("{name}.rs")), folder.join("mod.rs")];
                    let Some(path) = files.iter().find(|path| path.is_file()) else {
                        bail!("{}: module `{name}` has no file", self.files[file].display());
                    };
                    self.add_file(source, path, &folder, Some(index))?
                }
            };
            self.modules[index].children.insert(name, child);
        }
        self.modules[index].imports = collector.imports;
        self.modules[index].paths = collector.paths;
        Ok(index)
    }
}

/// Collects imports and paths of one module, outside of `#[cfg(test)]`.
#[derive(Default)]
struct Collector {
    imports: Vec<Import>,
    paths: BTreeSet<Segments>,
}

impl Collector {
    fn add_use(&mut self, tree: &UseTree, prefix: &[String], is_reexport: bool) {
        let with = |name: &syn::Ident| -> Segments {
            prefix.iter().cloned().chain((name != "self").then(|| name.to_string())).collect()
        };
        let last = |path: &Segments| path.last().cloned();
        match tree {
            UseTree::Path(path) => {
                // `self::a` keeps its first segment: it says that `a` is a child and no external crate.
                let prefix = if prefix.is_empty() { vec![path.ident.to_string()] } else { with(&path.ident) };
                self.add_use(&path.tree, &prefix, is_reexport);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, prefix, is_reexport);
                }
            }
            UseTree::Name(name) => {
                let path = with(&name.ident);
                self.imports.push(Import { name: last(&path), path, is_reexport });
            }
            UseTree::Rename(rename) => {
                let name = Some(rename.rename.to_string());
                self.imports.push(Import { path: with(&rename.ident), name, is_reexport });
            }
            UseTree::Glob(_) => self.imports.push(Import { path: prefix.to_vec(), name: None, is_reexport }),
        }
    }

    /// Paths in the tokens of a macro call or an attribute, which have no syntax tree.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path = Segments::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.paths.extend(Some(std::mem::take(&mut path)).filter(|path| !path.is_empty()));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.paths.extend(Some(std::mem::take(&mut path)).filter(|path| !path.is_empty()));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.paths.extend(Some(path).filter(|path| !path.is_empty()));
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Fn(function) => &function.attrs[..],
            ImplItem::Const(constant) => &constant.attrs,
            _ => &[],
        };
        if !is_test_only(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_use(&item.tree, &[], !matches!(item.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.add_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.add_tokens(list.tokens.clone());
        }
    }

    /// `pub(in crate::a)` names a module, but uses nothing of it.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// Whether the item exists in tests only: `#[cfg(test)]`, `#[cfg(all(test, ..))]`.
fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let condition = list.tokens.to_string().replace(' ', "");
        list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn defined_name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
