//! A part of a file as a file of its own.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// The `length` bytes from `start` on, without a position that other readers share.
#[derive(Debug)]
pub(super) struct FileWindow<'a> {
    pub(super) file: &'a File,
    pub(super) start: u64,
    pub(super) length: u64,
    /// The next byte to be read, from the start of the window.
    pub(super) position: u64,
}

impl Read for FileWindow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position).min(buffer.len() as u64) as usize;
        let count = self.file.read_at(&mut buffer[..left], self.start + self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for FileWindow<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
