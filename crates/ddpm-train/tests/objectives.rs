//! The objectives against other implementations: golden files made by `golden/generate.py`.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_core::bound_steps;
use ddpm_core::{
    Level, Noising, Parameterization, Preconditioning, PredictionKind, Schedule, ScheduleConfig,
    ScheduleKind, Time, TimeIndex, Variance,
};
use ddpm_nets::{NetworkDenoiser, UNet, UNetConfig, bound, tensor_file};
use ddpm_testkit::hashed;
use ddpm_train::{
    DrawnLevel, LossConfig, Objective, ObjectiveConfig, TimeSampler, TimesConfig, TrainingBatch,
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

const SHAPE: [i64; 4] = [4, 3, 8, 8];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn golden(key: &str) -> Value {
    let text = std::fs::read_to_string(file("objectives.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()[key].take()
}

fn count(shape: &[i64]) -> usize {
    shape.iter().product::<i64>() as usize
}

fn weight(name: &str, shape: &[i64]) -> Tensor {
    Tensor::from_slice(&hashed::weight(name, shape)).reshape(shape)
}

fn images(name: &str, shape: &[i64]) -> Tensor {
    Tensor::from_slice(&hashed::images(name, count(shape))).reshape(shape)
}

fn noise(name: &str, shape: &[i64]) -> Tensor {
    Tensor::from_slice(&hashed::noise(name, count(shape))).reshape(shape)
}

fn network(config: &Value, out_channels: i64) -> UNet {
    let config = UNetConfig { out_channels, ..serde_json::from_value(config.clone()).unwrap() };
    let network = UNet::new(config, Device::Cpu, 0).unwrap();
    let parameters = network.parameters();
    let names = parameters.names().iter().zip(parameters.tensors());
    let weights = names.map(|(name, tensor)| (name.clone(), weight(name, &tensor.size()))).collect();
    parameters.load(&weights, Path::new("golden")).unwrap();
    network
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn timesteps(value: &Value) -> Vec<TimeIndex> {
    numbers(value).into_iter().map(|t| TimeIndex(t as u32)).collect()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double)).unwrap()
}

fn assert_close(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= tolerance * expected.abs(), "{what}: {got} expected {expected}");
    }
}

fn answer(network: &UNet, batch: &TrainingBatch) -> Tensor {
    network.forward(&batch.input, &batch.condition, None, true)
}

#[test]
fn hos_loss_and_every_gradient_are_diffusers_own() {
    let golden = golden("ho2020");
    let network = network(&golden["config"], 3);
    let shape = [4, 3, 16, 16];
    let config = ObjectiveConfig::simple(Schedule::linear(1000).unwrap(), PredictionKind::Epsilon, 4, 0);
    let objective = Objective::new(config).unwrap();
    let (x0, eps) = (images("x0", &shape), noise("eps", &shape));
    let batch = objective.batch_at(&x0, &timesteps(&golden["t"]), &eps, None).unwrap();
    let losses = objective.losses(&batch, &answer(&network, &batch)).unwrap();
    let loss = objective.mean(&batch, &losses).unwrap();
    loss.backward();
    assert_close("losses", &values(&losses), &numbers(&golden["losses"]), 1e-6);
    assert_close("loss", &[loss.double_value(&[])], &[golden["loss"].as_f64().unwrap()], 1e-6);

    let expected = tensor_file::read(&file("gradients.safetensors")).unwrap();
    let parameters = network.parameters();
    assert_eq!(expected.len(), parameters.names().len());
    for (name, weight) in parameters.names().iter().zip(parameters.tensors()) {
        let expected = &expected[name];
        let scale = expected.abs().max().double_value(&[]);
        let error = (weight.grad() - expected).abs().max().double_value(&[]);
        // The bias of a key shifts all of a query's scores alike: its gradient is rounding.
        let floor = if name.ends_with("to_k.bias") { 1e-6 } else { 0.0 };
        assert!(error <= 1e-4 * scale + floor, "{name}: {error:e} of {scale:e}");
    }
}

fn kind(name: &Value) -> PredictionKind {
    serde_json::from_value(name.clone()).unwrap()
}

fn schedule(case: &Value) -> Schedule {
    let kind: ScheduleKind = case["schedule"].as_str().unwrap().parse().unwrap();
    ScheduleConfig::with_steps(kind, case["steps"].as_u64().unwrap() as usize).build().unwrap()
}

#[test]
fn losses_and_terms_of_the_bound_are_improved_diffusions() {
    let small = golden("small");
    let cases = golden("improved")["cases"].as_array().unwrap().clone();
    assert!(cases.len() >= 6);
    for case in cases {
        let what =
            format!("{} {} {} {}", case["schedule"], case["prediction"], case["variance"], case["loss"]);
        let variance: Variance = case["variance"].as_str().unwrap().parse().unwrap();
        let loss = match case["loss"].as_str().unwrap() {
            "simple" => LossConfig::Unweighted {},
            // Their squared error is that of what the network predicts.
            "hybrid" if kind(&case["prediction"]) != PredictionKind::Epsilon => LossConfig::Vlb {},
            "hybrid" => LossConfig::Hybrid { lambda: 1e-3 },
            _ => LossConfig::Vlb {},
        };
        let network = network(&small, if variance == Variance::LearnedRange { 6 } else { 3 });
        let schedule = schedule(&case);
        let steps = schedule.steps();
        let prediction = kind(&case["prediction"]);
        let config =
            ObjectiveConfig { variance, loss, ..ObjectiveConfig::simple(schedule.clone(), prediction, 4, 0) };
        let objective = Objective::new(config).unwrap();
        let (x0, eps) = (images("x0", &SHAPE), noise("eps", &SHAPE));

        let batch = objective.batch_at(&x0, &timesteps(&case["t"]), &eps, None).unwrap();
        let output = tch::no_grad(|| answer(&network, &batch));
        let mut losses = values(&objective.losses(&batch, &output).unwrap());
        let expected = numbers(&case["losses"]);
        if case["loss"] == "hybrid" && loss == (LossConfig::Vlb {}) {
            let square = (output.narrow(1, 0, 3) - &batch.target).square().flatten(1, -1);
            let square = values(&square.mean_dim([1i64].as_slice(), false, Kind::Float));
            losses.iter_mut().zip(square).for_each(|(loss, square)| *loss = square + 1e-3 * *loss);
        }
        // Row 0 is the decoder's, which improved-diffusion approximates: see below.
        let first = usize::from(case["loss"] != "simple");
        assert_close(&what, &losses[first..], &expected[first..], 2e-4);

        let lowest = Objective::new(ObjectiveConfig {
            variance,
            loss: LossConfig::Vlb {},
            ..ObjectiveConfig::simple(schedule.clone(), prediction, 4, 0)
        })
        .unwrap();
        let batch = lowest.batch_at(&x0, &[TimeIndex(0); 4], &eps, None).unwrap();
        let output = tch::no_grad(|| answer(&network, &batch));
        let decoder = values(&(lowest.losses(&batch, &output).unwrap() / steps as f64));
        assert_close(&format!("{what} decoder"), &decoder, &numbers(&case["decoder"]), 2e-4);

        let denoiser = NetworkDenoiser::new(&network, prediction, None);
        let terms = bound_steps(&schedule, variance, None).unwrap();
        let bound = bound::evaluate(&denoiser, &schedule, &terms, &x0, 256, Some(1.0), &mut |t| {
            Ok::<_, ddpm_nets::NetsError>(noise(&format!("bound{t}"), &SHAPE))
        })
        .unwrap();
        let bits = |nats: &Tensor| values(&(nats / std::f64::consts::LN_2));
        assert_close(&format!("{what} prior"), &bits(&bound.prior), &numbers(&case["prior"]), 1e-3);
        for (image, expected) in case["terms"].as_array().unwrap().iter().enumerate() {
            let shown = numbers(&case["shown"]).into_iter().map(|t| t as i64);
            let got: Vec<f64> = shown
                .map(|t| bound.steps.double_value(&[image as i64, t]) / std::f64::consts::LN_2)
                .collect();
            assert_close(&format!("{what} terms"), &got, &numbers(expected), 1e-3);
        }
        let first = bound.steps.select(1, 0);
        let without = values(&(bound.bits_per_dim() - &first / std::f64::consts::LN_2));
        assert_close(&format!("{what} bound"), &without, &numbers(&case["total_but_decoder"]), 2e-4);
        if case["prediction"] == "epsilon" {
            // Far from the bins the tanh is no approximation at all.
            assert_close(&format!("{what} tanh"), &bits(&first), &numbers(&case["decoder_by_tanh"]), 1e-2);
        }
    }
}

#[test]
fn importance_sampling_weighs_levels_as_improved_diffusions_resampler_does() {
    let golden = &golden("improved")["resampler"];
    let config = TimesConfig::Importance { history: 3, uniform_share: 0.02 };
    let mut times = TimeSampler::new(config, Noising::Discrete(Schedule::cosine(10).unwrap()), 4, 0);
    let losses: Vec<f64> = hashed::uniform("losses", 40).map(|u| 1.5 + u).collect();
    for (k, loss) in losses.into_iter().enumerate() {
        times.record_losses(&[(TimeIndex(((k * 7) % 10) as u32), loss)]);
    }
    let mut seen = [None; 10];
    for draw in times.draw(0, 2000).unwrap() {
        seen[draw.index.unwrap().0 as usize] = Some(1.0 / (10.0 * draw.importance));
    }
    let got: Vec<f64> = seen.into_iter().flatten().collect();
    assert_close("law", &got, &numbers(&golden["after"]), 1e-12);
}

#[test]
fn weighted_losses_are_the_published_formulas() {
    let network = network(&golden("small"), 3);
    let (x0, eps) = (images("x0", &SHAPE), noise("eps", &SHAPE));
    for case in golden("weighted").as_array().unwrap() {
        let name = if case["schedule"] == "linear" { ScheduleKind::Linear } else { ScheduleKind::Cosine };
        let zero_terminal_snr = case["zero_terminal_snr"].as_bool().unwrap();
        let schedule = ScheduleConfig { zero_terminal_snr, ..ScheduleConfig::new(name) }.build().unwrap();
        for (key, expected) in case["losses"].as_object().unwrap() {
            let (weight, prediction) = key.split_once(' ').unwrap();
            let loss = match weight {
                "min-snr" => LossConfig::MinSnr { gamma: 5.0 },
                _ => LossConfig::P2 { k: 1.0, gamma: 0.5 },
            };
            let prediction = kind(&prediction.into());
            let config =
                ObjectiveConfig { loss, ..ObjectiveConfig::simple(schedule.clone(), prediction, 4, 0) };
            let objective = Objective::new(config).unwrap();
            let batch = objective.batch_at(&x0, &timesteps(&case["t"]), &eps, None).unwrap();
            let output = tch::no_grad(|| answer(&network, &batch));
            let losses = values(&objective.losses(&batch, &output).unwrap());
            // The reference multiplies a thousand f32 factors of alpha-bar.
            assert_close(&format!("{} {key}", case["schedule"]), &losses, &numbers(expected), 2e-3);
        }
    }
}

#[test]
fn edms_loss_is_table_1() {
    let golden_edm = golden("edm");
    let network = network(&golden("small"), 3);
    let edm = Preconditioning { sigma_data: 0.5 };
    let objective = Objective::new(ObjectiveConfig {
        noising: Noising::Discrete(ScheduleConfig::new(ScheduleKind::Karras).build().unwrap()),
        parameterization: Parameterization::Edm(edm),
        loss: LossConfig::Edm { sigma_data: 0.5 },
        times: TimesConfig::LogNormal { mean: -1.2, std: 1.2 },
        ..ObjectiveConfig::simple(Schedule::linear(1000).unwrap(), PredictionKind::X0, 4, 0)
    })
    .unwrap();
    let draws: Vec<DrawnLevel> = numbers(&golden_edm["sigma"])
        .into_iter()
        .map(|sigma| DrawnLevel {
            level: Level::variance_exploding(-2.0 * sigma.ln(), Time::Sigma(sigma)),
            index: None,
            importance: 1.0,
        })
        .collect();
    let (x0, eps) = (images("x0", &SHAPE), noise("eps", &SHAPE));
    let batch = objective.batch_with(&x0, draws, eps.shallow_clone(), None).unwrap();
    let output = tch::no_grad(|| answer(&network, &batch));
    let losses = values(&objective.losses(&batch, &output).unwrap());
    assert_close("losses", &losses, &numbers(&golden_edm["losses"]), 1e-4);
}
