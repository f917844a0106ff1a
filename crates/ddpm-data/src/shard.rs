//! Division of each batch among the processes of a distributed run.

use std::ops::Range;

use crate::error::{DataError, Result};

/// The part of every batch that one process computes.
///
/// Samples are numbered through the whole training run. Step `k` consumes the samples
/// `k * global_batch .. (k + 1) * global_batch`, of which rank `r` takes the `r`-th run of `local_batch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    rank: u64,
    world_size: u64,
    local_batch: u64,
}

impl Shard {
    /// The part of process `rank` among `world_size`, with `local_batch` images a step in each process.
    pub fn new(rank: usize, world_size: usize, local_batch: usize) -> Result<Self> {
        if rank >= world_size {
            return Err(DataError::mismatch("rank", format!("below the world size {world_size}"), rank));
        }
        if local_batch == 0 {
            return Err(DataError::mismatch("batch size", "at least 1", local_batch));
        }
        Ok(Self { rank: rank as u64, world_size: world_size as u64, local_batch: local_batch as u64 })
    }

    /// A single process that takes the whole batch.
    pub fn single(batch: usize) -> Result<Self> {
        Self::new(0, 1, batch)
    }

    /// Index of the process, from 0.
    pub fn rank(&self) -> u64 {
        self.rank
    }

    /// The part that follows in the same batch; none after the last.
    pub(crate) fn next_part(self) -> Option<Self> {
        (self.rank + 1 < self.world_size).then_some(Self { rank: self.rank + 1, ..self })
    }

    /// The first part of a batch divided in the same way.
    pub(crate) fn first_part(self) -> Self {
        Self { rank: 0, ..self }
    }

    /// Images a step in this process.
    pub fn local_batch(&self) -> usize {
        self.local_batch as usize
    }

    /// Images a step in all processes together.
    pub fn global_batch(&self) -> usize {
        (self.world_size * self.local_batch) as usize
    }

    /// The global sample indices of this process in step `step` (from 0).
    pub fn samples(&self, step: u64) -> Range<u64> {
        let start = (step * self.world_size + self.rank) * self.local_batch;
        start..start + self.local_batch
    }
}
