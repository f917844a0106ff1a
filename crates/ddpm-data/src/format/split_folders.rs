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
}

impl SplitFolders {
    /// Finds the folders below `root`; upper and lower case are the same.
    pub(crate) fn find(root: &Path) -> Self {
        match sub_folder(root, TRAIN) {
            Some(train) => Self { train, held_out: HELD_OUT.iter().find_map(|name| sub_folder(root, name)) },
            None => Self { train: root.to_path_buf(), held_out: None },
        }
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
            let SplitFolders { train, held_out } = SplitFolders::find(root.path());
            let name = |path: PathBuf| path.strip_prefix(root.path()).unwrap().display().to_string();
            (name(train), held_out.map(name))
        };
        let both = |train: &str, held_out: &str| (train.to_string(), Some(held_out.to_string()));
        assert_eq!(found(&["train", "test"]), both("train", "test"));
        assert_eq!(found(&["Train", "Validation"]), both("Train", "Validation"));
        assert_eq!(found(&["train", "val", "test"]), both("train", "test"));
        assert_eq!(found(&["train", "cat"]), ("train".to_string(), None));
        assert_eq!(found(&["cat", "test"]), (String::new(), None), "classes of a set without splits");
    }
}
