//! Adam, AdamW, clipping, warm-up, accumulated gradients and averages equal PyTorch's on the same gradients (golden/optimizer.py).
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_train::{Adam, Ema, EmaConfig, Optimizer, TrainConfig, clip_global_norm};
use serde::Deserialize;
use tch::Tensor;

/// A list of tensors, flattened.
type Flat = Vec<Vec<f64>>;

#[derive(Deserialize)]
struct Golden {
    shapes: Vec<Vec<i64>>,
    start: Flat,
    /// By step, then by part of the batch.
    gradients: Vec<Vec<Flat>>,
    adam: Vec<Step>,
    adamw: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    norm: f64,
    weights: Flat,
    exp_avg: Flat,
    exp_avg_sq: Flat,
    average: Flat,
}

impl Golden {
    fn tensors(&self, flat: &Flat) -> Vec<Tensor> {
        let tensor = |(values, shape): (&Vec<f64>, &Vec<i64>)| {
            let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            Tensor::from_slice(&values).reshape(shape)
        };
        flat.iter().zip(&self.shapes).map(tensor).collect()
    }
}

fn assert_close(what: &str, got: &[Tensor], expected: &Flat) {
    for (got, expected) in got.iter().zip(expected) {
        let got: Vec<f64> = got.reshape([-1]).to_kind(tch::Kind::Double).try_into().unwrap();
        for (a, b) in got.iter().zip(expected) {
            assert!((a - b).abs() <= 1e-6 * (1.0 + b.abs()), "{what}: {a}, PyTorch has {b}");
        }
    }
}

fn compare(golden: &Golden, config: &TrainConfig, expected: &[Step]) {
    let weights = golden.tensors(&golden.start);
    let adam = Adam::new(&weights);
    let (name, law) = config.ema.averages().next().unwrap();
    let ema = Ema::new(name, law, config.batch_size, &weights);
    for (step, (parts, expected)) in golden.gradients.iter().zip(expected).enumerate() {
        let parts: Vec<Vec<Tensor>> = parts.iter().map(|part| golden.tensors(part)).collect();
        // What backward does with parts of a batch, each divided by their number.
        let grads: Vec<Tensor> = (0..weights.len())
            .map(|k| parts.iter().map(|part| &part[k] / parts.len() as f64).sum())
            .collect();
        let norm = clip_global_norm(&grads, config.gradient_clip).unwrap().double_value(&[]);
        assert!((norm - expected.norm).abs() < 1e-6 * (1.0 + norm), "{norm}, PyTorch has {}", expected.norm);
        adam.step(&weights, &grads, config.adam_at(step as u64), step as u64, None).unwrap();
        ema.update(&weights, step as u64).unwrap();
        assert_close("weights", &weights, &expected.weights);
        assert_close("first moments", adam.exp_avgs(), &expected.exp_avg);
        assert_close("second moments", adam.exp_avg_sqs(), &expected.exp_avg_sq);
        assert_close("average", ema.tensors(), &expected.average);
        if step == 0 {
            assert_close("weights after the first step of a warm-up", &weights, &golden.start);
        }
    }
}

#[test]
fn updates_equal_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("golden/optimizer.json")).unwrap();
    let adam = TrainConfig {
        learning_rate: 0.05,
        warmup_steps: 2,
        gradient_clip: 1.0,
        ema: EmaConfig { decay: 0.9, ..EmaConfig::default() },
        ..TrainConfig::default()
    };
    compare(&golden, &adam, &golden.adam);
    let adamw = TrainConfig { optimizer: Optimizer::AdamW, weight_decay: 0.1, ..adam };
    compare(&golden, &adamw, &golden.adamw);
    let moved = |steps: &[Step]| steps[3].weights[0][0];
    assert!((moved(&golden.adam) - moved(&golden.adamw)).abs() > 1e-4, "weight decay matters");
}
