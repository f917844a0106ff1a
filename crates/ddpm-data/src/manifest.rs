//! The files of each dataset: URL, size, SHA-256 and licence, from `datasets/manifest.toml` (compiled in).

use std::sync::LazyLock;

use serde::Deserialize;

use crate::error::{DataError, Result};
use crate::name::DatasetName;

static TEXT: &str = include_str!("../../../datasets/manifest.toml");

static MANIFEST: LazyLock<Result<Manifest, String>> =
    LazyLock::new(|| toml::from_str(TEXT).map_err(|error| error.message().to_string()));

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    dataset: Vec<DatasetEntry>,
}

/// A dataset's origin and files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetEntry {
    /// Which dataset.
    pub name: DatasetName,
    /// Its name in prose.
    pub title: String,
    /// The page that describes it.
    pub homepage: String,
    /// The licence it is distributed under.
    pub licence: String,
    /// How to cite it.
    pub citation: String,
    /// The format of its files.
    pub layout: Layout,
    /// Its files.
    pub files: Vec<FileEntry>,
}

/// File format of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// One gzipped table, a line an image: 64 grey levels and the digit.
    DigitsCsv,
    /// Four gzipped IDX files: images and labels to train on and held out.
    Idx,
    /// One gzipped tar archive with six batches of 10,000 records: a label byte and three planes.
    CifarBinary,
}

/// One file to fetch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// The name under which it is stored.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the file as served, in lower-case hexadecimal digits.
    pub sha256: String,
    /// URLs of its mirrors in the order in which they are tried; empty for a file that is part of the program.
    pub urls: Vec<String>,
}

/// Every dataset with an entry, in the order of the manifest.
fn entries() -> Result<&'static [DatasetEntry]> {
    match &*MANIFEST {
        Ok(manifest) => Ok(&manifest.dataset),
        Err(reason) => Err(DataError::Manifest { reason: reason.clone() }),
    }
}

/// One dataset's entry; an error for a folder of images, which is nowhere to be fetched.
pub fn entry(name: DatasetName) -> Result<&'static DatasetEntry> {
    entries()?.iter().find(|entry| entry.name == name).ok_or_else(|| DataError::Manifest {
        reason: format!("no entry for `{name}`, which is read from a folder (--data-dir)"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fetchable_dataset_has_mirrors_and_well_formed_checksums() {
        for name in [DatasetName::Digits, DatasetName::FashionMnist, DatasetName::Cifar10] {
            let entry = entry(name).unwrap();
            assert!(!entry.files.is_empty());
            for file in &entry.files {
                assert_eq!(hex::decode(&file.sha256).unwrap().len(), 32, "{}", file.name);
                assert!(file.sha256.chars().all(|c| !c.is_ascii_uppercase()), "{}", file.name);
                assert!(file.size > 0);
                assert_eq!(file.urls.is_empty(), name == DatasetName::Digits);
                assert_ne!(file.urls.len(), 1, "{} has a single point of failure", file.name);
                assert!(file.urls.iter().all(|url| url.ends_with(&file.name)));
            }
        }
        assert!(entry(DatasetName::ImageFolder).is_err());
    }
}
