//! Tar shards in the layout of WebDataset: the members of a sample share a key, and their endings say what they are.
//!
//! ```text
//! 000017.png    (or .jpg, .webp, ...)   the image, in any format that is read from a folder
//! 000017.cls                            its class, a whole number from 0 in digits; or
//! 000017.json                           an object with the class under "cls" or "label"
//! ```
//!
//! Opening reads the headers of all members and of all images, and keeps where each image's bytes lie (16 bytes an image): any image is then
//! one read away, so that the order of a run is exact. Shards are sorted by name; members keep their order in the shard. Compressed shards are refused, since
//! images are compressed already. A shard without the end-of-archive marker is refused, since it may have been cut.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::encoded::{EncodedImages, Listed, retain};
use super::file_window::FileWindow;
use crate::error::{DataError, Place, Result};
use crate::format::image_file::{FORMATS, Header, MAX_FILE, READABLE, UNREADABLE, header};
use crate::format::regular_file;
use crate::image_options::OnError;
use crate::memory::human_bytes;
use crate::unread::{Unread, kind_of};

/// Endings of compressed tar files, which are refused.
const COMPRESSED: [&str; 6] = [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4"];

/// Classes are numbered from 0, so that the largest number decides how many there are.
const MAX_CLASSES: i64 = 1_000_000;

/// Largest size in bytes of a member that states a class.
const MAX_LABEL_FILE: u64 = 1 << 24;

/// Headers and members of a tar file start at multiples of this many bytes.
const TAR_BLOCK: usize = 512;

/// The images of all shards of a folder.
#[derive(Debug)]
struct Shards {
    shards: Vec<(PathBuf, File)>,
    members: Vec<Member>,
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
    image: Option<(Member, String)>,
    /// Why an image that is there is not read.
    refused: Option<(PathBuf, DataError)>,
    class: Option<i64>,
}

/// Whether a folder holds tar files; opening the folder names those that cannot be read.
pub(super) fn is_folder_of_shards(folder: &Path) -> bool {
    match list(folder, &mut Unread::default()) {
        Ok(shards) => !shards.is_empty(),
        Err(error) => matches!(error, DataError::Malformed(_)),
    }
}

/// The tar files in a folder, sorted.
fn list(folder: &Path, unread: &mut Unread) -> Result<Vec<PathBuf>> {
    let mut shards = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io("read the folder", folder))? {
        let path = entry.map_err(DataError::io("read the folder", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if name.starts_with('.') || path.is_dir() {
            if path.is_dir() && !name.starts_with('.') {
                unread.other_folders.push(path);
            } else {
                unread.add_other_files(BTreeMap::from([(kind_of(&name), 1)]));
            }
        } else if name.ends_with(".tar") {
            shards.push(path);
        } else if COMPRESSED.iter().any(|ending| name.ends_with(ending)) {
            let expected = "an uncompressed tar file (images are compressed already)";
            return Err(DataError::malformed(&path, Place::WholeFile, expected, "a compressed one"));
        } else {
            unread.add_other_files(BTreeMap::from([(kind_of(&name), 1)]));
        }
    }
    shards.sort_unstable();
    Ok(shards)
}

/// Reads the index of every shard in the folder of a split. Held-out images must have the classes of the training images, `known`.
pub(super) fn listed(
    folder: &Path,
    known: Option<&[String]>,
    on_error: OnError,
    unread: &mut Unread,
) -> Result<Listed> {
    let mut source = Shards { shards: Vec::new(), members: Vec::new() };
    let (mut files, mut classes) = (Vec::new(), Vec::new());
    for path in list(folder, unread)? {
        let (file, length) = regular_file::open(&path)?;
        let shard_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for sample in read_index(&path, &file, length, source.shards.len() as u32, unread)? {
            match (sample.refused, on_error) {
                (Some((_, error)), OnError::Stop) => return Err(error),
                (Some((place, error)), OnError::Skip) => unread.skip(&place, &error),
                (None, _) => {}
            }
            // A label without an image belongs to no sample of ours.
            if let Some((member, name)) = sample.image {
                files.push((format!("{shard_name}/{name}"), u64::from(member.length)));
                source.members.push(member);
                classes.push((sample.class, path.join(name)));
            }
        }
        source.shards.push((path, file));
    }
    if source.members.is_empty() {
        return Err(DataError::no_data(folder, format!("tar files of images ({FORMATS})"), "no image"));
    }
    let labels = labels(&classes)?;
    let class_names = match known {
        Some(known) => known.to_vec(),
        None => {
            let count = labels.iter().flatten().max().map_or(0, |&largest| largest + 1);
            (0..count).map(|class| class.to_string()).collect()
        }
    };
    let count = class_names.len() as i64;
    if let Some(&class) = labels.iter().flatten().find(|&&class| class >= count) {
        let expected = format!("classes below {count}, those of the training images");
        return Err(DataError::malformed(folder, Place::WholeFile, expected, class));
    }
    Ok(Listed { images: Box::new(source), files, labels, class_names })
}

impl EncodedImages for Shards {
    /// The member's name is read from its header, so that it takes no memory.
    fn place(&self, index: usize) -> PathBuf {
        let Member { shard, offset, .. } = self.members[index];
        let (path, file) = &self.shards[shard as usize];
        let mut header = tar::Header::new_old();
        let at = offset.checked_sub(TAR_BLOCK as u64);
        match at.map(|at| file.read_exact_at(header.as_mut_bytes(), at)) {
            Some(Ok(())) => path.join(&*String::from_utf8_lossy(&header.path_bytes())),
            _ => path.join(format!("image {index}")),
        }
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        let Member { shard, length, offset } = self.members[index];
        let (path, file) = &self.shards[shard as usize];
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, offset).map_err(DataError::io("read", path))?;
        Ok(bytes)
    }

    fn header(&self, index: usize) -> Result<Header> {
        let Member { shard, length, offset } = self.members[index];
        let file = &self.shards[shard as usize].1;
        let window = FileWindow { file, start: offset, length: u64::from(length), position: 0 };
        header(BufReader::new(window), &self.place(index))
    }

    fn retain(&mut self, kept: &[bool]) {
        retain(&mut self.members, kept);
    }
}

/// The samples of a shard by key, in the order in which they begin; `length` is that of the file.
fn read_index(path: &Path, file: &File, length: u64, shard: u32, unread: &mut Unread) -> Result<Vec<Sample>> {
    let mut archive = tar::Archive::new(file);
    let mut samples: Vec<Sample> = Vec::new();
    let mut places = BTreeMap::<String, usize>::new();
    let mut end_of_members = 0;
    let entries = archive.entries_with_seek().map_err(DataError::io("read", path))?;
    for entry in entries {
        let mut entry = entry.map_err(DataError::io("read", path))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let malformed = |expected: &str, got: String| {
            DataError::malformed(path.join(&name), Place::WholeFile, expected, got)
        };
        let (offset, size) = (entry.raw_file_position(), entry.size());
        end_of_members =
            match size.checked_next_multiple_of(TAR_BLOCK as u64).and_then(|size| offset.checked_add(size)) {
                Some(end) if end <= length => end,
                _ => {
                    let expected = format!(
                        "a member inside its shard of {}; the file was cut",
                        human_bytes(u128::from(length))
                    );
                    return Err(malformed(&expected, human_bytes(u128::from(size))));
                }
            };
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        // The key ends at the first dot of the file's name, not of its folder's.
        let base = name.rfind('/').map_or(0, |slash| slash + 1);
        let dot = name[base..].find('.').map(|dot| base + dot).filter(|&dot| dot > base);
        let ending = dot.map(|dot| name[dot + 1..].to_ascii_lowercase()).unwrap_or_default();
        let is_image = READABLE.contains(&ending.as_str());
        let refused = if UNREADABLE.contains(&ending.as_str()) {
            Some(malformed(&format!("{FORMATS} (convert it first)"), format!("a .{ending} file")))
        } else if is_image && !kind.is_file() {
            Some(malformed("a regular file", "another kind".to_string()))
        } else if is_image && size > MAX_FILE {
            let expected = format!("an image file of at most {}", human_bytes(u128::from(MAX_FILE)));
            Some(malformed(&expected, human_bytes(u128::from(size))))
        } else {
            None
        };
        let is_class = kind.is_file() && (ending == "cls" || ending == "json");
        if !(is_image || refused.is_some() || is_class) {
            unread.add_other_files(BTreeMap::from([(kind_of(&name[base..]), 1)]));
            continue;
        }
        let key = name[..dot.unwrap_or(base)].to_string();
        let place = *places.entry(key).or_insert_with(|| {
            samples.push(Sample::default());
            samples.len() - 1
        });
        let sample = &mut samples[place];
        if let Some(error) = refused {
            sample.refused = Some((path.join(&name), error));
        } else if is_image {
            if sample.image.is_some() {
                return Err(malformed("one image a key", "a second one".to_string()));
            }
            sample.image = Some((Member { shard, length: size as u32, offset }, name));
        } else {
            if size > MAX_LABEL_FILE {
                let expected = format!("a class in at most {}", human_bytes(u128::from(MAX_LABEL_FILE)));
                return Err(malformed(&expected, human_bytes(u128::from(size))));
            }
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(DataError::io("read", path))?;
            let expected = format!("a class, a whole number from 0 to {}", MAX_CLASSES - 1);
            sample.class =
                class_of(&ending, &text).map_err(|got| malformed(&expected, got))?.or(sample.class);
        }
    }
    check_end(path, file, length, end_of_members)?;
    Ok(samples)
}

/// Requires the end-of-archive marker, a block of zeros after the last member, and nothing but zeros after it: a file that was cut
/// between two members, or that was joined from two archives, would otherwise be read as a smaller data set.
fn check_end(path: &Path, file: &File, length: u64, end_of_members: u64) -> Result<()> {
    if length < end_of_members + TAR_BLOCK as u64 {
        let expected = "the end-of-archive marker (blocks of zeros); the file was cut";
        return Err(DataError::malformed(
            path,
            Place::Byte(end_of_members),
            expected,
            format!("{length} bytes in all"),
        ));
    }
    let mut block = [0; 1 << 16];
    let mut at = end_of_members;
    loop {
        let count = file.read_at(&mut block, at).map_err(DataError::io("read", path))?;
        if count == 0 {
            return Ok(());
        }
        if let Some(place) = block[..count].iter().position(|&byte| byte != 0) {
            let place = Place::Byte(at + place as u64);
            return Err(DataError::malformed(
                path,
                place,
                "the end-of-archive marker and nothing but zeros after it",
                "other bytes",
            ));
        }
        at += count as u64;
    }
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
