//! Classifiers of noised and of clean images learn, and their checkpoints answer as they did.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_core::Grid;
use ddpm_core::{PredictionKind, ScheduleConfig, TimeIndex, Variance};
use ddpm_data::{ImageSet, ImageShape, Shard};
use ddpm_nets::Threshold;
use ddpm_nets::checkpoint::{ClassifierCheckpoint, SamplingDefaults, Scheduler};
use ddpm_nets::unet::ClassifierConfig;
use ddpm_train::{
    EmaConfig, ImageClassification, Outcome, RunDir, TrainConfig, Trainable, Trainer, TrainingCallbacks,
    TrainingImages,
};
use serde_json::json;
use tch::{Device, Kind, Tensor};

/// Dark and bright images.
fn images() -> ImageSet {
    let shape = ImageShape { channels: 1, height: 4, width: 4 };
    let bytes =
        (0..64u32).flat_map(|i| (0..16u32).map(move |k| (100 * (i % 2) + 40 + (i * 31 + k * 17) % 60) as u8));
    let labels = (0..64).map(|i| i % 2).collect();
    let names = vec!["dark".to_string(), "bright".to_string()];
    ImageSet::new(shape, bytes.collect()).unwrap().with_labels(labels, names).unwrap()
}

struct Silent;

impl TrainingCallbacks for Silent {}

/// A classifier trained for 200 steps on dark and bright images, of noised images where a scheduler is given.
fn trained(scheduler: Option<&Scheduler>) -> ClassifierCheckpoint {
    let model: ClassifierConfig = serde_json::from_value(json!({
        "sample_size": 4, "in_channels": 1, "num_classes": 2, "block_out_channels": [8, 8], "layers_per_block": 1,
        "down_block_types": ["DownBlock2D", "DownBlock2D"], "norm_num_groups": 4,
    }))
    .unwrap();
    let config = TrainConfig {
        steps: 200,
        batch_size: 32,
        learning_rate: 1e-2,
        warmup_steps: 0,
        checkpoint_every: 0,
        ema: EmaConfig { decay: 0.8, ..EmaConfig::default() },
        ..TrainConfig::default()
    };
    let images = TrainingImages::on_device(&images(), 0, Device::Cpu).unwrap();
    let classifier = ImageClassification::new(&config, &model, scheduler, images, Device::Cpu).unwrap();
    let before = classifier.loss(0, &Shard::single(32).unwrap()).unwrap().double_value(&[]);
    assert!((before - 2f64.ln()).abs() < 0.3, "{before}");
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path().join("run"));
    let mut trainer = Trainer::new(&config, classifier, "", &run, false).unwrap();
    assert_eq!(trainer.run(&mut Silent).unwrap(), Outcome::Finished);

    ClassifierCheckpoint::load(&run.latest(), Device::Cpu).unwrap()
}

#[test]
fn a_classifier_is_sure_at_low_noise_and_unsure_at_high() {
    let sampling = SamplingDefaults {
        spacing: Grid::Trailing,
        variance: Variance::FixedLarge,
        threshold: Threshold::UNIT,
    };
    let scheduler =
        Scheduler::new(ScheduleConfig::default(), PredictionKind::Epsilon.into(), sampling).unwrap();
    let checkpoint = trained(Some(&scheduler));
    let scheduler = checkpoint.scheduler.as_ref().unwrap();
    let schedule = scheduler.schedule();
    tch::manual_seed(0);
    // The mean probability of the truth among many noised images of either class.
    let truth = |t: u32| {
        let level = schedule.level(TimeIndex(t));
        let x0 = Tensor::from_slice(&[-0.5f32, 0.3]).reshape([2, 1, 1, 1]).expand([2, 200, 4, 4], false);
        let x0 = x0.reshape([400, 1, 4, 4]);
        let x_t = &x0 * level.alpha() + x0.randn_like() * level.sigma();
        let t = Tensor::full([400], f64::from(t), (Kind::Float, Device::Cpu));
        let log_p = tch::no_grad(|| checkpoint.network.log_probabilities(&x_t, &t, false));
        let labels = (Tensor::arange(400, (Kind::Int64, Device::Cpu)) / 200).floor().to_kind(Kind::Int64);
        log_p.gather(1, &labels.unsqueeze(1), false).exp().mean(Kind::Double).double_value(&[])
    };
    assert!(truth(10) > 0.95, "{}", truth(10));
    assert!((truth(999) - 0.5).abs() < 0.1, "{}", truth(999));
}

#[test]
fn a_classifier_of_clean_images_has_no_noising_process_and_features_that_give_its_answer() {
    let checkpoint = trained(None);
    assert!(checkpoint.scheduler.is_none());
    let images = images();
    let x0 = Tensor::from_slice(images.pixels()).reshape([64, 1, 4, 4]);
    let x0 = ddpm_nets::pixels::from_u8(&x0);
    let t = Tensor::zeros([64], (Kind::Float, Device::Cpu));
    let features = tch::no_grad(|| checkpoint.network.features(&x0, &t, false));
    assert_eq!(features.size(), [64, 8]);
    let log_p = tch::no_grad(|| checkpoint.network.log_probabilities_of(&features));
    assert!(log_p.equal(&tch::no_grad(|| checkpoint.network.log_probabilities(&x0, &t, false))));
    let labels = Tensor::from_slice(images.labels().unwrap());
    let right = log_p.argmax(1, false).eq_tensor(&labels).to_kind(Kind::Double).mean(Kind::Double);
    assert_eq!(right.double_value(&[]), 1.0);
}
