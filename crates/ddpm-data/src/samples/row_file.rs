//! A safetensors file that grows by whole rows: its header, which states the final number of rows, is written first.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::store::Store;
use crate::error::{DataError, Result};

/// The content of a file.
pub(super) struct Layout<'a> {
    /// The name of the tensor that grows.
    pub(super) tensor: &'static str,
    /// Its type: `U8` or `F32`.
    pub(super) dtype: &'static str,
    /// Bytes of one of its numbers.
    pub(super) width: u64,
    /// Its rows when the file is complete.
    pub(super) rows: u64,
    /// Shape of one row.
    pub(super) shape: &'a [usize],
    /// The class of each row.
    pub(super) labels: Option<Vec<i64>>,
    /// The settings as JSON, the metadata entry `ddpm`.
    pub(super) settings: &'a str,
}

impl Layout<'_> {
    fn row_bytes(&self) -> u64 {
        self.width * self.shape.iter().map(|&size| size as u64).product::<u64>()
    }

    /// Everything before the first row: the length of the header, the header, and the labels.
    fn prefix(&self) -> Vec<u8> {
        let mut header = Map::new();
        // The entry `format` is what PyTorch's readers expect.
        header.insert("__metadata__".to_string(), json!({"format": "pt", "ddpm": self.settings}));
        let mut begin = 0;
        if let Some(labels) = &self.labels {
            begin = 8 * labels.len() as u64;
            let entry = json!({"dtype": "I64", "shape": [labels.len()], "data_offsets": [0, begin]});
            header.insert("labels".to_string(), entry);
        }
        let shape: Vec<u64> =
            [self.rows].into_iter().chain(self.shape.iter().map(|&size| size as u64)).collect();
        let end = begin + self.rows * self.row_bytes();
        let entry = json!({"dtype": self.dtype, "shape": shape, "data_offsets": [begin, end]});
        header.insert(self.tensor.to_string(), entry);
        let mut text = Value::Object(header).to_string().into_bytes();
        // The data begin at a multiple of 8 bytes.
        text.resize(text.len().next_multiple_of(8), b' ');
        let mut prefix = (text.len() as u64).to_le_bytes().to_vec();
        prefix.extend(text);
        prefix.extend(self.labels.iter().flatten().flat_map(|label| label.to_le_bytes()));
        prefix
    }
}

/// The growing file.
pub(super) struct RowFile {
    path: PathBuf,
    prefix: Vec<u8>,
    row_bytes: u64,
    file: Option<File>,
}

impl RowFile {
    pub(super) fn new(path: &Path, layout: &Layout<'_>) -> Self {
        let (prefix, row_bytes) = (layout.prefix(), layout.row_bytes());
        RowFile { path: path.to_path_buf(), prefix, row_bytes, file: None }
    }

    /// The bytes of all rows.
    pub(super) fn read_rows(&self) -> Result<Vec<u8>> {
        let mut bytes = fs::read(&self.path).map_err(DataError::io("read", &self.path))?;
        Ok(bytes.split_off(self.prefix.len().min(bytes.len())))
    }
}

impl Store for RowFile {
    fn kept(&self, finished: u64) -> Result<u64> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            file => file.map_err(DataError::io("read", &self.path))?,
        };
        let length = file.metadata().map_err(DataError::io("read", &self.path))?.len();
        let mut prefix = vec![0; self.prefix.len()];
        if file.read_exact(&mut prefix).is_err() || prefix != self.prefix {
            return Ok(0);
        }
        Ok(finished.min((length - self.prefix.len() as u64) / self.row_bytes.max(1)))
    }

    fn resume(&mut self, at: u64) -> Result<()> {
        let open = OpenOptions::new().create(true).truncate(at == 0).write(true).open(&self.path);
        let mut file = open.map_err(DataError::io("write", &self.path))?;
        let written = if at == 0 {
            file.write_all(&self.prefix)
        } else {
            let length = self.prefix.len() as u64 + at * self.row_bytes;
            file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0))).map(|_| ())
        };
        written.map_err(DataError::io("write", &self.path))?;
        self.file = Some(file);
        Ok(())
    }

    fn append(&mut self, first: u64, bytes: &[u8]) -> Result<()> {
        if self.file.is_none() {
            self.resume(first)?;
        }
        if let Some(file) = &mut self.file {
            file.write_all(bytes)
                .and_then(|()| file.sync_data())
                .map_err(DataError::io("write", &self.path))?;
        }
        Ok(())
    }
}
