//! Importance sampling of training levels: the last losses of every level, and their probabilities (Nichol & Dhariwal 2021, eq. 18).

use crate::TrainError;
use ddpm_core::TimeIndex;
use ddpm_nets::tensor_file;
use std::path::Path;
use tch::Tensor;

const FILE: &str = "times.safetensors";

/// The last losses of every level, the oldest first.
#[derive(Debug)]
pub(super) struct LossHistory {
    levels: usize,
    length: usize,
    uniform_share: f64,
    /// [levels, length]; the first `counts[t]` entries of a row are filled.
    losses: Vec<f64>,
    counts: Vec<i64>,
}

/// Probabilities of the levels.
#[derive(Debug)]
pub(super) struct Law {
    probabilities: Vec<f64>,
    cumulative: Vec<f64>,
}

impl LossHistory {
    pub(super) fn new(levels: usize, length: usize, uniform_share: f64) -> Self {
        let length = length.max(1);
        LossHistory {
            levels,
            length,
            uniform_share,
            losses: vec![0.0; levels * length],
            counts: vec![0; levels],
        }
    }

    /// Adds a loss; of a full level the oldest one is removed.
    pub(super) fn push(&mut self, t: TimeIndex, loss: f64) {
        let t = t.0 as usize;
        let row = &mut self.losses[t * self.length..(t + 1) * self.length];
        let count = self.counts[t] as usize;
        if count == self.length {
            row.rotate_left(1);
            row[self.length - 1] = loss;
        } else {
            row[count] = loss;
            self.counts[t] += 1;
        }
    }

    /// The law of the next levels: uniform until every level is full.
    pub(super) fn law(&self) -> Law {
        let uniform = 1.0 / self.levels as f64;
        let full = self.counts.iter().all(|&count| count as usize == self.length);
        let roots: Vec<f64> = self
            .losses
            .chunks(self.length)
            .map(|row| (row.iter().map(|loss| loss * loss).sum::<f64>() / self.length as f64).sqrt())
            .collect();
        let total: f64 = roots.iter().sum();
        let probabilities: Vec<f64> = if full && total > 0.0 {
            roots
                .iter()
                .map(|r| (1.0 - self.uniform_share) * r / total + self.uniform_share * uniform)
                .collect()
        } else {
            vec![uniform; self.levels]
        };
        let cumulative = probabilities
            .iter()
            .scan(0.0, |sum, p| {
                *sum += p;
                Some(*sum)
            })
            .collect();
        Law { probabilities, cumulative }
    }

    pub(super) fn save(&self, state: &Path) -> Result<(), TrainError> {
        let size = [self.levels as i64, self.length as i64];
        let (losses, counts) = torch_ext::fence(|| {
            (Tensor::from_slice(&self.losses).reshape(size), Tensor::from_slice(&self.counts))
        })?;
        Ok(tensor_file::write(&state.join(FILE), [("losses", &losses), ("counts", &counts)])?)
    }

    pub(super) fn load(&mut self, state: &Path) -> Result<(), TrainError> {
        let path = state.join(FILE);
        let wrong = |reason: String| TrainError::State { path: path.clone(), reason };
        let mut file = tensor_file::read(&path)?;
        let mut take = |name: &str, size: &[i64]| {
            let tensor = file.remove(name).ok_or_else(|| wrong(format!("tensor {name} is missing")))?;
            if tensor.size() != size {
                return Err(wrong(format!("tensor {name} has shape {:?}, expected {size:?}", tensor.size())));
            }
            Ok(tensor)
        };
        let (levels, length) = (self.levels as i64, self.length as i64);
        let (losses, counts) = (take("losses", &[levels, length])?, take("counts", &[levels])?);
        let values = torch_ext::fence(|| (Vec::try_from(losses.reshape([-1])), Vec::try_from(counts)))?;
        self.losses = values.0.map_err(|_| wrong("tensor losses is not f64".into()))?;
        self.counts = values.1.map_err(|_| wrong("tensor counts is not i64".into()))?;
        match self.counts.iter().find(|count| !(0..=length).contains(*count)) {
            Some(bad) => Err(wrong(format!("counts must lie between 0 and {length}, got {bad}"))),
            None => Ok(()),
        }
    }
}

impl Law {
    /// The level at `u` in [0, 1) of the cumulative law, and 1/(T p).
    pub(super) fn at(&self, u: f64) -> (TimeIndex, f64) {
        let last = self.probabilities.len() - 1;
        let t = self.cumulative.partition_point(|&c| c <= u).min(last);
        let importance = 1.0 / (self.probabilities.len() as f64 * self.probabilities[t]);
        // 1/(T (1/T)) is not always 1 in floating point.
        let uniform = (importance - 1.0).abs() < 1e-12;
        (TimeIndex(t as u32), if uniform { 1.0 } else { importance })
    }
}
