//! Samples that go to the disk batch by batch, so that an interruption loses one batch at most, and that go on where they stopped.

use crate::exit_codes::Unfinished;
use crate::pictures;
use crate::runtime::StopFlag;
use crate::sampling::SamplingJob;
use anyhow::{Context, Result};
use ddpm_data::samples::{Existing, Labels, Rows, SampleFormat, SampleOutput, SamplePlan, SampleWriter};
use ddpm_data::{sha256_bytes, sha256_file};
use ddpm_nets::checkpoint::network_files;
use ddpm_sample::{SampleError, Samples};
use serde_json::{Map, Value, json};
use std::path::Path;
use tch::{Device, Kind, Tensor};
use torch_ext::dist::Workers;

/// Where samples go, and what identifies the model that they are drawn from.
pub(crate) struct SampleFiles<'a> {
    /// A file, or a folder.
    pub(crate) path: &'a Path,
    /// The files that samples become.
    pub(crate) format: SampleFormat,
    /// What happens to samples of other settings.
    pub(crate) existing: Existing,
    /// What identifies the model and what guides it; the settings of the sampler are added.
    pub(crate) model: Map<String, Value>,
    /// Where the model was found.
    pub(crate) source: Map<String, Value>,
    /// Numbers are written times this: the scale that training divided its data by.
    pub(crate) scale: f64,
    /// Shape of one sample.
    pub(crate) shape: Vec<i64>,
    /// Classes that samples have in turn.
    pub(crate) classes: Option<Vec<i64>>,
}

impl SampleFiles<'_> {
    /// Draws the samples that are not there yet, and writes them. The result has the recorded states, where any are to be kept.
    ///
    /// Several processes draw, and the first of them writes. When this returns in any of them, the samples are there.
    ///
    /// # Errors
    /// Before the first step: the place cannot be written, has files of others or samples of other settings, or the disk has no room.
    /// [`Unfinished`] after a request to stop.
    pub(crate) fn write(
        self,
        job: &SamplingJob<'_>,
        device: Device,
        stop: &StopFlag,
        workers: &Workers,
    ) -> Result<Option<Samples>> {
        if !workers.is_first() {
            let from = workers.from_first(0)? as u64;
            if from < job.num {
                job.draw(from, device, stop, workers, &mut |_| Ok(()))?;
            }
            workers.barrier()?;
            return Ok(None);
        }
        let output = SampleOutput::reserve(self.path, self.format, self.existing)?;
        let mut settings = self.model;
        settings.extend(job.settings()?);
        let plan = SamplePlan {
            settings,
            source: self.source,
            num: job.num,
            batch_size: job.batch_size,
            shape: self.shape.iter().map(|&side| side as usize).collect(),
            labels: self.classes.and_then(Labels::in_turn),
        };
        let mut writer = SampleWriter::begin(output, plan)?;
        let from = workers.from_first(writer.finished() as i64)? as u64;
        if from > 0 {
            note!("sample: {from} of {} samples are in {} already", job.num, self.path.display());
        }
        let mut first = None;
        if from < job.num {
            let (format, scale) = (self.format, self.scale);
            let drawn = job.draw(from, device, stop, workers, &mut |batch| {
                match format {
                    SampleFormat::Tensors => writer.append(Rows::Numbers(&numbers(batch, scale)?)),
                    _ => writer.append(Rows::Bytes(&pictures::bytes(batch)?)),
                }
                .map_err(Into::into)
            });
            match drawn {
                Ok(samples) => first = samples,
                Err(error) if matches!(error.downcast_ref(), Some(SampleError::Interrupted { .. })) => {
                    return Err(Unfinished {
                        path: self.path.into(),
                        finished: writer.finished(),
                        num: job.num,
                    }
                    .into());
                }
                Err(error) => return Err(error),
            }
        }
        writer.complete()?;
        workers.barrier()?;
        let records = job.options.record.images > 0;
        if records && from > 0 {
            first = Some(job.first_batch(device, stop)?);
        }
        Ok(first.filter(|_| records))
    }
}

/// What identifies a checkpoint's network: the digest of its files.
pub(crate) fn network_digest(dir: &Path) -> Result<Value> {
    let files = network_files(dir)?;
    let digests = files.iter().map(|file| sha256_file(file)).collect::<Result<Vec<_>, _>>()?;
    let (config, weights) = digests.split_first().context("a network without files")?;
    // Of one file its own digest, which other programs print; of several that of theirs.
    let weights = match weights {
        [one] => one.clone(),
        several => sha256_bytes(several.concat().as_bytes()),
    };
    Ok(json!({ "config_sha256": config, "weights_sha256": weights }))
}

/// Settings under their names.
pub(crate) fn settings<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn numbers(batch: &Tensor, scale: f64) -> Result<Vec<f32>> {
    let batch = if scale == 1.0 { batch.shallow_clone() } else { torch_ext::fence(|| batch * scale)? };
    Ok(Vec::try_from(batch.to_kind(Kind::Float).contiguous().reshape([-1]).to_device(Device::Cpu))?)
}
