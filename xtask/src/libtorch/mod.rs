//! A libtorch folder and its checks, which read files alone.

mod choice;
mod freshness;
mod link;

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub(crate) use choice::{Build, Request, Source, choose, user_libtorch};
pub(crate) use freshness::{clean, is_fresh};
pub(crate) use link::{Link, point_link_at, read_link};

use crate::environment::requirements;

/// A libtorch that this project can be built against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Libtorch {
    /// The folder that holds `lib` and `include`, free of symbolic links.
    pub(crate) dir: PathBuf,
    /// As libtorch gives it, such as `2.13.0+cu130`.
    pub(crate) version: String,
    /// Whether it has CUDA (it can be linked without a GPU).
    pub(crate) cuda: bool,
}

impl Libtorch {
    /// Check a folder; the error says in one line what is wrong and what to do.
    pub(crate) fn inspect(dir: &Path) -> Result<Self> {
        let shown = dir.display();
        let dir = fs::canonicalize(dir).with_context(|| format!("no libtorch at {shown}"))?;
        let library = format!("libtorch_cpu{}", env::consts::DLL_SUFFIX);
        for needed in [Path::new("lib").join(&library), PathBuf::from("include/torch")] {
            if !dir.join(&needed).exists() {
                bail!(
                    "{shown} is no libtorch: it has no {}; give the folder that holds lib/ and include/ \
                     (pip's is <site-packages>/torch)",
                    needed.display()
                );
            }
        }
        let Some(version) = version(&dir) else {
            bail!(
                "{shown} does not say which libtorch it is: it has no build-version, version.py or version.h"
            );
        };
        let wanted = requirements::torch_series();
        if !in_series(&version, wanted) && env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_none() {
            bail!(
                "{shown} is libtorch {version}, this project needs {wanted}.x: run `cargo xtask setup --cpu` or \
                 `--cuda` to install it (with LIBTORCH unset), or give a {wanted} folder"
            );
        }
        let cuda = dir.join("lib").join(format!("libtorch_cuda{}", env::consts::DLL_SUFFIX)).exists();
        Ok(Self { dir, version, cuda })
    }
}

impl fmt::Display for Libtorch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flavour = if self.cuda { "with CUDA" } else { "CPU only" };
        write!(formatter, "libtorch {}, {flavour}, in {}", self.version, self.dir.display())
    }
}

/// The version as the folder states it: `build-version` in PyTorch's zip files, `version.py` in pip's wheels, and a
/// header in both and in builds from source.
fn version(dir: &Path) -> Option<String> {
    let read = |path: &str| fs::read_to_string(dir.join(path)).ok();
    let from_zip = || Some(read("build-version")?.trim().to_owned()).filter(|version| !version.is_empty());
    let from_wheel = || {
        let text = read("version.py")?;
        let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
        Some(line.trim().trim_matches(['\'', '"']).to_owned())
    };
    let from_header = || {
        let text = read("include/torch/headeronly/version.h")
            .or_else(|| read("include/torch/csrc/api/include/torch/version.h"))?;
        let part = |name: &str| {
            let prefix = format!("#define TORCH_VERSION_{name} ");
            text.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::trim)
        };
        Some(format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?))
    };
    from_zip().or_else(from_wheel).or_else(from_header)
}

/// Whether `2.13.0+cu130` belongs to `2.13`.
fn in_series(version: &str, series: &str) -> bool {
    version.strip_prefix(series).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '+', 'a', 'r']))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder with the files that identify a libtorch, and nothing in them.
    pub(crate) fn fake(dir: &Path, version: &str, cuda: bool) {
        fs::create_dir_all(dir.join("lib")).unwrap();
        fs::create_dir_all(dir.join("include/torch")).unwrap();
        fs::write(dir.join("lib").join(format!("libtorch_cpu{}", env::consts::DLL_SUFFIX)), "").unwrap();
        if cuda {
            fs::write(dir.join("lib").join(format!("libtorch_cuda{}", env::consts::DLL_SUFFIX)), "").unwrap();
        }
        fs::write(dir.join("version.py"), format!("__all__ = []\n__version__ = '{version}'\ncuda = None\n"))
            .unwrap();
    }

    #[test]
    fn version_and_flavour_are_read_from_each_kind_of_folder() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path();
        fake(dir, "2.13.0+cu130", true);
        let libtorch = Libtorch::inspect(dir).unwrap();
        assert_eq!((libtorch.version.as_str(), libtorch.cuda), ("2.13.0+cu130", true));

        fs::remove_file(dir.join("version.py")).unwrap();
        assert!(Libtorch::inspect(dir).unwrap_err().to_string().contains("does not say which libtorch"));

        fs::create_dir_all(dir.join("include/torch/headeronly")).unwrap();
        let header = "#define TORCH_VERSION_MAJOR 2\n\n#define TORCH_VERSION_MINOR 13\n#define TORCH_VERSION_PATCH 4\n";
        fs::write(dir.join("include/torch/headeronly/version.h"), header).unwrap();
        assert_eq!(Libtorch::inspect(dir).unwrap().version, "2.13.4");

        fs::write(dir.join("build-version"), "2.13.1+cpu\n").unwrap();
        assert_eq!(Libtorch::inspect(dir).unwrap().version, "2.13.1+cpu");
    }

    #[test]
    fn what_is_unusable_is_named_with_the_remedy() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("torch");
        let message = |dir: &Path| format!("{:#}", Libtorch::inspect(dir).unwrap_err());
        assert!(message(&dir).starts_with(&format!("no libtorch at {}", dir.display())));

        fs::create_dir_all(&dir).unwrap();
        assert!(message(&dir).contains("it has no lib/libtorch_cpu"), "{}", message(&dir));

        fake(&dir, "2.12.1+cpu", false);
        let message = message(&dir);
        assert!(message.contains("is libtorch 2.12.1+cpu, this project needs 2.13.x"), "{message}");
        assert!(message.contains("cargo xtask setup"), "{message}");
        assert!(!message.contains('\n'));
    }

    #[test]
    fn a_series_is_no_mere_prefix() {
        assert!(in_series("2.13.0+cpu", "2.13"));
        assert!(in_series("2.13", "2.13"));
        assert!(!in_series("2.130.0", "2.13"));
        assert!(!in_series("2.1.3", "2.13"));
    }
}
