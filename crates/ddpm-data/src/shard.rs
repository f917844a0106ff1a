//! Division of each batch among the processes of a distributed run.

use std::ops::Range;

use crate::error::{DataError, Result};

/// The part of every batch that one process computes, or a part of that part.
///
/// Samples are numbered through the whole training run. Step `k` consumes the samples
/// `k * global_batch .. (k + 1) * global_batch`, of which part `r` takes the `r`-th run of `local_batch`. A process that
/// computes its images in several parts has consecutive ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Index of the part among those of all processes.
    part: u64,
    /// Parts of the batch in all processes together.
    parts: u64,
    /// The first part of this process.
    own_first: u64,
    /// Parts of each process.
    own_parts: u64,
    local_batch: u64,
}

impl Shard {
    /// The part of process `rank` among `world_size`, with `local_batch` images a step in each process.
    pub fn new(rank: usize, world_size: usize, local_batch: usize) -> Result<Self> {
        Self::parts(rank, world_size, 1, local_batch).map(|parts| parts[0])
    }

    /// The `count` parts that process `rank` among `world_size` computes one after the other, of `local_batch` images each.
    pub fn parts(rank: usize, world_size: usize, count: usize, local_batch: usize) -> Result<Vec<Self>> {
        if rank >= world_size {
            return Err(DataError::mismatch("rank", format!("below the world size {world_size}"), rank));
        }
        if local_batch == 0 || count == 0 {
            return Err(DataError::mismatch("batch size", "at least 1", local_batch.min(count)));
        }
        let (own_first, own_parts) = ((rank * count) as u64, count as u64);
        let part = |k| Self {
            part: own_first + k,
            parts: (world_size * count) as u64,
            own_first,
            own_parts,
            local_batch: local_batch as u64,
        };
        Ok((0..own_parts).map(part).collect())
    }

    /// A single process that takes the whole batch.
    pub fn single(batch: usize) -> Result<Self> {
        Self::new(0, 1, batch)
    }

    /// Index of the part among those of all processes, from 0.
    pub fn part(&self) -> u64 {
        self.part
    }

    /// The part of this process that follows in the same batch; none after the last.
    pub(crate) fn next_part(self) -> Option<Self> {
        (self.part + 1 < self.own_first + self.own_parts).then_some(Self { part: self.part + 1, ..self })
    }

    /// The first part of this process in a batch divided in the same way.
    pub(crate) fn first_part(self) -> Self {
        Self { part: self.own_first, ..self }
    }

    /// Images of this part in a step.
    pub fn local_batch(&self) -> usize {
        self.local_batch as usize
    }

    /// Images a step in all processes together.
    pub fn global_batch(&self) -> usize {
        (self.parts * self.local_batch) as usize
    }

    /// The global sample indices of this part in step `step` (from 0).
    pub fn samples(&self, step: u64) -> Range<u64> {
        let start = (step * self.parts + self.part) * self.local_batch;
        start..start + self.local_batch
    }
}
