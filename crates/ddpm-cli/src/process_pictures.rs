//! Pictures of the forward and of the reverse process on vectors of one or two numbers.

use crate::pictures::{in_scale, shown};
use crate::point_pictures::{Field, PointPicture};
use anyhow::Result;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{Level, Noising, PredictionKind, Target};
use ddpm_nets::{Denoiser, noised_at_once};
use ddpm_sample::{Record, Samples};
use tch::{Device, Kind, Tensor};

/// Levels and samples of a picture of planes.
const LEVELS: usize = 11;
const SAMPLES: usize = 400;
/// Levels of an animation, and of paths in one dimension.
const FINE_LEVELS: usize = 30;

/// The states that [`reverse`] shows of vectors of `dim` numbers.
pub(crate) fn record(dim: usize, animated: bool) -> Record {
    Record { frames: if animated || dim == 1 { FINE_LEVELS } else { LEVELS }, images: SAMPLES }
}

/// The recorded states of a reverse process and its samples, each state with the score of its level.
pub(crate) fn reverse(samples: &Samples, denoiser: &dyn Denoiser) -> Result<PointPicture> {
    let rows = samples.frames.first().map_or(0, |frame| frame.x_t.size()[0]);
    let mut levels: Vec<Tensor> =
        samples.frames.iter().map(|frame| shown(frame).to_device(Device::Cpu)).collect();
    levels.push(samples.x.narrow(0, 0, rows).to_device(Device::Cpu));
    let nodes = PointPicture::nodes(&levels)?;
    let fields = samples
        .frames
        .iter()
        .map(|frame| {
            // The picture shows x_t over this scale, where the law has a spread near 1 and so has its score.
            let scale = frame.level.prior_std().max(1.0);
            let x = torch_ext::fence(|| {
                (&nodes * scale).to_kind(frame.x_t.kind()).to_device(frame.x_t.device())
            })?;
            let score =
                denoiser.predict(&x, &frame.level)?.as_kind(PredictionKind::Score, &x, &frame.level)?;
            let score = torch_ext::fence(|| (score * scale).to_device(Device::Cpu))?;
            Ok(Field { at: nodes.shallow_clone(), score })
        })
        .collect::<Result<Vec<_>>>()?;
    PointPicture::new(&levels, &fields)
}

/// Samples of a target noised to levels that are even in log-SNR, data first.
pub(crate) fn forward(target: &Target, noising: &Noising, seed: u64) -> Result<PointPicture> {
    let dim = target.dim();
    let draws = NoiseSource::new(seed, Purpose::Target);
    let values: Vec<f64> = (0..SAMPLES as u64).flat_map(|row| target.sample(&draws, row)).collect();
    let x0 = torch_ext::fence(|| {
        Tensor::from_slice(&values).reshape([SAMPLES as i64, dim as i64]).to_kind(Kind::Float)
    })?;
    let count = record(dim, false).frames;
    let levels: Vec<Level> = noising.spread(count)?.into_iter().filter(|level| !level.is_clean()).collect();
    let noised = noised_at_once(&x0, &levels, &NoiseSource::new(seed, Purpose::Evaluation))?;
    let mut states = vec![x0];
    states.extend(noised.iter().zip(&levels).map(|(x_t, level)| in_scale(x_t, level)));
    PointPicture::new(&states, &[])
}
