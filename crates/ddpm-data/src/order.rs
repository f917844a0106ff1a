//! The order in which a training run visits its images.
//!
//! Sampling is without replacement: epoch `e` is a permutation of all images, and the samples of a run are numbered
//! through, `g = e * len + position`. Both the image at `g` and whether it is mirrored are pure functions of
//! `(seed, g)`: a resumed run, or one with another number of processes, needs no saved state to be exact. A batch may
//! contain the end of one epoch and the beginning of the next; no image is dropped.

use crate::error::{DataError, Result};
use crate::permutation::{Purpose, keyed_bits, permute};
use crate::shard::Shard;

/// A seeded, endless order over a set of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShuffledOrder {
    seed: u64,
    len: u64,
}

/// The images of one step in one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Global sample index of the first image; the others follow it without a gap.
    pub first_sample: u64,
    /// Index of each image in its set.
    pub indices: Vec<usize>,
    /// Whether each image is to be mirrored left to right, if flips are wanted.
    pub flips: Vec<bool>,
}

impl ShuffledOrder {
    /// An order over `len` images.
    pub fn new(seed: u64, len: usize) -> Result<Self> {
        if len == 0 {
            return Err(DataError::mismatch("images to shuffle", "at least 1", len));
        }
        Ok(Self { seed, len: len as u64 })
    }

    /// The epoch (from 0) that sample `sample` belongs to.
    pub fn epoch_of(&self, sample: u64) -> u64 {
        sample / self.len
    }

    /// The image at global sample index `sample`.
    pub fn index_of(&self, sample: u64) -> usize {
        let key = keyed_bits(self.seed, Purpose::Shuffle, self.epoch_of(sample));
        permute(key, self.len, sample % self.len) as usize
    }

    /// A seeded choice of `count` images (all of them if there are fewer) without replacement, in the order of the set, so that sums over a
    /// complete set do not depend on the seed.
    pub fn choice(&self, count: usize) -> Vec<usize> {
        let mut indices: Vec<usize> =
            (0..(count as u64).min(self.len)).map(|sample| self.index_of(sample)).collect();
        indices.sort_unstable();
        indices
    }

    /// Whether sample `sample` is mirrored: a fair coin.
    pub fn flip_of(&self, sample: u64) -> bool {
        keyed_bits(self.seed, Purpose::Flip, sample) >> 63 == 1
    }

    /// The batch of step `step` (from 0) for one process.
    pub fn batch(&self, step: u64, shard: &Shard) -> Batch {
        let samples = shard.samples(step);
        Batch {
            first_sample: samples.start,
            indices: samples.clone().map(|sample| self.index_of(sample)).collect(),
            flips: samples.map(|sample| self.flip_of(sample)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_epoch_visits_each_image_once(seed: u64, len in 1_usize..600, epoch in 0_u64..1_000_000) {
            let order = ShuffledOrder::new(seed, len).unwrap();
            let start = epoch * len as u64;
            let mut seen: Vec<usize> = (start..start + len as u64).map(|g| order.index_of(g)).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..len).collect::<Vec<_>>());
        }

        #[test]
        fn shards_partition_the_batch(
            seed: u64, len in 1_usize..500, world in 1_usize..9, local in 1_usize..20, step in 0_u64..1_000_000,
        ) {
            let order = ShuffledOrder::new(seed, len).unwrap();
            let whole = order.batch(step, &Shard::single(world * local).unwrap());
            let mut joined = Batch { first_sample: whole.first_sample, indices: vec![], flips: vec![] };
            for rank in 0..world {
                let shard = Shard::new(rank, world, local).unwrap();
                prop_assert_eq!(shard.global_batch(), world * local);
                let part = order.batch(step, &shard);
                prop_assert_eq!(part.first_sample, whole.first_sample + (rank * local) as u64);
                joined.indices.extend(part.indices);
                joined.flips.extend(part.flips);
            }
            prop_assert_eq!(joined, whole);
        }

        #[test]
        fn a_resumed_run_equals_an_uninterrupted_one(
            seed: u64, len in 1_usize..300, batch in 1_usize..40, steps in 1_u64..30, cut in 0_u64..30,
        ) {
            let cut = cut.min(steps);
            let shard = Shard::single(batch).unwrap();
            let run = |from: u64, to: u64| {
                let order = ShuffledOrder::new(seed, len).unwrap();
                (from..to).map(|step| order.batch(step, &shard)).collect::<Vec<_>>()
            };
            let mut resumed = run(0, cut);
            resumed.extend(run(cut, steps));
            prop_assert_eq!(resumed, run(0, steps));
        }
    }

    #[test]
    fn epochs_and_seeds_differ() {
        let epoch = |seed, e: u64| -> Vec<usize> {
            let order = ShuffledOrder::new(seed, 200).unwrap();
            (0..200).map(|p| order.index_of(e * 200 + p)).collect()
        };
        assert_ne!(epoch(1, 0), epoch(1, 1));
        assert_ne!(epoch(1, 0), epoch(2, 0));
        assert_ne!(epoch(1, 0), (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn flips_are_fair_and_independent_of_the_order() {
        let order = ShuffledOrder::new(5, 7).unwrap();
        let heads = (0..100_000).filter(|&g| order.flip_of(g)).count();
        // Five standard deviations of a fair coin.
        assert!(heads.abs_diff(50_000) < 800, "{heads} of 100000");
        let other_length = ShuffledOrder::new(5, 8).unwrap();
        assert!((0..1000).all(|g| order.flip_of(g) == other_length.flip_of(g)));
    }

    /// The order of existing runs must never change: a saved checkpoint relies on it.
    /// Golden values: tests/golden/order.py.
    #[test]
    fn the_order_is_frozen() {
        let order = ShuffledOrder::new(42, 50_000).unwrap();
        let indices: Vec<usize> = [0, 1, 2, 49_999, 50_000, 5_000_000].map(|g| order.index_of(g)).to_vec();
        let flips: Vec<bool> = (0..8).map(|g| order.flip_of(g)).collect();
        assert_eq!(indices, [4_199, 8_190, 16_412, 11_013, 37_998, 30_869]);
        assert_eq!(flips, [false, true, true, true, false, true, true, false]);
    }

    #[test]
    fn impossible_orders_are_refused() {
        assert!(ShuffledOrder::new(0, 0).is_err());
        assert!(Shard::new(2, 2, 1).is_err());
        assert!(Shard::new(0, 1, 0).is_err());
    }
}
