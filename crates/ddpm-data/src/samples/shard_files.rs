//! A folder of safetensors files with a fixed number of images each, for sets too large for one file a piece.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::record::SamplePlan;
use super::row_file::{Layout, RowFile};
use super::store::Store;
use crate::atomic;
use crate::error::{DataError, Result};

/// Images in one file; the last may have fewer.
pub const SHARD: u64 = 1000;

/// `shard-00000.safetensors` and so on. A file that is not full has a hidden name.
pub(super) struct ShardFiles {
    folder: PathBuf,
    plan: SamplePlan,
    settings: String,
    /// The file that grows, with its number.
    open: Option<(u64, RowFile)>,
}

impl ShardFiles {
    pub(super) fn new(folder: &Path, plan: &SamplePlan, settings: String) -> Self {
        ShardFiles { folder: folder.to_path_buf(), plan: plan.clone(), settings, open: None }
    }

    fn full(&self, shard: u64) -> PathBuf {
        self.folder.join(format!("shard-{shard:05}.safetensors"))
    }

    fn growing(&self, shard: u64) -> PathBuf {
        self.folder.join(format!(".shard-{shard:05}.safetensors.part"))
    }

    /// Images in a shard when it is full.
    fn size(&self, shard: u64) -> u64 {
        SHARD.min(self.plan.num - shard * SHARD)
    }

    fn row_file(&self, path: &Path, shard: u64) -> RowFile {
        let (first, rows) = (shard * SHARD, self.size(shard));
        let labels =
            self.plan.labels.as_ref().map(|labels| (first..first + rows).map(|i| labels.of(i)).collect());
        let shape = &self.plan.shape;
        let settings = &self.settings;
        RowFile::new(path, &Layout { tensor: "images", dtype: "U8", width: 1, rows, shape, labels, settings })
    }
}

/// Whether a file of the folder is one of these.
pub(super) fn is_name(name: &str) -> bool {
    let full = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part")).unwrap_or(name);
    let number = full.strip_prefix("shard-").and_then(|rest| rest.strip_suffix(".safetensors"));
    number.is_some_and(|number| number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(DataError::io("remove", path)),
    }
}

impl Store for ShardFiles {
    fn kept(&self, finished: u64) -> Result<u64> {
        for shard in 0..finished.div_ceil(SHARD) {
            let (first, size) = (shard * SHARD, self.size(shard));
            let wanted = size.min(finished - first);
            // A batch that was not counted may have filled the last one.
            let path = match self.full(shard) {
                full if full.is_file() || wanted == size => full,
                _ => self.growing(shard),
            };
            let kept = self.row_file(&path, shard).kept(wanted)?;
            if kept < wanted {
                return Ok(first + kept);
            }
        }
        Ok(finished)
    }

    fn resume(&mut self, at: u64) -> Result<()> {
        let (shard, rows) = (at / SHARD, at % SHARD);
        for later in shard + u64::from(rows > 0)..self.plan.num.div_ceil(SHARD) {
            // Files are made in order: after the first that is missing there are none.
            let (full, growing) = (self.full(later), self.growing(later));
            if !full.exists() && !growing.exists() {
                break;
            }
            remove(&full)?;
            remove(&growing)?;
        }
        if rows == 0 || at == self.plan.num {
            return Ok(());
        }
        // A batch that was not counted may have filled the file.
        let (full, growing) = (self.full(shard), self.growing(shard));
        if full.is_file() {
            fs::rename(&full, &growing).map_err(DataError::io("rename", &full))?;
        }
        let mut file = self.row_file(&growing, shard);
        file.resume(rows)?;
        self.open = Some((shard, file));
        Ok(())
    }

    fn append(&mut self, first: u64, bytes: &[u8]) -> Result<()> {
        let image = self.plan.dimension().max(1);
        let (mut first, mut bytes) = (first, bytes);
        while !bytes.is_empty() {
            let (shard, row) = (first / SHARD, first % SHARD);
            let size = self.size(shard);
            let (now, later) = bytes.split_at(bytes.len().min(((size - row) * image) as usize));
            let mut file = match self.open.take() {
                Some((open, file)) if open == shard => file,
                _ => self.row_file(&self.growing(shard), shard),
            };
            file.append(row, now)?;
            let count = now.len() as u64 / image;
            if row + count == size {
                let (from, to) = (self.growing(shard), self.full(shard));
                fs::rename(&from, &to).map_err(DataError::io("rename", &from))?;
                atomic::sync_folder(&self.folder)?;
            } else {
                self.open = Some((shard, file));
            }
            (first, bytes) = (first + count, later);
        }
        Ok(())
    }
}
