//! The reverse process of vectors of one or two numbers as a picture, with the score field.

use super::Sample;
use crate::pictures::{FRAME, shown};
use crate::point_pictures::{Field, PointPicture};
use anyhow::{Result, ensure};
use ddpm_core::PredictionKind;
use ddpm_nets::Denoiser;
use ddpm_sample::{Record, Samples};
use std::path::Path;
use tch::{Device, Tensor};

/// Levels and samples of a picture.
const LEVELS: usize = 11;
const SAMPLES: usize = 400;
/// Levels of an animation, and of paths in one dimension.
const FINE_LEVELS: usize = 30;

impl Sample {
    /// The states that the picture of `--trajectory` shows, for vectors of `dim` numbers.
    pub(super) fn point_record(&self, dim: i64) -> Result<Record> {
        let Some(path) = &self.trajectory else { return Ok(Record::default()) };
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        ensure!(
            ["png", "svg", "gif"].contains(&extension),
            "--trajectory {}: expected a name that ends in .png, .svg or .gif",
            path.display()
        );
        ensure!(dim <= 2, "--trajectory: pictures need vectors of 1 or 2 numbers, these have {dim}");
        ensure!(
            extension != "gif" || dim == 2,
            "--trajectory {}: one dimension has a picture against the level; write .png or .svg",
            path.display()
        );
        let frames = if extension == "gif" || dim == 1 { FINE_LEVELS } else { LEVELS };
        Ok(Record { frames, images: SAMPLES })
    }
}

/// Writes the recorded states, each with the score of its level, and the samples.
pub(super) fn write_trajectory(path: &Path, samples: &Samples, denoiser: &dyn Denoiser) -> Result<()> {
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
            Ok(Field {
                at: nodes.shallow_clone(),
                score: torch_ext::fence(|| (score * scale).to_device(Device::Cpu))?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    PointPicture::new(&levels, &fields)?.write(path, FRAME)
}
