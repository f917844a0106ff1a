//! The distance of a sampler's samples from real data as a sum, by switching one error on at a time.
//!
//! ```text
//! F(N(0,I), N) = F_data + [F(q_T, fine) - F_data] + [F(N(0,I), fine) - F(q_T, fine)] + [F(N(0,I), N) - F(N(0,I), fine)]
//!                floor     training                   initialization                    discretization
//! ```
//!
//! F(start, steps) is the distance of the samples from that start with that many steps from a reference set of real images; q_T is the law of data
//! noised to the highest visited level; fine steps are as many as the network supports, with the same sampler. F_data is the distance of
//! real images. The sum holds by construction. A bracket may be negative.

use crate::EvalError;
use crate::sample_metrics::{Deletions, GROUPS, Grouped, frechet_deletions, is_jackknifed, kernel_deletions};
use ddpm_core::interval::{CONFIDENCE, Estimate};
use ddpm_report::results::{OtherOrder, SplitValue};

/// Features of the samples of every combination and of real images. The rows of all but the reference have their groups in common.
#[derive(Debug)]
pub struct SplitSets {
    /// Real images, from which the noised starts were made.
    pub real: Grouped,
    /// Real images that everything is compared with.
    pub reference: Grouped,
    /// From noised data, with the sampler's own steps.
    pub data: Grouped,
    /// From noised data, with the fine steps.
    pub data_fine: Grouped,
    /// From noised data, with half of the fine steps.
    pub data_half: Grouped,
    /// From N(0, I), with the sampler's own steps.
    pub normal: Grouped,
    /// From N(0, I), with the fine steps.
    pub normal_fine: Grouped,
    /// From N(0, I), with recommended changes of the sampler.
    pub trials: Vec<Grouped>,
}

/// The distances and their differences; the meaning of the fields is that of [`ddpm_report::results::SampleSplit`].
#[derive(Clone, Debug, PartialEq)]
pub struct SplitDistances {
    /// Whether the distance is Fréchet's, and not the kernel distance.
    pub is_frechet: bool,
    /// Of `data`, `data_fine`, `data_half`, `normal` and `normal_fine`.
    pub cells: [SplitValue; 5],
    /// The whole distance.
    pub total: SplitValue,
    /// That of real images.
    pub floor: SplitValue,
    /// Training.
    pub training: SplitValue,
    /// Initialization.
    pub initialization: SplitValue,
    /// Discretization.
    pub discretization: SplitValue,
    /// The last two in the other order.
    pub other_order: OtherOrder,
    /// The check of the finest grid.
    pub finest_grid: SplitValue,
    /// Of each trial its distance, and by how much the whole distance is larger.
    pub trials: Vec<[SplitValue; 2]>,
}

impl SplitSets {
    /// The split: by the Fréchet distance where every set has 5 rows for each of at most 256 features, and otherwise by the kernel distance,
    /// which has no bias at any number of rows.
    ///
    /// `progress` is told how many of the parts are done; it may stop them.
    pub fn distances(
        &self,
        progress: &mut dyn FnMut(usize, usize) -> Result<(), EvalError>,
    ) -> Result<SplitDistances, EvalError> {
        let samples = [&self.data, &self.data_fine, &self.data_half, &self.normal, &self.normal_fine];
        let is_frechet = samples.iter().chain([&&self.real, &&self.reference]).all(|set| is_jackknifed(set));
        let (mut done, all_sets) = (0, 6 + self.trials.len());
        let mut of = |set: &Grouped| -> Result<Deletions, EvalError> {
            let at = done;
            let mut step = |part: usize, all: usize| {
                progress(at * GROUPS + part * GROUPS / all.max(1), all_sets * GROUPS)
            };
            let found = if is_frechet {
                frechet_deletions(set, &self.reference, &mut step)
            } else {
                kernel_deletions(set, &self.reference, &mut step)
            };
            done += 1;
            found
        };
        let real = of(&self.real)?;
        let [data, data_fine, data_half, normal, normal_fine] = {
            let mut all = Vec::with_capacity(5);
            for set in samples {
                all.push(of(set)?);
            }
            <[Deletions; 5]>::try_from(all)
                .map_err(|all| EvalError::mismatch("distances of a split", 5, all.len()))?
        };
        let mut trials = Vec::with_capacity(self.trials.len());
        for set in &self.trials {
            let found = of(set)?;
            trials.push([value(&found), value(&normal.minus(&found)?)]);
        }
        Ok(SplitDistances {
            trials,
            is_frechet,
            cells: [&data, &data_fine, &data_half, &normal, &normal_fine].map(value),
            total: value(&normal),
            floor: value(&real),
            training: value(&data_fine.minus(&real)?),
            initialization: value(&normal_fine.minus(&data_fine)?),
            discretization: value(&normal.minus(&normal_fine)?),
            other_order: OtherOrder {
                discretization: value(&data.minus(&data_fine)?),
                initialization: value(&normal.minus(&data)?),
            },
            finest_grid: value(&data_half.minus(&data_fine)?),
        })
    }
}

fn value(distance: &Deletions) -> SplitValue {
    let found = distance.measured();
    let estimate = Estimate { mean: found.value, stderr: found.stderr, n: GROUPS };
    SplitValue {
        raw: distance.raw(),
        corrected: Some(found.value),
        interval: Some(estimate.interval(CONFIDENCE).ends()),
    }
}
