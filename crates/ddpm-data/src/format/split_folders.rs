//! The folders of the training set and of the held-out set below the root of a data set.

use std::fs;
use std::path::{Path, PathBuf};

const TRAIN: &str = "train";

/// Common names of the held-out folder; the first that exists is used.
const HELD_OUT: [&str; 3] = ["test", "val", "validation"];

/// The folders of both sets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SplitFolders {
    /// `train`, or the root itself where there is no such folder.
    pub(crate) train: PathBuf,
    /// `test`, `val` or `validation` beside `train`.
    pub(crate) held_out: Option<PathBuf>,
    /// Other folders beside them, sorted, which are not read.
    pub(crate) others: Vec<PathBuf>,
}

impl SplitFolders {
    /// Finds the folders below `root`; upper and lower case are the same.
    pub(crate) fn find(root: &Path) -> Self {
        let Some(train) = sub_folder(root, TRAIN) else {
            return Self { train: root.to_path_buf(), held_out: None, others: Vec::new() };
        };
        let held_out = HELD_OUT.iter().find_map(|name| sub_folder(root, name));
        let mut others: Vec<PathBuf> =
            fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        others.retain(|path| {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            path.is_dir() && !hidden && *path != train && Some(path) != held_out.as_ref()
        });
        others.sort_unstable();
        Self { train, held_out, others }
    }
}

fn sub_folder(root: &Path, name: &str) -> Option<PathBuf> {
    let exact = root.join(name);
    if exact.is_dir() {
        return Some(exact);
    }
    let mut similar: Vec<PathBuf> = fs::read_dir(root)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|found| found.eq_ignore_ascii_case(name)))
        .filter(|path| path.is_dir())
        .collect();
    similar.sort_unstable();
    similar.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_are_found() {
        let found = |folders: &[&str]| {
            let root = tempfile::tempdir().unwrap();
            folders.iter().for_each(|name| fs::create_dir(root.path().join(name)).unwrap());
            let SplitFolders { train, held_out, others } = SplitFolders::find(root.path());
            let name = |path: PathBuf| path.strip_prefix(root.path()).unwrap().display().to_string();
            (name(train), held_out.map(name), others.into_iter().map(name).collect::<Vec<_>>())
        };
        let both = |train: &str, held_out: &str| (train.to_string(), Some(held_out.to_string()), vec![]);
        assert_eq!(found(&["train", "test"]), both("train", "test"));
        assert_eq!(found(&["Train", "Validation"]), both("Train", "Validation"));
        assert_eq!(found(&["train", "val"]), both("train", "val"));
        let others = |name: &str| vec![name.to_string()];
        let (train, test) = ("train".to_string(), Some("test".to_string()));
        assert_eq!(found(&["train", "val", "test"]), (train.clone(), test, others("val")));
        assert_eq!(found(&["train", "cat"]), (train, None, others("cat")));
        assert_eq!(found(&["cat", "test"]), (String::new(), None, vec![]), "classes of a set without splits");
    }
}
