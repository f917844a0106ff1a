//! Noised batches.
//!
//! ```text
//! x_t = alpha x_0 + sigma eps          eps ~ N(0, I), keyed by (seed, purpose, stream, draw)
//! ```
//!
//! A stream is an image: it gets the same noise in any batch, on any device. Training, evaluation and sampling take their noise and their noised
//! data from here.

use crate::NetsError;
use ddpm_core::noise::NoiseSource;
use ddpm_core::{Level, Parameterization};
use rayon::prelude::*;
use tch::{Device, Tensor};
use torch_ext::transfer::upload;
use torch_ext::{TorchError, fence};

/// Fewer numbers than this do not pay for a thread of their own.
const NUMBERS_PER_TASK: usize = 4096;

/// Standard normal noise [n, shape...] f32 on a device: row i is draw `draw` of the i-th stream.
pub fn normal_rows(
    source: &NoiseSource,
    streams: impl IntoIterator<Item = u64>,
    draw: u64,
    shape: &[i64],
    device: Device,
) -> Result<Tensor, TorchError> {
    let streams: Vec<u64> = streams.into_iter().collect();
    let width = shape.iter().product::<i64>() as usize;
    let mut values = vec![0f32; width * streams.len()];
    if width > 0 {
        values
            .par_chunks_exact_mut(width)
            .zip(&streams)
            .with_min_len(NUMBERS_PER_TASK.div_ceil(width))
            .for_each(|(row, &stream)| source.fill_normal(stream, draw, row));
    }
    let size: Vec<i64> = std::iter::once(streams.len() as i64).chain(shape.iter().copied()).collect();
    fence(|| upload(Tensor::from_slice(&values).reshape(&size), device))
}

/// A column `[n]` reshaped to multiply the rows of `x` [n, ...].
pub fn along_rows(column: &Tensor, x: &Tensor) -> Tensor {
    let mut shape = vec![1i64; x.dim().max(1)];
    shape[0] = -1;
    column.reshape(&shape)
}

/// One number a row as a tensor [n, 1, ...] that multiplies the rows of `like` [n, ...], of its kind and on its device.
///
/// Call it inside `torch_ext::fence`.
pub fn per_row(values: impl IntoIterator<Item = f64>, like: &Tensor) -> Tensor {
    let values: Vec<f64> = values.into_iter().collect();
    along_rows(&upload(Tensor::from_slice(&values).to_kind(like.kind()), like.device()), like)
}

/// x_t = alpha x_0 + sigma eps for x_0 and eps [n, ...] at `levels`: one level a row, or one for all rows.
pub fn noised(x0: &Tensor, eps: &Tensor, levels: &[Level]) -> Result<Tensor, NetsError> {
    let n = eps.size().first().copied().unwrap_or(0);
    if levels.len() != 1 && levels.len() as i64 != n {
        let expected = format!("{n}, one a row, or 1 for all rows");
        return Err(NetsError::input("noise levels", expected, levels.len()));
    }
    Ok(fence(|| {
        per_row(levels.iter().map(Level::alpha), x0) * x0
            + per_row(levels.iter().map(Level::sigma), eps) * eps
    })?)
}

/// A batch of data, its noise, and the noised data.
#[derive(Debug)]
pub struct NoisedBatch {
    /// Clean data [n, ...].
    pub x0: Tensor,
    /// Standard normal noise, of x_0's shape.
    pub eps: Tensor,
    /// alpha x_0 + sigma eps, of x_0's shape.
    pub x_t: Tensor,
    /// The level of every row.
    pub levels: Vec<Level>,
}

/// The inputs of a network for a noised batch.
#[derive(Debug)]
pub struct NetworkInput {
    /// x_t, scaled by the parameterization's c_in [n, ...].
    pub input: Tensor,
    /// The number that tells the network the noise level, c_noise `[n]` f32.
    pub condition: Tensor,
}

impl NoisedBatch {
    /// Data x_0 [n, ...] with given noise of their shape; `levels` has one entry a row.
    pub fn new(x0: &Tensor, eps: Tensor, levels: Vec<Level>) -> Result<Self, NetsError> {
        if eps.size() != x0.size() {
            let (expected, got) = (format!("{:?}", x0.size()), format!("{:?}", eps.size()));
            return Err(NetsError::input("eps", expected, got));
        }
        let x_t = noised(x0, &eps, &levels)?;
        Ok(NoisedBatch { x0: x0.shallow_clone(), eps, x_t, levels })
    }

    /// Data x_0 [n, ...] with draw `draw` of `source`; row i has the i-th stream and the i-th level.
    pub fn keyed(
        x0: &Tensor,
        levels: Vec<Level>,
        source: &NoiseSource,
        streams: impl IntoIterator<Item = u64>,
        draw: u64,
    ) -> Result<Self, NetsError> {
        let eps = normal_rows(source, streams, draw, x0.size().get(1..).unwrap_or_default(), x0.device())?;
        Self::new(x0, eps, levels)
    }

    /// The inputs of a network of this parameterization.
    pub fn network_input(&self, parameterization: Parameterization) -> Result<NetworkInput, NetsError> {
        NetworkInput::new(parameterization, &self.x_t, &self.levels)
    }
}

impl NetworkInput {
    /// c_in x_t and c_noise for x_t [n, ...] whose rows are at `levels`, one a row. Differentiable in x_t.
    pub fn new(
        parameterization: Parameterization,
        x_t: &Tensor,
        levels: &[Level],
    ) -> Result<Self, NetsError> {
        let condition = levels
            .iter()
            .map(|level| Ok(parameterization.condition(level)? as f32))
            .collect::<Result<Vec<f32>, NetsError>>()?;
        let scales = levels.iter().map(|level| parameterization.input_scale(level));
        Ok(fence(|| NetworkInput {
            input: match parameterization {
                Parameterization::Plain { .. } => x_t.shallow_clone(),
                Parameterization::Edm(_) => x_t * per_row(scales, x_t),
            },
            condition: upload(Tensor::from_slice(&condition), x_t.device()),
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::noise::Purpose;
    use ddpm_core::{Schedule, TimeIndex};
    use tch::Kind;

    /// More numbers than one task fills, so that several threads take part.
    const SHAPE: [i64; 2] = [3, 2001];

    #[test]
    fn rows_hold_the_numbers_of_their_streams_in_any_batch() {
        let source = NoiseSource::new(5, Purpose::TrainingNoise);
        let rows = normal_rows(&source, 10..17, 3, &SHAPE, Device::Cpu).unwrap();
        assert_eq!(rows.size(), [7, 3, 2001]);
        for (row, stream) in (10..17).enumerate() {
            let mut expected = vec![0f32; 6003];
            source.fill_normal(stream, 3, &mut expected);
            assert_eq!(Vec::<f32>::try_from(rows.get(row as i64).reshape([-1])).unwrap(), expected);
        }
        let part = normal_rows(&source, [15, 12], 3, &SHAPE, Device::Cpu).unwrap();
        assert!(part.get(0).equal(&rows.get(5)) && part.get(1).equal(&rows.get(2)));
        assert_eq!(normal_rows(&source, 0..0, 0, &[4], Device::Cpu).unwrap().size(), [0, 4]);
    }

    #[test]
    fn one_level_for_all_rows_gives_the_bits_of_one_level_a_row_and_of_scalars() {
        let schedule = Schedule::linear(1000).unwrap();
        let level = schedule.level(TimeIndex(321));
        let source = NoiseSource::new(1, Purpose::Evaluation);
        for kind in [Kind::Float, Kind::Double] {
            let x0 = normal_rows(&source, 0..4, 1, &[2, 3], Device::Cpu).unwrap().to_kind(kind);
            let eps = normal_rows(&source, 0..4, 0, &[2, 3], Device::Cpu).unwrap().to_kind(kind);
            let scalars = &x0 * level.alpha() + &eps * level.sigma();
            assert!(noised(&x0, &eps, &[level]).unwrap().equal(&scalars));
            let batch = NoisedBatch::new(&x0, eps, vec![level; 4]).unwrap();
            assert!(batch.x_t.equal(&scalars));
            let error = noised(&x0, &batch.eps, &[level; 3]).unwrap_err().to_string();
            assert_eq!(error, "noise levels: expected 4, one a row, or 1 for all rows, got 3");
        }
    }
}
