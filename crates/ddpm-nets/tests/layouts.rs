//! The layouts that diffusers' `from_pretrained` accepts load as the same network; what is not read says what to do.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_nets::checkpoint::{Checkpoint, Scheduler};
use ddpm_nets::{UNet, tensor_file};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

/// Checkpoints of one network, each in a folder of its own.
struct Checkpoints {
    folder: tempfile::TempDir,
    network: UNet,
    count: u32,
}

impl Checkpoints {
    fn new() -> Self {
        let config = json!({
            "sample_size": 8, "in_channels": 1, "out_channels": 1, "block_out_channels": [4, 8], "layers_per_block": 1,
            "down_block_types": ["DownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "UpBlock2D"],
            "norm_num_groups": 4
        });
        let network = UNet::new(serde_json::from_value(config).unwrap(), Device::Cpu, 7).unwrap();
        Checkpoints { folder: tempfile::tempdir().unwrap(), network, count: 0 }
    }

    /// A new checkpoint, and its folders `unet/` and `scheduler/`.
    fn make(&mut self) -> [PathBuf; 3] {
        self.count += 1;
        let dir = self.folder.path().join(format!("checkpoint-{}", self.count));
        fs::create_dir(&dir).unwrap();
        let scheduler = Scheduler::from_json(&json!({"_class_name": "DDPMScheduler"})).unwrap();
        let weights = self.network.parameters().tensors();
        Checkpoint::save(&dir, &self.network, weights, &scheduler, None).unwrap();
        [dir.clone(), dir.join("unet"), dir.join("scheduler")]
    }

    /// The greatest difference of a loaded weight.
    fn difference(&self, dir: &Path) -> f64 {
        let loaded = Checkpoint::load(dir, Device::Cpu).unwrap();
        let pairs = loaded.network.parameters().tensors().iter().zip(self.network.parameters().tensors());
        pairs.map(|(a, b)| (a - b).abs().max().double_value(&[])).fold(0.0, f64::max)
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn rename(folder: &Path, from: &str, to: &str) {
    fs::rename(folder.join(from), folder.join(to)).unwrap();
}

/// Writes tensors in half precision, f16 or bf16.
fn write_half(path: &Path, names: &[String], tensors: &[Tensor], kind: Kind) {
    let dtype = if kind == Kind::Half { Dtype::F16 } else { Dtype::BF16 };
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|tensor| {
            let bits = tensor.detach().to_kind(kind).view_dtype(Kind::Int16).contiguous().reshape([-1]);
            Vec::<i16>::try_from(bits).unwrap().iter().flat_map(|bits| bits.to_le_bytes()).collect()
        })
        .collect();
    let views = names.iter().zip(tensors).zip(&bytes).map(|((name, tensor), bytes)| {
        let shape = tensor.size().iter().map(|&side| side as usize).collect();
        (name.as_str(), TensorView::new(dtype, shape, bytes).unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn layouts_of_diffusers_load_as_the_same_network() {
    let mut all = Checkpoints::new();
    let [dir, ..] = all.make();
    assert_eq!(all.difference(&dir), 0.0);

    let [flat, unet, scheduler] = all.make();
    for file in ["config.json", WEIGHTS] {
        fs::rename(unet.join(file), flat.join(file)).unwrap();
    }
    fs::rename(scheduler.join("scheduler_config.json"), flat.join("scheduler_config.json")).unwrap();
    fs::remove_dir(unet).unwrap();
    fs::remove_dir(scheduler).unwrap();
    assert_eq!(all.difference(&flat), 0.0, "all files in one folder");

    for (kind, variant, tolerance) in [(Kind::Half, "fp16", 1e-3), (Kind::BFloat16, "bf16", 1e-2)] {
        let [dir, unet, _] = all.make();
        let parameters = all.network.parameters();
        let name = format!("diffusion_pytorch_model.{variant}.safetensors");
        write_half(&unet.join(name), parameters.names(), parameters.tensors(), kind);
        assert_eq!(all.difference(&dir), 0.0, "a variant beside the weights is not taken");
        fs::remove_file(unet.join(WEIGHTS)).unwrap();
        let difference = all.difference(&dir);
        assert!(difference > 0.0 && difference < tolerance, "{variant}: {difference}");
        let loaded = Checkpoint::load(&dir, Device::Cpu).unwrap();
        assert!(loaded.network.parameters().tensors().iter().all(|tensor| tensor.kind() == Kind::Float));
    }

    for index in ["safetensors.index.json", "safetensors.index.fp16.json"] {
        let [dir, unet, _] = all.make();
        let tensors = tensor_file::read(&unet.join(WEIGHTS)).unwrap();
        let part = |number: usize| format!("diffusion_pytorch_model-0000{number}-of-00002.safetensors");
        let map: serde_json::Map<String, Value> =
            tensors.keys().enumerate().map(|(i, name)| (name.clone(), json!(part(1 + i % 2)))).collect();
        for number in [1, 2] {
            let own = tensors.iter().filter(|(name, _)| map[*name] == part(number));
            tensor_file::write(&unet.join(part(number)), own.map(|(name, tensor)| (name.as_str(), tensor)))
                .unwrap();
        }
        let text = json!({"metadata": {"total_size": 1}, "weight_map": map}).to_string();
        fs::write(unet.join(format!("diffusion_pytorch_model.{index}")), text).unwrap();
        fs::remove_file(unet.join(WEIGHTS)).unwrap();
        assert_eq!(all.difference(&dir), 0.0, "{index}");
    }

    // Averaged weights of diffusers' training, whose configuration tells of the averaging.
    let [dir, unet, _] = all.make();
    rename(&dir, "unet", "unet_ema");
    let path = dir.join("unet_ema/config.json");
    edit(&path, |config| {
        for key in ["decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step"] {
            config[key] = json!(1.0);
        }
        config["use_ema_warmup"] = json!(true);
        // What Python writes for absent values.
        for key in ["norm_eps", "dropout", "num_class_embeds", "attn_norm_num_groups", "time_embedding_dim"] {
            config[key] = Value::Null;
        }
    });
    let text =
        fs::read_to_string(&path).unwrap().replace("\"decay\":1.0", "\"decay\":NaN,\"_note\":-Infinity");
    assert!(text.contains("NaN"));
    fs::write(&path, text).unwrap();
    assert_eq!(all.difference(&dir), 0.0, "unet_ema alone");
    assert!(!unet.exists());
}

#[test]
fn what_is_not_read_says_what_to_do() {
    let mut all = Checkpoints::new();
    let refused = |dir: &Path, expected: &[&str]| {
        let error = Checkpoint::load(dir, Device::Cpu).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(expected.iter().all(|part| error.contains(part)) && !error.contains('\n'), "{error}");
    };
    for pickle in ["diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp16.bin", "pytorch_model.bin"] {
        let [dir, unet, _] = all.make();
        rename(&unet, WEIGHTS, pickle);
        refused(&dir, &[pickle, "pickle", "safe_serialization=True"]);
    }
    let [dir, unet, _] = all.make();
    fs::copy(unet.join(WEIGHTS), unet.join("diffusion_pytorch_model.fp16.safetensors")).unwrap();
    rename(&unet, WEIGHTS, "diffusion_pytorch_model.non_ema.safetensors");
    refused(&dir, &["fp16", "non_ema", "copy the one to use"]);

    let [dir, unet, _] = all.make();
    rename(&unet, WEIGHTS, "diffusion_pytorch_model-00001-of-00002.safetensors");
    refused(&dir, &["diffusion_pytorch_model-00001-of-00002.safetensors is a part of a list"]);
    for (file, expected) in [
        (json!("../weights.safetensors"), "expected the name of a file beside it"),
        (json!(3), "expected the name of a file beside it"),
        (json!("model.bin"), "is no safetensors file"),
        (json!("absent.safetensors"), "absent.safetensors"),
    ] {
        let text = json!({"weight_map": {"conv_in.weight": file}}).to_string();
        fs::write(unet.join("diffusion_pytorch_model.safetensors.index.json"), text).unwrap();
        refused(&dir, &[expected]);
    }

    let [dir, unet, _] = all.make();
    fs::remove_file(unet.join(WEIGHTS)).unwrap();
    refused(&dir, &[WEIGHTS, "is missing"]);

    let [dir, unet, _] = all.make();
    let mut tensors = tensor_file::read(&unet.join(WEIGHTS)).unwrap();
    let _ = tensors.get_mut("conv_in.bias").unwrap().fill_(f64::NAN);
    tensor_file::write(&unet.join(WEIGHTS), tensors.iter().map(|(name, t)| (name.as_str(), t))).unwrap();
    refused(&dir, &["tensor conv_in.bias holds NaN or infinity"]);
}

/// Numbers of a configuration that no network or process has end in an error that names file and key, before memory is asked for.
#[test]
fn impossible_numbers_are_refused_by_file_and_key() {
    let mut all = Checkpoints::new();
    let [dir, unet, scheduler] = all.make();
    let (config, scheduler) = (unet.join("config.json"), scheduler.join("scheduler_config.json"));
    let wrong =
        [json!(1e18 as i64), json!(u64::MAX), json!(-1), json!(0), json!(1.5), json!("x"), json!([1])];
    let of_network = [
        "sample_size",
        "in_channels",
        "out_channels",
        "layers_per_block",
        "attention_head_dim",
        "norm_num_groups",
        "attn_norm_num_groups",
        "time_embedding_dim",
        "num_class_embeds",
    ];
    let betas = |last: Value| {
        let mut list = vec![json!(0.01); 1000];
        list[999] = last;
        Value::Array(list)
    };
    let others = [
        (&config, "block_out_channels", json!([4, i64::MAX])),
        (&config, "block_out_channels", json!([-4, 8])),
        (&config, "downsample_padding", json!(2)),
        (&config, "norm_eps", json!("nan")),
        (&config, "dropout", json!(-0.5)),
        (&config, "mid_block_scale_factor", json!(0)),
        (&config, "down_block_types", json!(["DownBlock2D", "SkipDownBlock2D"])),
        (&scheduler, "num_train_timesteps", json!(0)),
        (&scheduler, "num_train_timesteps", json!(u64::MAX)),
        (&scheduler, "beta_start", json!("nan")),
        (&scheduler, "clip_sample_range", json!(-1)),
        (&scheduler, "trained_betas", json!([0.1])),
        (&scheduler, "trained_betas", betas(json!("nan"))),
        (&scheduler, "betas[999]", betas(json!(1.5))),
        (&scheduler, "betas[999]", betas(json!(0))),
    ];
    let cases = of_network.iter().flat_map(|key| wrong.iter().map(|value| (&config, *key, value.clone())));
    for (path, key, value) in cases.chain(others) {
        let before = fs::read_to_string(path).unwrap();
        let in_file = key.replace("betas[999]", "trained_betas");
        edit(path, |object| object[in_file.as_str()] = value.clone());
        let error = Checkpoint::load(&dir, Device::Cpu).err().map(|e| e.to_string()).unwrap_or_default();
        let named =
            error.contains(&path.display().to_string()) && error.contains(key) && !error.contains('\n');
        assert!(named, "{key} = {value}: {error}");
        fs::write(path, before).unwrap();
    }
    assert_eq!(all.difference(&dir), 0.0);
}
