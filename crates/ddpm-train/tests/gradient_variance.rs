//! Terms of the bound as divergences between Gaussians in closed form, against the same terms by a drawn x_{t-1}: the gradients have one mean, and the
//! closed form the smaller variance (Ho et al. 2020, sec. 2: a Rao-Blackwellized estimate).
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{PredictionKind, Schedule, TargetSpec, Variance};
use ddpm_data::{DatasetName, Source};
use ddpm_nets::pixels::from_u8;
use ddpm_nets::{UNet, UNetConfig};
use ddpm_train::{LossConfig, Objective, ObjectiveConfig};
use serde_json::json;
use tch::{Device, Kind, Tensor};

const BATCH: i64 = 32;
const BATCHES: u64 = 60;

/// Data x_0 [n, c, h, w].
fn digits() -> Tensor {
    let source = Source::from_data_dir(None).unwrap();
    let images = ddpm_data::load(DatasetName::Digits, &source).unwrap().train;
    let first = images.first((BATCH as u64 * BATCHES).min(images.len() as u64) as usize);
    from_u8(&Tensor::from_slice(first.pixels()).reshape([-1, 1, 8, 8]))
}

/// Points of a mixture in the plane as images of two channels and one pixel.
fn mixture() -> Tensor {
    let means = vec![vec![-0.6, -0.4], vec![0.6, 0.4], vec![0.5, -0.6]];
    let spec = TargetSpec::Mixture {
        weights: vec![0.3, 0.5, 0.2],
        means,
        stds: Some(vec![0.1, 0.15, 0.1]),
        covs: None,
    };
    let target = spec.build().unwrap();
    let draws = NoiseSource::new(3, Purpose::Target);
    let values: Vec<f64> = (0..BATCH as u64 * BATCHES).flat_map(|row| target.sample(&draws, row)).collect();
    // On the grey levels that the decoder's term needs.
    ((Tensor::from_slice(&values).clamp(-1.0, 1.0) * 127.5).round() / 127.5)
        .reshape([-1, 2, 1, 1])
        .to_kind(Kind::Float)
}

/// Mean [p] and summed variance of the gradient of a loss over batches of levels, noise and data.
fn gradient(loss: LossConfig, x0: &Tensor) -> (Tensor, f64) {
    let schedule = Schedule::linear(100).unwrap();
    let simple = ObjectiveConfig::simple(schedule, PredictionKind::Epsilon, BATCH as usize, 5);
    let objective =
        Objective::new(ObjectiveConfig { loss, variance: Variance::LearnedRange, ..simple }).unwrap();
    let [_, channels, height, width] = x0.size()[..] else { panic!("images") };
    let model: UNetConfig = serde_json::from_value(json!({
        "sample_size": [height, width], "in_channels": channels, "out_channels": 2 * channels, "block_out_channels": [8],
        "layers_per_block": 1, "down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"],
        "norm_num_groups": 2, "add_attention": false,
    }))
    .unwrap();
    let network = UNet::new(model, Device::Cpu, 1).unwrap();
    let weights = network.parameters().tensors();
    let mut rows = Vec::new();
    for batch in 0..BATCHES {
        let first = (batch as i64 * BATCH) % (x0.size()[0] - BATCH + 1);
        let noised = objective.batch(&x0.narrow(0, first, BATCH), batch * BATCH as u64).unwrap();
        let output = network.forward(&noised.input, &noised.condition, None, true);
        let losses = objective.losses(&noised, &output).unwrap();
        objective.mean(&noised, &losses).unwrap().backward();
        rows.push(Tensor::cat(
            &weights.iter().map(|weight| weight.grad().reshape([-1])).collect::<Vec<_>>(),
            0,
        ));
        weights.iter().for_each(|weight| weight.shallow_clone().zero_grad());
    }
    let rows = Tensor::stack(&rows, 0).to_kind(Kind::Double);
    let mean = rows.mean_dim([0i64].as_slice(), false, Kind::Double);
    let variance = (&rows - &mean).square().sum(Kind::Double).double_value(&[]) / (BATCHES - 1) as f64;
    (mean, variance)
}

#[test]
fn the_closed_form_has_the_gradient_of_a_drawn_step_with_less_variance() {
    for (name, x0, least) in [("digits", digits(), 1.5), ("mixture", mixture(), 1.5)] {
        let (closed, closed_variance) = gradient(LossConfig::Vlb {}, &x0);
        let (drawn, drawn_variance) = gradient(LossConfig::Gaussian {}, &x0);
        // The bound is in bits of all T levels, the regression in nats of one.
        let factor = 100.0 / std::f64::consts::LN_2;
        let (drawn, drawn_variance) = (drawn * factor, drawn_variance * factor * factor);
        let norm = |x: &Tensor| x.square().sum(Kind::Double).double_value(&[]).sqrt();
        let difference = norm(&(&drawn - &closed));
        let error = ((closed_variance + drawn_variance) / BATCHES as f64).sqrt();
        let ratio = drawn_variance / closed_variance;
        println!(
            "{name}: variance of the gradient, drawn over closed form: {ratio:.2}; means differ by {difference:.3e}, error {error:.3e}"
        );
        assert!(difference < 2.0 * error, "{name}: {difference:e} {error:e}");
        assert!(ratio > least, "{name}: {ratio}");
    }
}
