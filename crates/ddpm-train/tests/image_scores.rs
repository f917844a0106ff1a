//! Score-based training on images against the exact score: every objective, process and condition on images of a known Gaussian law.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that fails")]

use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{
    Level, NoiseCondition, NoisingConfig, Parameterization, PredictionKind, ProcessConfig, ProcessKind,
    ScheduleConfig, ScheduleKind, Target, TargetSpec, Variance,
};
use ddpm_data::{ImageSet, ImageShape, Shard};
use ddpm_nets::checkpoint::{SamplingDefaults, Scheduler};
use ddpm_nets::targets::ideal_denoiser;
use ddpm_nets::{Denoiser, NetworkDenoiser, NoisedBatch, Threshold, UNet, UNetConfig};
use ddpm_train::score_matching::{DivergenceKind, LevelWeight};
use ddpm_train::{Adam, ImageDiffusion, LossConfig, TrainConfig, Trainable};
use serde_json::json;
use tch::{Device, Kind, Tensor};

const SIDE: usize = 8;
const BATCH: usize = 48;

/// Images with standard deviation 0.3 whose pixels are correlated as 0.8^distance along rows and along columns.
fn law() -> Target {
    let near = |a: usize, b: usize| 0.8f64.powi(a.abs_diff(b) as i32);
    let entry = |i: usize, j: usize| 0.09 * near(i / SIDE, j / SIDE) * near(i % SIDE, j % SIDE);
    let dim = SIDE * SIDE;
    let cov = (0..dim).map(|i| (0..dim).map(|j| entry(i, j)).collect()).collect();
    TargetSpec::Gaussian { mean: Some(vec![0.0; dim]), cov: Some(cov), var: None, file: None }
        .build()
        .unwrap()
}

fn images(law: &Target, count: u64) -> ImageSet {
    let draws = NoiseSource::new(7, Purpose::Target);
    let pixel = |value: f64| ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
    let pixels = (0..count).flat_map(|image| law.sample(&draws, image)).map(pixel).collect();
    ImageSet::new(ImageShape { channels: 1, height: SIDE, width: SIDE }, pixels).unwrap()
}

fn model(fourier: bool) -> UNetConfig {
    serde_json::from_value(json!({
        "sample_size": SIDE, "in_channels": 1, "out_channels": 1, "block_out_channels": [24], "layers_per_block": 1,
        "down_block_types": ["AttnDownBlock2D"], "up_block_types": ["UpBlock2D"], "norm_num_groups": 4,
        "time_embedding_type": if fourier { "fourier" } else { "positional" },
    }))
    .unwrap()
}

struct Case {
    noising: NoisingConfig,
    prediction: PredictionKind,
    condition: NoiseCondition,
    loss: LossConfig,
    steps: u64,
    /// The largest relative error E|s - s*|^2 / E|s*|^2 at three levels in the middle of the process. That of a predicted x_0 is magnified at little
    /// noise, where the score is a small difference over sigma^2.
    error: f64,
}

impl Case {
    fn scheduler(&self) -> Scheduler {
        let sampling = SamplingDefaults {
            spacing: ddpm_core::Grid::Trailing,
            variance: Variance::FixedLarge,
            threshold: Threshold::None,
        };
        let parameterization = Parameterization::Plain { kind: self.prediction, condition: self.condition };
        Scheduler::new(self.noising.clone(), parameterization, sampling).unwrap()
    }

    /// Trains a network and returns its relative errors at three levels in the middle.
    fn errors(&self, law: &Target, images: &ImageSet) -> Vec<f64> {
        let (scheduler, model) = (self.scheduler(), model(self.condition == NoiseCondition::Sigma));
        let config = TrainConfig {
            steps: self.steps,
            batch_size: BATCH,
            learning_rate: 3e-3,
            warmup_steps: 20,
            loss: self.loss,
            ..TrainConfig::default()
        };
        config.validate().unwrap();
        let task = ImageDiffusion::new(&config, &model, &scheduler, images, Device::Cpu).unwrap();
        let (weights, shard) = (task.parameters().tensors(), Shard::single(BATCH).unwrap());
        let adam = Adam::new(weights);
        for step in 0..self.steps {
            task.loss(step, &shard).unwrap().backward();
            let grads: Vec<Tensor> = weights.iter().map(Tensor::grad).collect();
            let _ = ddpm_train::clip_global_norm(&grads, 1.0).unwrap();
            adam.step(weights, &grads, config.adam_at(step), step, None).unwrap();
            for weight in weights {
                weight.shallow_clone().zero_grad();
            }
        }
        let network = UNet::new(model, Device::Cpu, config.seed).unwrap();
        tch::no_grad(|| {
            let pairs = network.parameters().tensors().iter().zip(weights);
            pairs.for_each(|(to, from)| to.shallow_clone().copy_(from));
        });
        let learned = NetworkDenoiser::new(&network, scheduler.parameterization(), None);
        let exact = ideal_denoiser(law, Device::Cpu).unwrap();
        let levels: Vec<Level> = scheduler.noising().spread(7).unwrap()[2..5].to_vec();
        levels
            .iter()
            .map(|level| {
                let n = 256u64;
                let draws = NoiseSource::new(8, Purpose::Target);
                let rows: Vec<f64> = (0..n).flat_map(|i| law.sample(&draws, i)).collect();
                let x0 = Tensor::from_slice(&rows)
                    .reshape([n as i64, 1, SIDE as i64, SIDE as i64])
                    .to_kind(Kind::Float);
                let noise = NoiseSource::new(9, Purpose::Evaluation);
                let x = NoisedBatch::keyed(&x0, vec![*level; n as usize], &noise, 0..n, 0).unwrap().x_t;
                let flat = x.reshape([n as i64, -1]).to_kind(Kind::Double);
                let score = |of: &dyn Denoiser, x: &Tensor| {
                    let prediction = of.predict(x, level).unwrap();
                    prediction
                        .as_kind(PredictionKind::Score, x, level)
                        .unwrap()
                        .reshape([n as i64, -1])
                        .to_kind(Kind::Double)
                };
                let (own, true_score) = (score(&learned, &x), score(exact.as_ref(), &flat));
                let square = |x: Tensor| x.square().sum(Kind::Double).double_value(&[]);
                square(own - &true_score) / square(true_score)
            })
            .collect()
    }
}

fn process(kind: ProcessKind) -> NoisingConfig {
    let exploding = kind == ProcessKind::Ve;
    // On sub-VP sigma falls with t itself: at a small one the score of a predicted x_0 is its error over sigma^2, at the mercy of rounding.
    let least = if kind == ProcessKind::SubVp { 0.15 } else { 0.02 };
    NoisingConfig::Process(ProcessConfig {
        sigma_min: exploding.then_some(0.05),
        sigma_max: exploding.then_some(3.0),
        ..ProcessConfig::new(kind, (!exploding).then_some(least))
    })
}

#[test]
fn every_objective_on_images_finds_the_score_of_a_gaussian_law() {
    let law = law();
    let images = images(&law, 4000);
    let simple = LossConfig::Simple {};
    let weight = LevelWeight::NoiseVariance;
    let implicit = LossConfig::Implicit { weight, divergence: Some(DivergenceKind::Hutchinson) };
    let sliced = LossConfig::Sliced { weight, projections: 2 };
    let levels = ScheduleConfig {
        sigma_min: Some(0.05),
        sigma_max: Some(3.0),
        ..ScheduleConfig::with_steps(ScheduleKind::VeGeometric, 8)
    };
    let case = |noising, prediction, condition, loss, steps, error| Case {
        noising,
        prediction,
        condition,
        loss,
        steps,
        error,
    };
    use NoiseCondition::{LogSnr, Sigma};
    use PredictionKind::{Epsilon, Score, V, X0};
    let cases = [
        case(process(ProcessKind::Vp), Epsilon, LogSnr, simple, 120, 0.1),
        case(process(ProcessKind::Vp), V, LogSnr, simple, 120, 0.1),
        case(process(ProcessKind::SubVp), X0, LogSnr, simple, 250, 0.1),
        case(process(ProcessKind::Ve), Score, Sigma, simple, 120, 0.1),
        case(NoisingConfig::Schedule(levels), Score, Sigma, simple, 120, 0.1),
        case(process(ProcessKind::Vp), Epsilon, LogSnr, implicit, 120, 0.1),
        case(process(ProcessKind::Vp), Epsilon, LogSnr, sliced, 120, 0.2),
    ];
    let mut failures = Vec::new();
    for case in cases {
        let errors = case.errors(&law, &images);
        let what = format!(
            "{} {:?} {:?} {}: {errors:.4?}",
            case.noising.name(),
            case.prediction,
            case.condition,
            case.loss.name()
        );
        println!("{what}");
        if errors.iter().any(|error| *error > case.error) {
            failures.push(what);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
