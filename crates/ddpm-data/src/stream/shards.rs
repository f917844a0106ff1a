//! Tar shards in the layout of WebDataset: the members of a sample share a key, and their endings say what they are.
//!
//! ```text
//! 000017.png   (or .jpg, .jpeg, .jpe, .jfif)   the image
//! 000017.cls                                   its class, a whole number from 0 in digits; or
//! 000017.json                                  an object with the class under "cls" or "label"
//! ```
//!
//! Opening reads the headers of all members and keeps where each image's bytes lie (16 bytes an image): any image is then one read away, so
//! that the order of a run is exact. Shards are sorted by name; members keep their order in the shard. Compressed shards are refused, since
//! images are compressed already. A shard without the end-of-archive marker is refused, since it may have been cut.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::source::{ImageSource, check_read};
use crate::error::{DataError, Place, Result};
use crate::format::image_file::{READABLE, UNREADABLE, decode_bytes, header_of_bytes};
use crate::image_set::ImageShape;

/// Endings of compressed tar files, which are refused.
const COMPRESSED: [&str; 6] = [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4"];

/// Classes are numbered from 0, so that the largest number decides how many there are.
const MAX_CLASSES: i64 = 1_000_000;

/// Headers and members of a tar file start at multiples of this many bytes.
const TAR_BLOCK: usize = 512;

/// The images of all shards of a folder.
#[derive(Debug)]
pub(super) struct Shards {
    shards: Vec<(PathBuf, File)>,
    members: Vec<Member>,
    shape: ImageShape,
    labels: Option<Vec<i64>>,
    class_names: Vec<String>,
}

/// Position of an image's bytes in a shard.
#[derive(Debug, Clone, Copy)]
struct Member {
    shard: u32,
    length: u32,
    offset: u64,
}

/// The members of one sample that were found so far.
#[derive(Default)]
struct Sample {
    image: Option<Member>,
    class: Option<i64>,
}

/// Whether a folder holds tar files; opening the folder names those that cannot be read.
pub(super) fn is_folder_of_shards(folder: &Path) -> bool {
    match list(folder) {
        Ok(shards) => !shards.is_empty(),
        Err(error) => matches!(error, DataError::Malformed(_)),
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut shards = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io("read the folder", folder))? {
        let path = entry.map_err(DataError::io("read the folder", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "tar") {
            shards.push(path);
        } else if COMPRESSED.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
            let expected = "an uncompressed tar file (images are compressed already)";
            return Err(DataError::malformed(&path, Place::WholeFile, expected, "a compressed one"));
        }
    }
    shards.sort_unstable();
    Ok(shards)
}

impl Shards {
    /// Reads the index of every shard in `folder`. Held-out images must have the shape and classes of the training images `like`.
    pub(super) fn open(folder: &Path, like: Option<&dyn ImageSource>) -> Result<Self> {
        let (mut shards, mut members, mut classes) = (Vec::new(), Vec::new(), Vec::new());
        for path in list(folder)? {
            let file = File::open(&path).map_err(DataError::io("read", &path))?;
            for (key, sample) in read_index(&path, &file, shards.len() as u32)? {
                // A label without an image belongs to no sample of ours.
                if let Some(image) = sample.image {
                    members.push(image);
                    classes.push((sample.class, path.join(key)));
                }
            }
            shards.push((path, file));
        }
        let Some(&first) = members.first() else {
            return Err(DataError::no_data(folder, "tar files of PNG or JPEG images", "no image"));
        };
        let mut source = Shards {
            shards,
            members,
            shape: ImageShape::new(1, 1, 1),
            labels: None,
            class_names: Vec::new(),
        };
        let path = &source.shards[first.shard as usize].0;
        source.shape = match like {
            Some(like) => like.shape(),
            None => header_of_bytes(&source.bytes(first)?, path)?,
        };
        source.labels = labels(&classes)?;
        source.class_names = match like {
            Some(like) => like.class_names().to_vec(),
            None => {
                let count = source.labels.iter().flatten().max().map_or(0, |&largest| largest + 1);
                (0..count).map(|class| class.to_string()).collect()
            }
        };
        let classes = source.class_names.len() as i64;
        if let Some(&class) = source.labels.iter().flatten().find(|&&class| class >= classes) {
            let expected = format!("classes below {classes}, those of the training images");
            return Err(DataError::malformed(folder, Place::WholeFile, expected, class));
        }
        Ok(source)
    }

    fn bytes(&self, member: Member) -> Result<Vec<u8>> {
        let (path, file) = &self.shards[member.shard as usize];
        let mut bytes = vec![0; member.length as usize];
        file.read_exact_at(&mut bytes, member.offset).map_err(DataError::io("read", path))?;
        Ok(bytes)
    }
}

/// The samples of a shard by key, in the order in which they begin.
fn read_index(path: &Path, file: &File, shard: u32) -> Result<Vec<(String, Sample)>> {
    let mut archive = tar::Archive::new(file);
    let mut samples: Vec<(String, Sample)> = Vec::new();
    let mut places = BTreeMap::<String, usize>::new();
    let mut end_of_members = 0;
    let entries = archive.entries_with_seek().map_err(DataError::io("read", path))?;
    for entry in entries {
        let mut entry = entry.map_err(DataError::io("read", path))?;
        end_of_members = entry.raw_file_position() + entry.size().next_multiple_of(TAR_BLOCK as u64);
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // The key ends at the first dot of the file's name, not of its folder's.
        let base = name.rfind('/').map_or(0, |slash| slash + 1);
        let Some(dot) = name[base..].find('.').map(|dot| base + dot) else { continue };
        let (key, ending) = (name[..dot].to_string(), name[dot + 1..].to_ascii_lowercase());
        let place = *places.entry(key.clone()).or_insert_with(|| {
            samples.push((key, Sample::default()));
            samples.len() - 1
        });
        let sample = &mut samples[place].1;
        let malformed = |expected: &str, got: String| {
            DataError::malformed(path.join(&name), Place::WholeFile, expected, got)
        };
        if UNREADABLE.contains(&ending.as_str()) {
            return Err(malformed("PNG or JPEG (convert it first)", format!("a .{ending} file")));
        }
        if READABLE.contains(&ending.as_str()) {
            let length = u32::try_from(entry.size())
                .map_err(|_| malformed("an image below 4 GiB", entry.size().to_string()))?;
            if sample.image.is_some() {
                return Err(malformed("one image a key", "a second one".to_string()));
            }
            sample.image = Some(Member { shard, length, offset: entry.raw_file_position() });
        } else if ending == "cls" || ending == "json" {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(DataError::io("read", path))?;
            let expected = format!("a class, a whole number from 0 to {}", MAX_CLASSES - 1);
            sample.class =
                class_of(&ending, &text).map_err(|got| malformed(&expected, got))?.or(sample.class);
        }
    }
    check_end(path, file, end_of_members)?;
    Ok(samples)
}

/// Requires the end-of-archive marker, a block of zeros after the last member: a file that was cut between two members
/// would otherwise be read as a smaller data set.
fn check_end(path: &Path, file: &File, end_of_members: u64) -> Result<()> {
    let length = file.metadata().map_err(DataError::io("read", path))?.len();
    let mut block = [0; TAR_BLOCK];
    if length >= end_of_members + TAR_BLOCK as u64 {
        file.read_exact_at(&mut block, end_of_members).map_err(DataError::io("read", path))?;
        if block.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
    }
    let expected = "the end-of-archive marker (blocks of zeros); the file was cut";
    Err(DataError::malformed(path, Place::Byte(end_of_members), expected, format!("{length} bytes in all")))
}

/// The class that a member's text states; none for an object without one.
fn class_of(ending: &str, text: &str) -> std::result::Result<Option<i64>, String> {
    let shown = || text.trim().chars().take(40).collect::<String>();
    let class = if ending == "cls" {
        Some(text.trim().parse::<i64>().map_err(|_| shown())?)
    } else {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|_| shown())?;
        match value.get("cls").or_else(|| value.get("label")) {
            Some(class) => Some(class.as_i64().ok_or_else(shown)?),
            None => None,
        }
    };
    if class.is_some_and(|class| !(0..MAX_CLASSES).contains(&class)) { Err(shown()) } else { Ok(class) }
}

/// The class of every image, or `None` if no image has one. An error names the first image without a class where others have one.
fn labels(classes: &[(Option<i64>, PathBuf)]) -> Result<Option<Vec<i64>>> {
    let known: Vec<i64> = classes.iter().filter_map(|(class, _)| *class).collect();
    match classes.iter().find(|(class, _)| class.is_none()) {
        None => Ok(Some(known)),
        Some(_) if known.is_empty() => Ok(None),
        Some((_, path)) => {
            let expected = "a .cls or .json beside every image, or beside none";
            Err(DataError::malformed(path, Place::WholeFile, expected, "an image alone"))
        }
    }
}

impl ImageSource for Shards {
    fn len(&self) -> usize {
        self.members.len()
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn labels(&self) -> Option<&[i64]> {
        self.labels.as_deref()
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn read(&self, index: usize, planes: &mut [u8]) -> Result<()> {
        check_read(self, index, planes)?;
        let member = self.members[index];
        let path = &self.shards[member.shard as usize].0;
        decode_bytes(&self.bytes(member)?, &path.join(format!("image {index}")), self.shape, planes)
    }
}
