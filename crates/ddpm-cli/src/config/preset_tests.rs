//! Tests of the presets: each trains and samples at toy size, and `cifar10-ho2020` has every number of Ho et al. 2020.

use super::{Configuration, ImageConfig, PRESETS, RunConfig, find};
use ddpm_core::{PredictionKind, Trajectory, Variance};
use ddpm_data::{DatasetName, ImageSet, ImageShape};
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_nets::unet::{DownBlockType, SampleSize, TimeScaleShift, UpBlockType};
use ddpm_nets::{NetworkDenoiser, Threshold, UNet};
use ddpm_sample::{NoiseInput, Options, sample};
use ddpm_train::{
    ImageDiffusion, LossConfig, Objective, ObjectiveConfig, Optimizer, Outcome, Precision, RunDir,
    TimesConfig, Trainer, TrainingCallbacks, read_metrics,
};
use std::ops::ControlFlow;
use tch::{Device, Kind, Tensor};

/// A preset on images with changes.
fn parse(text: &str, changes: &[String]) -> anyhow::Result<ImageConfig> {
    match RunConfig::parse(text, changes)? {
        RunConfig::Images(config) => Ok(*config),
        other => panic!("not a run on images: {other:?}"),
    }
}

/// A preset with a network of 8 channels a level, for 3 steps of 2 images.
fn shrunk(text: &str) -> ImageConfig {
    let whole = parse(text, &[]).unwrap();
    let levels = whole.model.block_out_channels.len();
    let mut changes = vec![
        format!("model.block_out_channels={:?}", vec![8; levels]),
        "model.norm_num_groups=4".into(),
        "model.layers_per_block=1".into(),
        "train.steps=3".into(),
        "train.batch_size=2".into(),
        "train.log_every=1".into(),
    ];
    for (key, is_set) in [
        ("attention_head_dim", whole.model.attention_head_dim.is_some()),
        ("attn_norm_num_groups", whole.model.attn_norm_num_groups.is_some()),
    ] {
        if is_set {
            changes.push(format!("model.{key}=4"));
        }
    }
    parse(text, &changes).unwrap()
}

/// Eight images of noise in ten classes, of which eight are used.
fn images(config: &ImageConfig) -> ImageSet {
    let [height, width] = config.model.sample_size.height_width();
    let channels = config.model.in_channels as usize;
    let shape = ImageShape { channels, height: height as usize, width: width as usize };
    let count = 8;
    let bytes =
        (0..count * shape.dimension()).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]);
    let names = (0..10).map(|k| k.to_string()).collect();
    let labels = (0..count as i64).collect();
    ImageSet::new(shape, bytes.collect()).unwrap().with_labels(labels, names).unwrap()
}

struct Silent;

impl TrainingCallbacks for Silent {}

#[test]
fn every_preset_says_what_it_is_and_what_it_costs() {
    for preset in PRESETS {
        assert!(
            preset.summary().len() > 20 && preset.cost().len() > 8,
            "{}: {:?}",
            preset.name,
            preset.cost()
        );
    }
}

#[test]
fn every_recipe_trains_publishes_and_samples() {
    for preset in PRESETS {
        let name = preset.name;
        // Runs on vectors and classifiers have tests of their own.
        if !matches!(RunConfig::parse(preset.text, &[]).unwrap(), RunConfig::Images(_)) {
            continue;
        }
        let config = shrunk(preset.text);
        let images = images(&config);
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path().join("run"));
        let scheduler = config.diffusion.scheduler().unwrap();
        let text = config.to_toml().unwrap();
        let model =
            ImageDiffusion::new(&config.train, &config.model, &scheduler, &images, Device::Cpu).unwrap();
        let mut trainer = Trainer::new(&config.train, model, &text, &run, false).unwrap();
        assert_eq!(trainer.run(&mut Silent).unwrap(), Outcome::Finished, "{name}");
        let losses: Vec<f64> = read_metrics(&run.metrics()).unwrap().iter().map(|line| line.loss).collect();
        assert!(losses.len() == 3 && losses.iter().all(|loss| loss.is_finite()), "{name}: {losses:?}");

        let checkpoint = Checkpoint::load(&run.latest(), Device::Cpu).unwrap();
        assert_eq!(checkpoint.scheduler.to_json(), scheduler.to_json(), "{name}");
        let grid = config.sample.grid.unwrap_or(scheduler.spacing());
        let (schedule, timesteps) = scheduler.visit(grid, 3).unwrap();
        let trajectory = Trajectory::discrete(&schedule, &timesteps).unwrap();
        let labels = config.model.num_class_embeds.map(|_| Tensor::from_slice(&[0i64, 9]));
        let denoiser = NetworkDenoiser::new(&checkpoint.network, scheduler.parameterization(), labels);
        let [height, width] = config.model.sample_size.height_width();
        let mut noise = NoiseInput::keyed(0, &[config.model.in_channels, height, width])
            .batch(0..2, Device::Cpu)
            .unwrap();
        let scheme = config.sample.scheme(scheduler.variance()).unwrap();
        let mut go_on = |_: &ddpm_sample::Progress| ControlFlow::Continue(());
        let samples =
            sample(&denoiser, &scheme, &trajectory, &mut noise, &Options::default(), &mut go_on).unwrap();
        assert_eq!(samples.x.size(), [2, config.model.in_channels, height, width], "{name}");
        assert!(samples.x.isfinite().all().int64_value(&[]) == 1, "{name}");
    }
}

#[test]
fn ho2020_is_the_authors_recipe_to_the_letter() {
    let config = parse(find("cifar10-ho2020").unwrap().text, &[]).unwrap();
    let model = &config.model;
    assert_eq!(config.data.name, DatasetName::Cifar10);
    assert_eq!((model.sample_size, model.in_channels, model.out_channels), (SampleSize::Square(32), 3, 3));
    assert_eq!(model.block_out_channels, [128, 256, 256, 256]);
    assert_eq!(model.layers_per_block, 2);
    use DownBlockType::{AttnDownBlock2D, DownBlock2D};
    use UpBlockType::{AttnUpBlock2D, UpBlock2D};
    assert_eq!(model.down_block_types, [DownBlock2D, AttnDownBlock2D, DownBlock2D, DownBlock2D]);
    assert_eq!(model.up_block_types, [UpBlock2D, UpBlock2D, AttnUpBlock2D, UpBlock2D]);
    assert_eq!((model.attention_head_dim, model.add_attention), (None, true));
    assert_eq!((model.norm_num_groups, model.norm_eps, model.dropout), (32, 1e-6, 0.1));
    assert_eq!((model.downsample_padding, model.flip_sin_to_cos, model.freq_shift), (0, false, 1.0));
    assert_eq!((model.resnet_time_scale_shift, model.num_class_embeds), (TimeScaleShift::Default, None));
    assert_eq!((model.attn_norm_num_groups, model.time_embedding_dim), (None, None));
    assert_eq!(model.mid_block_scale_factor, 1.0);

    let scheduler = config.diffusion.scheduler().unwrap();
    assert_eq!(scheduler.parameterization(), PredictionKind::Epsilon.into());
    assert_eq!(
        (scheduler.variance(), scheduler.threshold()),
        (Variance::FixedLarge, Threshold::Clip { range: 1.0 })
    );
    let schedule = scheduler.schedule().clone();
    let betas = schedule.betas();
    assert_eq!(betas.len(), 1000);
    for (t, beta) in betas.iter().enumerate() {
        assert!((beta - (1e-4 + (0.02 - 1e-4) * t as f64 / 999.0)).abs() < 1e-12);
    }

    let train = &config.train;
    assert_eq!((train.steps, train.batch_size, train.accumulate), (800_000, 128, 1));
    assert_eq!((train.optimizer, train.learning_rate, train.warmup_steps), (Optimizer::Adam, 2e-4, 5000));
    assert_eq!((train.beta1, train.beta2, train.eps, train.gradient_clip), (0.9, 0.999, 1e-8, 1.0));
    assert_eq!([0, 2500, 5000, 799_999].map(|step| train.learning_rate_at(step)), [0.0, 1e-4, 2e-4, 2e-4]);
    assert!(train.horizontal_flips && train.label_dropout == 0.0);
    assert_eq!((train.ema.decay, train.ema.ramp, train.ema.half_life_images), (0.9999, false, None));
    assert_eq!(
        (train.loss, train.times, train.precision),
        (LossConfig::Simple {}, TimesConfig::Uniform {}, Precision::F32)
    );
    assert_eq!((config.sample.sampler.name(), config.sample.steps), ("ddpm", 1000));

    let network = UNet::new(model.clone(), Device::Cpu, 0).unwrap();
    assert_eq!(network.parameters().count(), 35_746_307);
    // conv_out starts at scale 1e-10, so that the prediction is nearly 0 and the loss nearly E eps^2 = 1.
    let objective = Objective::new(ObjectiveConfig::simple(schedule, PredictionKind::Epsilon, 2, 0)).unwrap();
    let x0 = Tensor::zeros([2, 3, 32, 32], (Kind::Float, Device::Cpu));
    let batch = objective.batch(&x0, 0).unwrap();
    let output = tch::no_grad(|| network.forward(&batch.input, &batch.condition, None, false));
    assert!(output.abs().max().double_value(&[]) < 1e-3);
    let losses = objective.losses(&batch, &output).unwrap();
    let loss = objective.mean(&batch, &losses).unwrap().double_value(&[]);
    // 6144 squares of standard normal numbers have a mean with deviation sqrt(2/6144).
    assert!((loss - 1.0).abs() < 4.0 * (2.0f64 / 6144.0).sqrt(), "{loss}");
}

#[test]
fn objectives_that_make_no_sense_are_refused_by_key() {
    let wrong = |preset: &str, changes: &[&str]| {
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let text = format!("{:#}", parse(find(preset).unwrap().text, &changes).unwrap_err());
        assert!(!text.contains('\n'), "{text}");
        text
    };
    let says = |text: String, expected: &str| assert!(text.contains(expected), "{text}");
    says(
        wrong("digits", &["train.loss.kind=min-snrr"]),
        "unknown value `min-snrr`, expected one of `simple`",
    );
    says(
        wrong("digits", &["train.loss.kind=min-snr", "train.loss.gama=5"]),
        "unknown key `train.loss.gama`; did you mean `train.loss.gamma`?",
    );
    says(
        wrong("digits", &["train.loss.kind=min-snr", "train.loss.gamma=-5"]),
        "gamma must be positive, got -5",
    );
    says(wrong("digits", &["train.loss.kind=hybrid"]), "diffusion.variance = \"learned-range\"");
    says(wrong("digits", &["diffusion.variance=learned-range"]), "model.out_channels: must be 2");
    says(
        wrong("digits", &["diffusion.variance=analytic"]),
        "diffusion.variance: analytic is a choice when sampling",
    );
    says(
        wrong("digits", &["diffusion.prediction=eps"]),
        "unknown value `eps`, expected one of `epsilon`, `x0`, `v`, `score`, `edm`",
    );
    says(wrong("digits", &["diffusion.prediction=edm"]), "diffusion.schedule.kind: must be \"karras\"");
    says(wrong("digits", &["diffusion.sigma_data=0.5"]), "belongs to prediction \"edm\"");
    says(wrong("digits", &["train.times.sampler=log-normal"]), "train.times.sampler: \"log-normal\"");
    says(
        wrong("digits", &["train.times.sampler=importance", "train.times.history=0"]),
        "train.times.history must be at least 1",
    );
    says(wrong("digits", &["train.label_dropout=0.1"]), "set model.num_class_embeds");
    says(wrong("digits", &["sample.guidance=2"]), "sample.guidance has no effect on an unconditional model");
    says(
        wrong("cifar10-class-cfg", &["sample.guidance=2", "train.label_dropout=0.0"]),
        "sample.guidance = 2 needs train.label_dropout above 0",
    );
    says(
        wrong(
            "digits",
            &["sample.sampler=ddim", "sample.use_clipped_model_output=true", "diffusion.clip_sample=false"],
        ),
        "sample.use_clipped_model_output has no effect where the predicted x_0 is not clipped",
    );
    says(
        wrong("cifar10-v", &["diffusion.prediction=epsilon"]),
        "diffusion.prediction: must be \"v\" or \"x0\"",
    );
    says(
        wrong("cifar10-edm", &["train.loss.sigma_data=0.4"]),
        "must equal diffusion.sigma_data (0.5), got 0.4",
    );
    says(
        wrong("cifar10-improved", &["train.loss.kind=simple", "train.loss.lambda=1"]),
        "unknown key `train.loss.lambda`",
    );
    says(
        wrong("cifar10-class-cfg", &["train.label_dropout=2"]),
        "train.label_dropout must be in [0, 1], got 2",
    );
}

#[test]
fn settings_without_a_kind_select_one_that_has_them() {
    let image = |changes: &[&str]| {
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        parse(find("digits").unwrap().text, &changes).unwrap()
    };
    assert_eq!(image(&["train.loss.gamma=2"]).train.loss, LossConfig::MinSnr { gamma: 2.0 });
    assert_eq!(image(&["train.loss.k=2"]).train.loss, LossConfig::P2 { k: 2.0, gamma: 1.0 });
    let importance = TimesConfig::Importance { history: 3, uniform_share: 1e-3 };
    assert_eq!(image(&["train.times.history=3"]).train.times, importance);
    // The first of each list is what a file without the section has.
    for (default, first) in [
        (toml::Value::try_from(LossConfig::default()).unwrap()["kind"].clone(), LossConfig::KINDS[0]),
        (toml::Value::try_from(TimesConfig::default()).unwrap()["sampler"].clone(), TimesConfig::KINDS[0]),
    ] {
        assert_eq!(default.as_str(), Some(first));
    }
    let text = find("digits").unwrap().text.split("[diffusion]").next().unwrap().to_string();
    let changes = ["diffusion.schedule.train_steps=100".to_string(), "sample.steps=100".to_string()];
    assert_eq!(parse(&text, &changes).unwrap().diffusion.scheduler().unwrap().schedule().steps(), 100);
}
