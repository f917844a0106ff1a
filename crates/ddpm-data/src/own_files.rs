//! The files that a program writes into a folder, by name, and their removal. Files of other origin stay.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::{DataError, Result};

/// Names of the files in one folder.
///
/// In both patterns `#` stands for one or more digits, `@` for one or more hexadecimal digits, and `*` for any characters of a name. Temporary files of [`crate::atomic`] belong to the
/// file that they were to become.
#[derive(Clone, Debug)]
pub struct OwnFiles {
    /// The folder, relative to the root, with `/` between its parts; empty for the root.
    pub folder: String,
    /// The names of its files.
    pub names: &'static [&'static str],
}

/// Removes the files below `root` that `own` lists, and the folders that this empties. A root that does not exist is no error.
pub fn remove(root: &Path, own: &[OwnFiles]) -> Result<()> {
    remove_in(root, "", own)
}

fn remove_in(folder: &Path, relative: &str, own: &[OwnFiles]) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(DataError::io("read", folder)(error)),
    };
    let names: Vec<&str> = own
        .iter()
        .filter(|files| matches(&files.folder, relative))
        .flat_map(|files| files.names.iter().copied())
        .collect();
    for entry in entries {
        let path = entry.map_err(DataError::io("read", folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let below = if relative.is_empty() { name.to_owned() } else { format!("{relative}/{name}") };
        // A link is removed and not followed, unless it stands for one of the folders.
        let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_dir());
        if is_file && names.iter().any(|pattern| matches(pattern, name) || is_temporary(pattern, name)) {
            fs::remove_file(&path).map_err(DataError::io("remove", &path))?;
        } else if path.is_dir() && own.iter().any(|files| matches(&files.folder, &below)) {
            remove_in(&path, &below, own)?;
            // Fails where other files remain, and on a link.
            let _ = fs::remove_dir(&path);
        }
    }
    Ok(())
}

/// Whether [`crate::atomic`] made the name for a file of this pattern.
fn is_temporary(pattern: &str, name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    inner.and_then(|inner| inner.rsplit_once('.')).is_some_and(|(name, _)| matches(pattern, name))
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let end = text.find('/').unwrap_or(text.len());
            (0..=end).any(|at| text.is_char_boundary(at) && matches(&pattern[1..], &text[at..]))
        }
        Some(kind @ ('#' | '@')) => {
            let digit = |byte: &u8| byte.is_ascii_digit() || kind == '@' && byte.is_ascii_hexdigit();
            let end = text.bytes().take_while(digit).count();
            (1..=end).any(|at| matches(&pattern[1..], &text[at..]))
        }
        Some(c) => text.strip_prefix(c).is_some_and(|rest| matches(&pattern[c.len_utf8()..], rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_files_go_and_all_others_stay() {
        let root = tempfile::tempdir().unwrap();
        let own =
            ["config.toml", "log.1.host", "pictures/000001.png", "step-0010/unet/a", "step-0010/.a.Xy1z.tmp"];
        let foreign = [
            "notes.txt",
            "pictures/mine.png",
            "pictures/1.png.bak",
            "step-0010-copy/a",
            "step-0010/unet/b",
            "other/config.toml",
            ".hidden.tmp",
        ];
        for file in own.iter().chain(&foreign) {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let files = |folder: &str, names| OwnFiles { folder: folder.to_owned(), names };
        let table = [
            files("", &["config.toml", "log.#.*"]),
            files("pictures", &["#.png"]),
            files("step-#", &["a"]),
            files("step-#/unet", &["a"]),
        ];
        remove(root.path(), &table).unwrap();
        for file in own {
            assert!(!root.path().join(file).exists(), "{file} is left");
        }
        for file in foreign {
            assert!(root.path().join(file).exists(), "{file} is gone");
        }
        remove(&root.path().join("missing"), &table).unwrap();
    }
}
