//! A digest of training images, for noticing that they changed between the parts of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Images in short: their number and classes, digests, and what is done to them. Two fingerprints are equal if a run reads the same
/// images in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Images.
    pub images: u64,
    /// Images of each class; empty without labels.
    pub classes: BTreeMap<String, u64>,
    /// What is done to the pixels: `data.image_size`, `data.resize`, `data.channels`.
    pub transform: String,
    /// SHA-256 of the names (of the files below the folder; none for a set without image files) and of the labels, in their order.
    pub names: String,
    /// SHA-256 of the sizes of the files in bytes, or of the pixels of a set without image files.
    pub content: String,
}

impl Fingerprint {
    /// Image files with their names and sizes in bytes, in the order in which they are read.
    pub(crate) fn of_files(
        files: &[(String, u64)],
        labels: Option<&[i64]>,
        class_names: &[String],
        transform: String,
    ) -> Self {
        let (mut names, mut sizes) = (Sha256::new(), Sha256::new());
        for (k, (name, size)) in files.iter().enumerate() {
            // The length tells where a name ends, whatever bytes are in it.
            names.update((name.len() as u64).to_le_bytes());
            names.update(name);
            names.update(label(labels, k).to_le_bytes());
            sizes.update(size.to_le_bytes());
        }
        Self {
            images: files.len() as u64,
            classes: count(labels, class_names),
            transform,
            names: hex::encode(names.finalize()),
            content: hex::encode(sizes.finalize()),
        }
    }

    /// Images in memory that come from no image files.
    pub(crate) fn of_pixels(
        images: usize,
        pixels: &[u8],
        labels: Option<&[i64]>,
        class_names: &[String],
    ) -> Self {
        let mut names = Sha256::new();
        (0..images).for_each(|k| names.update(label(labels, k).to_le_bytes()));
        Self {
            images: images as u64,
            classes: count(labels, class_names),
            transform: "none".to_string(),
            names: hex::encode(names.finalize()),
            content: hex::encode(Sha256::digest(pixels)),
        }
    }

    /// What differs `now`, in one line; none if nothing does.
    pub fn difference(&self, now: &Self) -> Option<String> {
        if self.images != now.images || self.classes != now.classes {
            let mut text = format!("{} images then, {} now", self.images, now.images);
            let count = |set: &Self, class: &String| set.classes.get(class).copied().unwrap_or(0);
            let class = self
                .classes
                .keys()
                .chain(now.classes.keys())
                .find(|class| count(self, class) != count(now, class));
            if let Some(class) = class {
                text += &format!(" (class {class}: {} then, {} now)", count(self, class), count(now, class));
            }
            return Some(text);
        }
        if self.transform != now.transform {
            return Some(format!("{} then, {} now", self.transform, now.transform));
        }
        let parts = [
            (self.names != now.names, "names or labels"),
            (self.content != now.content, "file sizes or pixels"),
        ];
        let differing: Vec<&str> =
            parts.into_iter().filter_map(|(differs, name)| differs.then_some(name)).collect();
        (!differing.is_empty()).then(|| {
            format!("{} images then and now, with other {}", now.images, differing.join(" and other "))
        })
    }
}

fn label(labels: Option<&[i64]>, index: usize) -> i64 {
    labels.map_or(-1, |labels| labels[index])
}

fn count(labels: Option<&[i64]>, class_names: &[String]) -> BTreeMap<String, u64> {
    let mut counts = vec![0; class_names.len()];
    labels.unwrap_or_default().iter().for_each(|&label| counts[label as usize] += 1);
    class_names.iter().cloned().zip(counts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let classes = ["cat".to_string(), "dog".to_string()];
        let of = |files: &[(&str, u64)], labels: &[i64], transform: &str| {
            let files: Vec<(String, u64)> =
                files.iter().map(|(name, size)| (name.to_string(), *size)).collect();
            Fingerprint::of_files(&files, Some(labels), &classes, transform.to_string())
        };
        let then = of(&[("a", 1), ("b", 2)], &[0, 1], "none");
        assert_eq!(then.difference(&then.clone()), None);
        let difference = |now: Fingerprint| then.difference(&now).unwrap();
        assert_eq!(
            difference(of(&[("a", 1)], &[0], "none")),
            "2 images then, 1 now (class dog: 1 then, 0 now)"
        );
        assert_eq!(difference(of(&[("a", 1), ("b", 2)], &[0, 1], "crop")), "none then, crop now");
        assert_eq!(
            difference(of(&[("a", 1), ("c", 2)], &[0, 1], "none")),
            "2 images then and now, with other names or labels"
        );
        assert_eq!(
            difference(of(&[("a", 1), ("b", 3)], &[0, 1], "none")),
            "2 images then and now, with other file sizes or pixels"
        );
        assert_eq!(
            difference(of(&[("a", 1), ("b", 2)], &[1, 0], "none")),
            "2 images then and now, with other names or labels"
        );
        assert_ne!(of(&[("ab", 1), ("c", 1)], &[0, 1], "none"), of(&[("a", 1), ("bc", 1)], &[0, 1], "none"));
    }
}
