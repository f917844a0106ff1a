//! What the files of each format have in common.

use crate::error::Result;

/// Files to which samples are appended.
pub(super) trait Store {
    /// Number of samples that are on the disk without a gap before them, at most `finished`.
    fn kept(&self, finished: u64) -> Result<u64>;

    /// Prepares the files for samples from `at` on; what is there of these is discarded, now or when they are written.
    fn resume(&mut self, at: u64) -> Result<()>;

    /// Writes the bytes of the samples from `first` on, which follow those already written, and flushes them to the disk.
    fn append(&mut self, first: u64, bytes: &[u8]) -> Result<()>;
}
