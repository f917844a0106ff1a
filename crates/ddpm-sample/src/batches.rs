//! Sampling of many images in batches, by one process or several.

use crate::{SampleError, Samples};
use ddpm_core::Mismatch;
use std::ops::Range;
use tch::{Device, Kind, Tensor};
use torch_ext::dist::Workers;

/// Samples `images` in batches of at most `batch`: calls `one` with a range of image numbers, and `take` with each range and its result, in order.
///
/// Several processes compute one batch each at a time, and the first of them alone takes the results, without the recorded states of the others.
/// The batches are the same for any number of processes. Where `one` is interrupted in one process, it counts as interrupted in all.
///
/// With keyed noise the images do not depend on `batch` (beyond the rounding of floating point).
pub fn sample_batches<E: From<SampleError>>(
    workers: &Workers,
    images: Range<u64>,
    batch: u64,
    mut one: impl FnMut(Range<u64>) -> Result<Samples, SampleError>,
    mut take: impl FnMut(Range<u64>, Samples) -> Result<(), E>,
) -> Result<(), E> {
    if images.is_empty() || batch == 0 {
        let name = if images.is_empty() { "number of samples" } else { "batch size" };
        return Err(SampleError::Setting(Mismatch::new(name, "at least 1", 0)).into());
    }
    let mut first = images.start;
    while first < images.end {
        let mut ranges = Vec::with_capacity(workers.world());
        for _ in 0..workers.world() {
            let range = first..first.saturating_add(batch).min(images.end);
            first = range.end;
            ranges.push(range);
        }
        let own = &ranges[workers.rank()];
        let own = if own.is_empty() { Ok(None) } else { one(own.clone()).map(Some) };
        for (range, samples) in ranges.into_iter().zip(exchange(workers, own)?) {
            take(range, samples)?;
        }
    }
    Ok(())
}

/// The samples of all processes by rank, in the first of them; nothing in the others.
fn exchange(
    workers: &Workers,
    own: Result<Option<Samples>, SampleError>,
) -> Result<Vec<Samples>, SampleError> {
    if workers.world() == 1 {
        return Ok(own?.into_iter().collect());
    }
    let (own, interrupted) = match own {
        Ok(own) => (own, None),
        Err(SampleError::Interrupted { steps }) => (None, Some(steps)),
        Err(error) => return Err(error),
    };
    if workers.any(interrupted.is_some())? {
        let steps = interrupted.or(own.map(|own| own.steps)).unwrap_or(0);
        return Err(SampleError::Interrupted { steps });
    }
    let numbers = own.as_ref().map(|own| {
        [own.x.size().first().copied().unwrap_or(0) as f64, own.steps as f64, own.evaluations as f64]
            .into_iter()
            .chain([own.relative_size])
            .collect::<Vec<f64>>()
    });
    let numbers = workers.gather(&Tensor::from_slice(&numbers.unwrap_or_default()))?;
    // In f64, because a process without images of its own does not know the kind of the others'.
    let x = match &own {
        Some(own) => torch_ext::fence(|| own.x.to_device(Device::Cpu).to_kind(Kind::Double).reshape([-1]))?,
        None => Tensor::from_slice::<f64>(&[]),
    };
    let x = workers.gather(&x)?;
    let Some(own) = own.filter(|_| workers.is_first()) else { return Ok(Vec::new()) };
    let numbers = Vec::<f64>::try_from(numbers).map_err(torch_ext::TorchError::from)?;
    let mut size = own.x.size();
    size[0] = -1;
    let rows = torch_ext::fence(|| x.to_kind(own.x.kind()).reshape(size))?;
    let mut all = vec![own];
    let mut at = all[0].x.size()[0];
    for numbers in numbers.chunks_exact(4).skip(1) {
        let [count, steps, evaluations, relative_size] = numbers else { continue };
        let x = torch_ext::fence(|| rows.narrow(0, at, *count as i64))?;
        at += *count as i64;
        all.push(Samples {
            x,
            frames: Vec::new(),
            steps: *steps as usize,
            evaluations: *evaluations as u64,
            relative_size: *relative_size,
        });
    }
    Ok(all)
}
