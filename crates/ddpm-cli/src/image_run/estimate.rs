//! Predicted duration of a run on this machine, from a few measured steps.

use crate::progress::human_seconds;
use crate::run::Run;
use anyhow::{Result, bail};
use ddpm_data::DatasetName;
use ddpm_nets::UNet;
use std::time::Instant;
use tch::{Kind, Tensor};

/// Images of a measured step. Cost grows in proportion to the batch on a CPU.
const BATCH: i64 = 8;
/// Steps measured, after one that warms up.
const MEASURED: u32 = 2;
/// Products of parameters, images and passes beyond which measuring is worth its seconds: about half an hour of a small machine.
const WORTH_MEASURING: f64 = 3e13;

/// The recipe for a small machine, and what it gives.
const SMALL: &str = "cifar10-small";
const SMALL_INSTEAD: &str = ", or take cifar10-small (--config cifar10-small with cargo xtask): a network of 2.7 M parameters on the same \
     pictures, made for a few CPU cores";

/// Beyond this the user is asked first.
const LONG_SECONDS: f64 = 3.0 * 3600.0;

/// Predicted costs.
#[derive(Debug)]
struct Estimate {
    /// Forward, backward and update of one image.
    train_seconds_per_image: f64,
    /// One evaluation of the network on one image.
    denoise_seconds_per_image: f64,
    /// Steps that are not done yet.
    steps_left: u64,
    /// All steps that are left.
    train_seconds: f64,
    /// All samples.
    sample_seconds: f64,
}

/// Whether the run could be so long that it is worth measuring: no network is run for this.
pub(super) fn may_take_long(run: &Run, steps_left: u64) -> Result<bool> {
    let config = &run.config;
    let network = UNet::new(config.model.clone(), tch::Device::Cpu, 0)?;
    let images = 3.0 * steps_left as f64 * config.train.batch_size as f64
        + config.sample.num as f64 * config.sample.steps as f64;
    let positions = config.model.sample_size.height_width().iter().product::<i64>() as f64;
    // A convolution uses each weight at every position of its level; a quarter of the full size is typical.
    Ok(network.parameters().count() as f64 * images * positions / 4.0 > WORTH_MEASURING)
}

/// Measures a few steps of the network on this machine.
fn estimate(run: &Run, steps_left: u64) -> Result<Estimate> {
    let config = &run.config;
    let network = UNet::new(config.model.clone(), run.device, 0)?;
    let [height, width] = config.model.sample_size.height_width();
    let options = (Kind::Float, run.device);
    let x = Tensor::randn([BATCH, config.model.in_channels, height, width], options);
    let t = Tensor::full([BATCH], 500, (Kind::Int64, run.device));
    let labels = config.model.num_class_embeds.map(|_| Tensor::zeros([BATCH], (Kind::Int64, run.device)));
    let seconds = |step: &dyn Fn()| {
        step();
        let begun = Instant::now();
        for _ in 0..MEASURED {
            step();
        }
        begun.elapsed().as_secs_f64() / (f64::from(MEASURED) * BATCH as f64)
    };
    let (train, denoise) = torch_ext::fence(|| {
        let train = seconds(&|| {
            network.forward(&x, &t, labels.as_ref(), true).square().mean(Kind::Float).backward();
        });
        let denoise = seconds(&|| {
            let output = tch::no_grad(|| network.forward(&x, &t, labels.as_ref(), false));
            // Reading a value waits for the device.
            let _ = output.sum(Kind::Float).double_value(&[]);
        });
        (train, denoise)
    })?;
    Ok(Estimate {
        train_seconds_per_image: train,
        denoise_seconds_per_image: denoise,
        steps_left,
        train_seconds: train * steps_left as f64 * config.train.batch_size as f64,
        sample_seconds: denoise * config.sample.num as f64 * config.sample.steps as f64,
    })
}

/// Measures a few steps, and refuses a run that would take too long.
pub(super) fn check_duration(run: &Run, steps_left: u64) -> Result<()> {
    note!("no CUDA device: measuring a few steps to see how long this takes here");
    let estimate = estimate(run, steps_left)?;
    let (train, sample) = (human_seconds(estimate.train_seconds), human_seconds(estimate.sample_seconds));
    note!(
        "{:.0} ms an image trained, {:.0} ms an image denoised: {train} for the {} training steps left, {sample} for {} samples",
        1e3 * estimate.train_seconds_per_image,
        1e3 * estimate.denoise_seconds_per_image,
        estimate.steps_left,
        run.config.sample.num,
    );
    let total = estimate.train_seconds + estimate.sample_seconds;
    if total <= LONG_SECONDS {
        return Ok(());
    }
    let instead = match run.config.data.name {
        DatasetName::Cifar10 if run.name != SMALL => SMALL_INSTEAD,
        _ => "",
    };
    bail!(
        "{} would take about {} on this machine; add --yes to run it all the same, or --set train.steps=N for fewer steps{instead}",
        run.name,
        human_seconds(total)
    )
}
