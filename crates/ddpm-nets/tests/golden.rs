//! The U-Net and the schedules against diffusers: golden files made by `golden/generate.py`.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_core::Grid;
use ddpm_core::{Level, PredictionKind, Time, TimeIndex};
use ddpm_nets::checkpoint::{Checkpoint, Scheduler};
use ddpm_nets::unet::TimeEmbeddingType;
use ddpm_nets::{NetworkDenoiser, Threshold, UNet, UNetConfig, tensor_file};
use ddpm_testkit::hashed;
use serde_json::{Value, json};
use std::path::Path;
use tch::{Device, Kind, Tensor};

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn weight(name: &str, shape: &[i64]) -> Tensor {
    Tensor::from_slice(&hashed::weight(name, shape)).reshape(shape)
}

fn config_of(value: &Value) -> UNetConfig {
    serde_json::from_value(value.clone()).unwrap()
}

fn hashed_network(config: UNetConfig) -> UNet {
    let network = UNet::new(config, Device::Cpu, 0).unwrap();
    let parameters = network.parameters();
    let fixed = parameters.fixed().iter().map(|(name, tensor)| (name, tensor));
    let weights = parameters
        .names()
        .iter()
        .zip(parameters.tensors())
        .chain(fixed)
        .map(|(name, tensor)| (name.clone(), weight(name, &tensor.size())))
        .collect();
    parameters.load(&weights, Path::new("golden")).unwrap();
    network
}

fn keys(network: &UNet) -> Vec<String> {
    let parameters = network.parameters();
    let fixed = parameters.fixed().iter().map(|(name, tensor)| (name, tensor));
    let mut keys: Vec<String> = parameters
        .names()
        .iter()
        .zip(parameters.tensors())
        .chain(fixed)
        .map(|(name, tensor)| format!("{name} {:?}", tensor.size()))
        .collect();
    keys.sort();
    keys
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_string()).collect()
}

fn integers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
}

/// diffusers' DDPMScheduler with some keys.
fn scheduler(mut keys: Value) -> Scheduler {
    keys["_class_name"] = json!("DDPMScheduler");
    Scheduler::from_json(&keys).unwrap()
}

/// A variance-exploding process whose network predicts the score and is told sigma.
fn exploding() -> Scheduler {
    let keys = json!({
        "_class_name": "NoisingProcess", "process": {"kind": "ve"}, "prediction": "score", "condition": "sigma",
        "grid": "karras", "variance": "fixed-large", "threshold": "none",
    });
    Scheduler::from_json(&keys).unwrap()
}

#[test]
fn every_shape_of_unet_answers_as_diffusers_does() {
    let folder = tempfile::tempdir().unwrap();
    let cases = golden("unet.json")["cases"].as_array().unwrap().clone();
    assert!(cases.len() >= 9);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let config = config_of(&case["config"]);
        let [height, width] = config.sample_size.height_width();
        let channels = config.in_channels;
        let network = hashed_network(config.clone());
        assert_eq!(keys(&network), strings(&case["keys"]), "{name}");
        // As PyTorch's FlopCounterMode counts them.
        assert_eq!(case["flops"], config.forward_flops(), "{name}");

        let shape = [2, channels, height, width];
        let count: i64 = shape.iter().product();
        let x = Tensor::from_slice(&hashed::noise("x", count as usize)).reshape(shape);
        let y = case["y"].as_array().map(|_| Tensor::from_slice(&integers(&case["y"])));
        let expected: Vec<f32> =
            case["output"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
        let expected = Tensor::from_slice(&expected).reshape(integers(&case["output_shape"]));

        // Through a checkpoint, so that the files are part of what is compared.
        let dir = folder.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        let parameters = network.parameters();
        let fourier = config.time_embedding_type == TimeEmbeddingType::Fourier;
        let stated = if fourier { exploding() } else { scheduler(json!({})) };
        Checkpoint::save(&dir, &network, parameters.tensors(), &stated, None).unwrap();
        let loaded = Checkpoint::load(&dir, Device::Cpu).unwrap();
        assert_eq!(loaded.network.config(), &config);
        let denoiser = NetworkDenoiser::new(&loaded.network, loaded.scheduler.parameterization(), y);
        let levels: Vec<Level> = case["t"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t.as_f64().unwrap())
            .map(|t| match fourier {
                true => Level::variance_exploding(-2.0 * t.ln(), Time::Sigma(t)),
                false => loaded.scheduler.schedule().level(TimeIndex(t as u32)),
            })
            .collect();
        let prediction = denoiser.predict_rows(&x, &levels).unwrap();
        let output = match prediction.variance_output {
            Some(fraction) => Tensor::cat(&[prediction.value, fraction], 1),
            None => prediction.value,
        };
        let error = (&output - &expected).abs().max().double_value(&[]);
        let scale = expected.abs().max().double_value(&[]);
        assert!(scale > 0.1, "{name}: a vanishing output proves nothing");
        assert!(error / scale < 1e-5, "{name}: relative error {:e}", error / scale);
    }
}

#[test]
fn ho_et_al_network_is_expressed_exactly() {
    let ho = &golden("unet.json")["ho2020"];
    let network = UNet::new(config_of(&ho["config"]), Device::Cpu, 0).unwrap();
    assert_eq!(network.parameters().count(), 35_746_307);
    assert_eq!(ho["parameters"], 35_746_307);
    assert_eq!(keys(&network), strings(&ho["keys"]));
    assert_eq!(ho["flops"], network.config().forward_flops());
    assert_eq!(network.config().layer_costs().iter().map(|layer| layer.weights).sum::<u64>(), 35_746_307);
    // Layers that close a branch start at scale 1e-10: the prediction is nearly 0 and the first loss nearly E eps^2 = 1.
    let x = Tensor::randn([1, 3, 32, 32], (Kind::Float, Device::Cpu));
    let t = Tensor::from_slice(&[500i64]);
    let output = tch::no_grad(|| network.forward(&x, &t, None, false));
    assert!(output.abs().max().double_value(&[]) < 1e-3);
}

#[test]
fn schedules_and_grids_are_diffusers_own() {
    for case in golden("scheduler.json").as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let scheduler = scheduler(case["config"].clone());
        let schedule = scheduler.schedule();
        for (t, expected) in integers(&case["t"]).into_iter().zip(case["alpha_bar"].as_array().unwrap()) {
            let expected = expected.as_f64().unwrap();
            let got = schedule.level(TimeIndex(t as u32)).alpha_bar();
            // diffusers multiplies a thousand f32 factors.
            assert!(
                (got - expected).abs() <= 2e-4 * expected + 1e-9,
                "{name} t={t}: {got} against {expected}"
            );
        }
        for (key, expected) in case["grids"].as_object().unwrap() {
            let (spacing, steps) = key.split_once(' ').unwrap();
            let grid: Grid = serde_json::from_value(spacing.into()).unwrap();
            let got = grid.timesteps(schedule.steps(), steps.parse().unwrap()).unwrap();
            let got: Vec<i64> = got.into_iter().map(|t| i64::from(t.0)).collect();
            // One level is the noisiest one; diffusers visits timestep 0 then on two grids.
            let expected =
                if got.len() == 1 { vec![schedule.steps() as i64 - 1] } else { integers(expected) };
            assert_eq!(got, expected, "{name} {key}");
        }
    }
}

/// The classes with DDPM's noising process: the others are refused.
const KNOWN: [&str; 18] = [
    "DDPMScheduler",
    "DDPMParallelScheduler",
    "DDIMScheduler",
    "DDIMParallelScheduler",
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "DPMSolverMultistepScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
    "SASolverScheduler",
    "EDMEulerScheduler",
];

#[test]
fn every_scheduler_class_of_diffusers_loads_with_its_defaults_or_is_refused_by_name() {
    let classes = golden("scheduler_classes.json");
    let classes = classes.as_object().unwrap();
    assert!(KNOWN.iter().all(|name| classes.contains_key(*name)));
    for (name, defaults) in classes {
        let read = |key: &str, value: Value| {
            let mut keys = json!({ "_class_name": name });
            keys[key] = value;
            Scheduler::from_json(&keys)
        };
        let loaded = Scheduler::from_json(&json!({ "_class_name": name }));
        if !KNOWN.contains(&name.as_str()) {
            let error = loaded.unwrap_err();
            let named = error.contains(&format!("got {name}")) && error.contains("expected one of DDPM");
            assert!(named && !error.contains('\n'), "{error}");
            continue;
        }
        let scheduler = loaded.unwrap();
        assert_eq!(scheduler.schedule().steps() as u64, defaults["num_train_timesteps"].as_u64().unwrap());
        assert_eq!(defaults["prediction_type"], "epsilon", "{name}");
        if name == "EDMEulerScheduler" {
            continue;
        }
        assert_eq!(scheduler.parameterization(), PredictionKind::Epsilon.into());
        assert_eq!(defaults["beta_schedule"], "linear", "{name}");
        let betas = scheduler.schedule().betas();
        for (got, key) in [(betas[0], "beta_start"), (betas[999], "beta_end")] {
            assert!((got - defaults[key].as_f64().unwrap()).abs() < 1e-12, "{name} {key}");
        }
        // The one class without the key places its steps as linspace does.
        let spacing = defaults.get("timestep_spacing").cloned().unwrap_or(json!("linspace"));
        assert_eq!(json!(scheduler.spacing()), spacing, "{name}");
        // Only DDPM and DDIM clip unless told to, and a key that the class does not have has no effect.
        let clips = defaults.get("clip_sample").is_some_and(|value| *value == json!(true));
        assert_eq!(clips, name.starts_with("DDPM") || name.starts_with("DDIM"), "{name}");
        let clipped = Threshold::Clip { range: defaults["clip_sample_range"].as_f64().unwrap_or(1.0) };
        assert_eq!(scheduler.threshold(), if clips { clipped } else { Threshold::None }, "{name}");
        let told = read("clip_sample", json!(true)).unwrap().threshold();
        assert_eq!(told == clipped, defaults.get("clip_sample").is_some(), "{name}");
        let dynamic = Threshold::Dynamic {
            quantile: defaults["dynamic_thresholding_ratio"].as_f64().unwrap_or(1.0),
            cap: defaults["sample_max_value"].as_f64().unwrap_or(1.0),
        };
        let told = read("thresholding", json!(true)).unwrap().threshold();
        assert_eq!(told == dynamic, defaults.get("thresholding").is_some(), "{name}");
    }
}

#[test]
fn impossible_networks_are_refused_by_key() {
    let base = config_of(&golden("unet.json")["cases"][0]["config"]);
    type Change = fn(&mut UNetConfig);
    let cases: [(&str, Change); 10] = [
        ("norm_num_groups", |c| c.norm_num_groups = 7),
        ("attention_head_dim", |c| c.attention_head_dim = Some(5)),
        ("sample_size", |c| c.sample_size = ddpm_nets::unet::SampleSize::Square(15)),
        ("down_block_types", |c| c.down_block_types.truncate(1)),
        ("dropout", |c| c.dropout = 1.0),
        ("block_out_channels", |c| c.block_out_channels = vec![]),
        ("layers_per_block", |c| c.layers_per_block = 0),
        ("block_out_channels", |c| c.block_out_channels = vec![3_200_000, 6_400_000]),
        ("num_class_embeds", |c| c.num_class_embeds = Some(i64::MAX)),
        ("sample_size", |c| c.sample_size = ddpm_nets::unet::SampleSize::Square(1 << 40)),
    ];
    for (key, change) in cases {
        let mut config = base.clone();
        change(&mut config);
        let error = UNet::new(config, Device::Cpu, 0).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.starts_with(&format!("model.{key}: ")), "{key}: {error}");
    }
}

#[test]
fn damaged_checkpoints_are_refused_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = config_of(&golden("unet.json")["cases"][0]["config"]);
    let network = hashed_network(config.clone());
    let parameters = network.parameters();
    let save = |skip: usize| {
        let dir = folder.path().join("checkpoint");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        Checkpoint::save(&dir, &network, parameters.tensors(), &scheduler(json!({})), None).unwrap();
        let path = dir.join("unet/diffusion_pytorch_model.safetensors");
        let mut weights = tensor_file::read(&path).unwrap();
        parameters.names()[..skip].iter().for_each(|name| assert!(weights.remove(name).is_some()));
        tensor_file::write(&path, weights.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
        dir
    };
    let refused = |dir: &Path, expected: &str| {
        let error = Checkpoint::load(dir, Device::Cpu).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    };

    refused(&folder.path().join("nowhere"), "does not exist");
    refused(folder.path(), "has no model_index.json");
    refused(&save(1), "tensor conv_in.weight is missing");

    let dir = save(0);
    let weights = dir.join("unet/diffusion_pytorch_model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    refused(&dir, "diffusion_pytorch_model.safetensors: not a complete safetensors file");
    std::fs::rename(&weights, weights.with_file_name("diffusion_pytorch_model.bin")).unwrap();
    refused(&dir, "pickle");

    let edit = |file: &str, from: &str, to: &str| {
        let dir = save(0);
        let path = dir.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        dir
    };
    let config = "unet/config.json";
    refused(&edit(config, "\"silu\"", "\"gelu\""), "act_fn = \"gelu\" is not supported");
    refused(&edit(config, "\"dropout\"", "\"droput\""), "unknown field `droput`");
    refused(&edit(config, "\"DownBlock2D\"", "\"SkipDownBlock2D\""), "unknown variant `SkipDownBlock2D`");
    refused(&edit(config, "UNet2DModel", "UNet1DModel"), "UNet1DModel is not supported");
    refused(
        &edit("scheduler/scheduler_config.json", "fixed_small", "learned"),
        "variance_type: expected one of fixed_small, fixed_large, learned_range",
    );
    refused(&edit("model_index.json", "unet", "vae"), "names no unet");
}
