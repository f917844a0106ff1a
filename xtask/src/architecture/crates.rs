//! The check of dependencies between crates and of `unsafe`, by the rules of `docs/architecture.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace::{Metadata, Package, Workspace};

/// Each crate with the siblings on which its library or binary may depend. Only the benchmark and the command line know training.
const ARROWS: [(&str, &[&str]); 12] = [
    ("ddpm-core", &[]),
    ("ddpm-data", &[]),
    ("torch-ext", &[]),
    ("ddpm-nets", &["ddpm-core", "torch-ext"]),
    ("ddpm-sample", &["ddpm-core", "ddpm-nets", "torch-ext"]),
    ("ddpm-train", &["ddpm-core", "ddpm-data", "ddpm-nets", "torch-ext"]),
    ("ddpm-report", &["ddpm-core", "ddpm-data"]),
    ("ddpm-eval", &["ddpm-core", "ddpm-data", "ddpm-nets", "ddpm-report", "ddpm-sample", "torch-ext"]),
    (
        "ddpm-benchmark",
        &[
            "ddpm-core",
            "ddpm-data",
            "ddpm-nets",
            "ddpm-report",
            "ddpm-sample",
            "ddpm-train",
            "ddpm-eval",
            "torch-ext",
        ],
    ),
    (
        "ddpm-cli",
        &[
            "ddpm-core",
            "ddpm-data",
            "ddpm-nets",
            "ddpm-report",
            "ddpm-sample",
            "ddpm-train",
            "ddpm-eval",
            "ddpm-benchmark",
            "ddpm-testkit",
            "torch-ext",
        ],
    ),
    // Tests depend on it, and the command line for its check of a GPU.
    ("ddpm-testkit", &[]),
    ("xtask", &[]),
];

/// Crates that must build and run their tests without libtorch.
const TORCH_FREE: [&str; 5] = ["ddpm-core", "ddpm-data", "ddpm-report", "ddpm-testkit", "xtask"];

/// Crates that link libtorch.
const TORCH: [&str; 3] = ["tch", "torch-sys", "torch-ext"];

/// The one crate with `unsafe`.
const UNSAFE: &str = "torch-ext";

/// Check the workspace; the error names every violation.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let metadata = workspace.metadata()?;
    let mut violations = arrows(&metadata);
    violations.extend(unsafe_code(workspace.root(), &metadata)?);
    if violations.is_empty() { Ok(()) } else { bail!("{}", violations.join("; ")) }
}

/// Dependencies that no arrow allows. Tests may use any sibling but libtorch in a torch-free crate.
fn arrows(metadata: &Metadata) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let mut violations = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(siblings) = allowed.get(name) else {
            violations
                .push(format!("{name} is a new crate: add its dependencies to xtask/src/architecture.rs"));
            continue;
        };
        for dependency in &package.dependencies {
            let used = dependency.name.as_str();
            let for_tests = dependency.kind.as_deref() == Some("dev");
            if allowed.contains_key(used) && !for_tests && !siblings.contains(&used) {
                violations.push(format!("{name} must not depend on {used}"));
            } else if TORCH_FREE.contains(&name) && TORCH.contains(&used) {
                violations.push(format!(
                    "{name} must not depend on {used}, not even in tests: it is free of libtorch"
                ));
            }
        }
    }
    violations
}

/// The workspace forbids `unsafe`, which no attribute can undo; a crate escapes only by not inheriting the lints.
fn unsafe_code(root: &Path, metadata: &Metadata) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    let workspace = manifest(&root.join("Cargo.toml"))?;
    let lint = at(&workspace, &["workspace", "lints", "rust", "unsafe_code"]).and_then(toml::Value::as_str);
    if lint != Some("forbid") {
        violations.push("the workspace's lints must say unsafe_code = \"forbid\"".to_owned());
    }
    for Package { name, manifest_path, .. } in &metadata.packages {
        let inherits = at(&manifest(manifest_path)?, &["lints", "workspace"]).and_then(toml::Value::as_bool);
        if inherits != Some(true) && name != UNSAFE {
            violations.push(format!(
                "{name} must inherit the workspace's lints: unsafe code is for {UNSAFE} alone"
            ));
        }
    }
    Ok(violations)
}

fn manifest(path: &Path) -> Result<toml::Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("{} is no TOML", path.display()))?;
    Ok(toml::Value::Table(table))
}

fn at<'a>(value: &'a toml::Value, keys: &[&str]) -> Option<&'a toml::Value> {
    keys.iter().try_fold(value, |value, key| value.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(packages: &str) -> Metadata {
        serde_json::from_str(&format!(r#"{{"packages":[{packages}],"target_directory":"/t"}}"#)).unwrap()
    }

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> String {
        let dependencies: Vec<String> = dependencies
            .iter()
            .map(|(name, kind)| serde_json::json!({"name": name, "kind": kind}).to_string())
            .collect();
        let dependencies = dependencies.join(",");
        format!(
            r#"{{"name":"{name}","manifest_path":"/{name}","dependencies":[{dependencies}],"targets":[]}}"#
        )
    }

    #[test]
    fn allowed_arrows_pass() {
        let nets = package("ddpm-nets", &[("ddpm-core", None), ("torch-ext", None), ("tch", None)]);
        let cli = package("ddpm-cli", &[("ddpm-train", None), ("ddpm-eval", None)]);
        // Tests may depend on more crates than the code.
        let sample = package("ddpm-sample", &[("ddpm-nets", None), ("ddpm-data", Some("dev"))]);
        assert_eq!(arrows(&metadata(&[nets, cli, sample].join(","))), Vec::<String>::new());
    }

    #[test]
    fn forbidden_arrows_are_named() {
        let eval = package("ddpm-eval", &[("ddpm-train", None), ("ddpm-nets", None)]);
        let core = package("ddpm-core", &[("tch", Some("dev")), ("rand", None)]);
        let data = package("ddpm-data", &[("ddpm-core", Some("build"))]);
        let other = package("ddpm-extra", &[]);
        let violations = arrows(&metadata(&[eval, core, data, other].join(",")));
        assert_eq!(violations.len(), 4, "{violations:?}");
        assert_eq!(violations[0], "ddpm-eval must not depend on ddpm-train");
        assert!(violations[1].starts_with("ddpm-core must not depend on tch"));
        assert_eq!(violations[2], "ddpm-data must not depend on ddpm-core");
        assert!(violations[3].starts_with("ddpm-extra is a new crate"));
    }

    #[test]
    fn a_crate_that_leaves_the_lints_is_found() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        fs::write(root.join("Cargo.toml"), "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n").unwrap();
        let with_manifest = |name: &str, text: &str| {
            let path = root.join(name);
            fs::write(&path, text).unwrap();
            package(name, &[]).replace(&format!("\"/{name}\""), &serde_json::json!(path).to_string())
        };
        let core = with_manifest("ddpm-core", "[lints]\nworkspace = true\n");
        let data = with_manifest("ddpm-data", "[lints.rust]\nunsafe_code = \"allow\"\n");
        let ext = with_manifest("torch-ext", "[package]\nname = \"torch-ext\"\n");
        let metadata = metadata(&[core, data, ext].join(","));
        let violations = unsafe_code(root, &metadata).unwrap();
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(violations[0].starts_with("ddpm-data must inherit"));

        fs::write(root.join("Cargo.toml"), "[workspace.lints.rust]\nunsafe_code = \"deny\"\n").unwrap();
        assert_eq!(unsafe_code(root, &metadata).unwrap().len(), 2);
    }
}
