//! Cleaning of build outputs that belong to another libtorch.
//!
//! Cargo tracks the value of `LIBTORCH`, which stays `.libtorch` when the link changes: it would rebuild nothing and link
//! objects of two libtorch versions. Therefore the target folder has a note of the libtorch that it was built against,
//! and a mismatch cleans the crates that read libtorch's files. This also covers a second target folder, a link changed
//! by hand, and a set-up that was interrupted between the link and the cleaning.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Libtorch;
use crate::process;
use crate::workspace::Workspace;

/// Crates whose build scripts read libtorch's headers or paths.
const READ_LIBTORCH: [&str; 3] = ["torch-sys", "torch-ext", "ddpm-cli"];

const NOTE: &str = ".libtorch-used";

/// Clean outputs that were built against another libtorch and write the note; true if there were any.
pub(crate) fn clean(workspace: &Workspace, target: &Path, libtorch: &Libtorch) -> Result<bool> {
    let stale = holds_torch(target);
    if stale {
        for profile in ["dev", "release"] {
            let mut clean = workspace.cargo();
            clean.args(["clean", "--quiet", "--profile", profile]);
            for name in READ_LIBTORCH {
                clean.args(["--package", name]);
            }
            process::run(&mut clean)?;
        }
    }
    fs::create_dir_all(target)
        .and_then(|()| fs::write(target.join(NOTE), note(libtorch)))
        .with_context(|| format!("cannot write to the target folder {}", target.display()))?;
    Ok(stale)
}

/// Whether any profile, for this machine or a named target (`target/TRIPLE/PROFILE`), has built torch-sys.
fn holds_torch(target: &Path) -> bool {
    let folders = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    folders(target).flat_map(|dir| folders(&dir).chain([dir.clone()]).collect::<Vec<_>>()).any(|profile| {
        folders(&profile.join("build"))
            .any(|dir| dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with("torch-sys-")))
    })
}

/// Whether the target folder was last prepared for this libtorch.
pub(crate) fn is_fresh(target: &Path, libtorch: &Libtorch) -> bool {
    fs::read_to_string(target.join(NOTE)).is_ok_and(|text| text == note(libtorch))
}

fn note(libtorch: &Libtorch) -> String {
    format!("{}\n{}\n", libtorch.dir.display(), libtorch.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_of_torch_are_found_in_every_layout_of_the_target_folder() {
        let temporary = tempfile::tempdir().unwrap();
        let target = temporary.path();
        fs::create_dir_all(target.join("debug/build/anyhow-0123")).unwrap();
        assert!(!holds_torch(target));
        assert!(!holds_torch(&target.join("absent")));
        for layout in ["release", "aarch64-apple-darwin/debug"] {
            let build = target.join(layout).join("build");
            fs::create_dir_all(build.join("torch-sys-0123")).unwrap();
            assert!(holds_torch(target), "{layout}");
            fs::remove_dir_all(build).unwrap();
        }
    }
}
