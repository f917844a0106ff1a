//! The check that links between the Markdown documents lead to existing files and headings.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// Folders with documents, relative to the checkout.
const FOLDERS: [&str; 4] = ["", "docs", "datasets", "checkpoints"];

/// Check all documents; the error names every link that leads nowhere.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut broken = Vec::new();
    for document in documents(workspace.root())? {
        let text = read(&document)?;
        for link in links(&text) {
            if let Some(reason) = fault(&document, &text, link)? {
                let name = document.strip_prefix(workspace.root()).unwrap_or(&document);
                broken.push(format!("{}: {link}: {reason}", name.display()));
            }
        }
    }
    if broken.is_empty() { Ok(()) } else { bail!("{}", broken.join("\n")) }
}

fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in FOLDERS.map(|folder| root.join(folder)) {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let files = entries.flatten().map(|entry| entry.path());
        found.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Lines outside of fenced code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// Targets of links and pictures that lead to files of the checkout.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = prose(text).flat_map(|line| line.split("](").skip(1));
    targets.filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://"))
}

/// Why a link leads nowhere, or `None`.
fn fault(document: &Path, text: &str, link: &str) -> Result<Option<&'static str>> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = document.with_file_name(file);
    if !file.is_empty() && !target.exists() {
        return Ok(Some("no such file"));
    }
    if anchor.is_empty() {
        return Ok(None);
    }
    let has_heading = |text: &str| {
        let headings = prose(text).filter(|line| line.starts_with('#'));
        headings.map(|line| slug(line.trim_start_matches('#'))).any(|heading| heading == anchor)
    };
    let found = if file.is_empty() { has_heading(text) } else { has_heading(&read(&target)?) };
    Ok((!found).then_some("no such heading"))
}

/// The anchor that GitHub gives a heading.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_missing_files_and_headings_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let document = folder.path().join("a.md");
        fs::write(folder.path().join("b.md"), "# Which `x`, and why?\n```\n# no heading\n```\n").unwrap();
        let text = "[1](b.md) [2](c.md) ![3](b.md#which-x-and-why) [4](b.md#no-heading)\n[5](#here) [6](#there)\n\
                    ## Here\n```\n[7](d.md)\n```\n[8](https://example.org/x.md)";
        let faults: Vec<_> =
            links(text).filter_map(|link| Some((link, fault(&document, text, link).unwrap()?))).collect();
        let expected =
            [("c.md", "no such file"), ("b.md#no-heading", "no such heading"), ("#there", "no such heading")];
        assert_eq!(faults, expected);
    }
}
