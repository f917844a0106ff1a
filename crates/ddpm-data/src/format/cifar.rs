//! The binary version of CIFAR-10 (<https://www.cs.toronto.edu/~kriz/cifar.html>): six batches of 10,000 records, a
//! record being one label byte and 3,072 pixel bytes, the red plane first, then green, then blue.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use crate::error::{DataError, Place, Result};
use crate::format::regular_file::{self, MOST_BYTES};
use crate::image_set::{Dataset, ImageSet, ImageShape};

/// The shape of an image.
pub(crate) const SHAPE: ImageShape = ImageShape::new(3, 32, 32);

/// The classes in the order of their labels.
pub(crate) const CLASS_NAMES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The name of the archive.
pub(crate) const ARCHIVE: &str = "cifar-10-binary.tar.gz";

/// The folder inside the archive.
pub(crate) const FOLDER: &str = "cifar-10-batches-bin";

/// The folder of the version for Python, which holds pickles.
pub(crate) const PYTHON_FOLDER: &str = "cifar-10-batches-py";

const TRAIN_FILES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const HELD_OUT_FILE: &str = "test_batch.bin";

const RECORDS: usize = 10_000;
const RECORD_BYTES: usize = 1 + SHAPE.dimension();
const BATCH_BYTES: usize = RECORDS * RECORD_BYTES;

/// Whether a folder holds the first batch, and so should hold all.
pub(crate) fn is_batch_folder(folder: &Path) -> bool {
    folder.join(TRAIN_FILES[0]).is_file()
}

/// Reads the batches in a folder.
pub(crate) fn load_folder(folder: &Path) -> Result<Dataset> {
    let mut parts = Parts::default();
    for name in TRAIN_FILES.iter().chain([&HELD_OUT_FILE]) {
        let path = folder.join(name);
        let bytes = regular_file::read(&path, MOST_BYTES)?;
        parts.add(name, &path, &bytes)?;
    }
    parts.finish(folder)
}

/// Reads the batches straight from the archive.
pub(crate) fn load_archive(archive: &Path) -> Result<Dataset> {
    let file = File::open(archive).map_err(DataError::io("read", archive))?;
    let mut tar = tar::Archive::new(GzDecoder::new(std::io::BufReader::with_capacity(1 << 18, file)));
    let mut parts = Parts::default();
    for entry in tar.entries().map_err(DataError::io("unpack", archive))? {
        let mut entry = entry.map_err(DataError::io("unpack", archive))?;
        let inside = entry.path().map_err(DataError::io("unpack", archive))?.into_owned();
        let Some(name) = inside.file_name().and_then(|name| name.to_str()) else { continue };
        if !name.ends_with(".bin") || !entry.header().entry_type().is_file() {
            continue;
        }
        // One byte more than a batch has is enough to see that it is too long.
        let mut bytes = Vec::new();
        entry
            .by_ref()
            .take(BATCH_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(DataError::io("unpack", archive))?;
        parts.add(name, &archive.join(&inside), &bytes)?;
    }
    parts.finish(archive)
}

/// The batches read so far; an archive may list them in any order.
#[derive(Default)]
struct Parts {
    train: [Option<Batch>; 5],
    held_out: Option<Batch>,
}

struct Batch {
    pixels: Vec<u8>,
    labels: Vec<i64>,
}

impl Parts {
    fn add(&mut self, name: &str, path: &Path, bytes: &[u8]) -> Result<()> {
        if let Some(k) = TRAIN_FILES.iter().position(|file| *file == name) {
            self.train[k] = Some(parse(path, bytes)?);
        } else if name == HELD_OUT_FILE {
            self.held_out = Some(parse(path, bytes)?);
        }
        Ok(())
    }

    fn finish(self, place: &Path) -> Result<Dataset> {
        let missing =
            |file: &str| DataError::no_data(place, format!("the batch {file}"), "an incomplete set");
        let mut pixels = Vec::with_capacity(TRAIN_FILES.len() * RECORDS * SHAPE.dimension());
        let mut labels = Vec::with_capacity(TRAIN_FILES.len() * RECORDS);
        for (batch, file) in self.train.into_iter().zip(TRAIN_FILES) {
            let batch = batch.ok_or_else(|| missing(file))?;
            pixels.extend_from_slice(&batch.pixels);
            labels.extend_from_slice(&batch.labels);
        }
        let held_out = self.held_out.ok_or_else(|| missing(HELD_OUT_FILE))?;
        Ok(Dataset {
            train: labelled(pixels, labels)?,
            held_out: Some(labelled(held_out.pixels, held_out.labels)?),
        })
    }
}

fn labelled(pixels: Vec<u8>, labels: Vec<i64>) -> Result<ImageSet> {
    ImageSet::new(SHAPE, pixels)?.with_labels(labels, CLASS_NAMES.map(str::to_string).to_vec())
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Batch> {
    if bytes.len() != BATCH_BYTES {
        let place = Place::Byte(bytes.len().min(BATCH_BYTES) as u64);
        let expected = format!("{BATCH_BYTES} bytes in all ({RECORDS} records of {RECORD_BYTES})");
        return Err(DataError::malformed(path, place, expected, bytes.len()));
    }
    let mut batch = Batch {
        pixels: Vec::with_capacity(RECORDS * SHAPE.dimension()),
        labels: Vec::with_capacity(RECORDS),
    };
    for (record, content) in bytes.chunks_exact(RECORD_BYTES).enumerate() {
        if usize::from(content[0]) >= CLASS_NAMES.len() {
            let place = Place::Record { record: record as u64, byte: (record * RECORD_BYTES) as u64 };
            return Err(DataError::malformed(path, place, "a label in 0..=9", content[0]));
        }
        batch.labels.push(i64::from(content[0]));
        batch.pixels.extend_from_slice(&content[1..]);
    }
    Ok(batch)
}

/// Finds the binary version below `root`: the batch files at its root or in their own folder, or the archive.
pub(crate) fn locate(root: &Path) -> Option<Location> {
    let batches = [root.to_path_buf(), root.join(FOLDER)].into_iter().find(|folder| is_batch_folder(folder));
    let archive = || Some(root.join(ARCHIVE)).filter(|archive| archive.is_file());
    batches.map(Location::Batches).or_else(|| archive().map(Location::Archive))
}

/// A place that holds the binary version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// A folder of batch files.
    Batches(PathBuf),
    /// The gzipped tar archive.
    Archive(PathBuf),
}

impl Location {
    pub(crate) fn load(&self) -> Result<Dataset> {
        match self {
            Self::Batches(folder) => load_folder(folder),
            Self::Archive(archive) => load_archive(archive),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_label_is_named_with_record_and_offset() {
        let mut bytes = vec![0; RECORDS * RECORD_BYTES];
        bytes[2 * RECORD_BYTES] = 11;
        let error = parse(Path::new("b.bin"), &bytes).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("b.bin: record 2 (byte 6146): expected a label in 0..=9, got 11"));
    }

    #[test]
    fn a_short_file_is_named_with_what_was_expected() {
        let bytes = vec![0; 5 * RECORD_BYTES];
        let error = parse(Path::new("b.bin"), &bytes).err().map(|error| error.to_string());
        let expected = "b.bin: byte 15365: expected 30730000 bytes in all (10000 records of 3073), got 15365";
        assert_eq!(error.as_deref(), Some(expected));
    }
}
