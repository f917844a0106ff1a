//! Predicted duration of a run on this machine, from a few measured steps.

use crate::config::ImageConfig;
use crate::progress::human_seconds;
use crate::run::Run;
use anyhow::{Result, bail};
use ddpm_data::{DatasetName, human_bytes};
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
    /// The samples and the likelihood of `[quality]`.
    quality_seconds: f64,
    /// Bytes of the checkpoints that stay and of the samples.
    disk: u64,
}

/// Evaluations of the network, an image each, that `[quality]` asks for.
fn quality_evaluations(config: &ImageConfig) -> f64 {
    let quality = &config.quality;
    if quality.samples == 0 {
        return 0.0;
    }
    let steps = if quality.steps == 0 { config.sample.steps } else { quality.steps };
    let levels = config.diffusion.scheduler().map_or(0, |scheduler| scheduler.schedule().steps());
    quality.samples as f64 * steps as f64 + quality.likelihood_images as f64 * levels as f64
}

/// Whether the run could be so long that it is worth measuring: no network is run for this.
pub(super) fn may_take_long(run: &Run, steps_left: u64) -> Result<bool> {
    let config = &run.config;
    let network = UNet::new(config.model.clone(), tch::Device::Cpu, 0)?;
    let images = 3.0 * steps_left as f64 * config.train.batch_size as f64
        + config.sample.num as f64 * config.sample.steps as f64
        + quality_evaluations(config);
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
            let loss = network.forward(&x, &t, labels.as_ref(), true).square().mean(Kind::Float);
            loss.backward();
            // Reading a value waits for the device.
            let last = network.parameters().tensors().first().map(Tensor::grad);
            let _ = last.map(|gradient| gradient.sum(Kind::Float).double_value(&[]));
        });
        let denoise = seconds(&|| {
            let output = tch::no_grad(|| network.forward(&x, &t, labels.as_ref(), false));
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
        quality_seconds: denoise * quality_evaluations(config),
        disk: disk(config, network.parameters().count()),
    })
}

/// Weights, moments and averages of the checkpoints that stay, one more while the next is written, and the samples of `[quality]`.
fn disk(config: &ImageConfig, parameters: u64) -> u64 {
    // The published average, the raw weights, and two moments.
    let copies = 4 + config.train.ema.also.len() as u64;
    let checkpoints = config.train.keep_checkpoints as u64 + 1;
    let [height, width] = config.model.sample_size.height_width();
    let image = (config.model.in_channels * height * width) as u64;
    4 * parameters * copies * checkpoints + config.quality.samples * image
}

/// Measures a few steps and says how long the stages take and what they need on the disk. With `may_refuse` a run that would take too long is
/// an error.
pub(super) fn check_duration(run: &Run, steps_left: u64, may_refuse: bool) -> Result<()> {
    note!("measuring a few steps to see how long this takes here");
    let estimate = estimate(run, steps_left)?;
    let (train, sample) = (human_seconds(estimate.train_seconds), human_seconds(estimate.sample_seconds));
    note!(
        "{:.1} ms an image trained, {:.1} ms an image denoised at batch {BATCH}: {train} for the {} training steps left, {sample} for {} samples",
        1e3 * estimate.train_seconds_per_image,
        1e3 * estimate.denoise_seconds_per_image,
        estimate.steps_left,
        run.config.sample.num,
    );
    let quality = &run.config.quality;
    if quality.samples > 0 {
        note!(
            "{} for {} samples that are compared with real images and the likelihood of {} images; features come on top",
            human_seconds(estimate.quality_seconds),
            quality.samples,
            quality.likelihood_images
        );
    }
    note!("up to {} on the disk", human_bytes(u128::from(estimate.disk)));
    let total = estimate.train_seconds + estimate.sample_seconds + estimate.quality_seconds;
    if total <= LONG_SECONDS || !may_refuse {
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
