//! Wrong input ends in exit status 2 and one line that names the thing; nothing appears under its final name.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{ddpm, plain_ddpm};
use std::path::Path;

/// Runs the command and returns its last line on the standard error.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = ddpm(folder).args(arguments).assert().code(2).get_output().clone();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.stdout.is_empty(), "{arguments:?} printed {:?}", String::from_utf8_lossy(&output.stdout));
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// The same where the message is our own: exactly one line.
fn refused_in_one_line(folder: &Path, arguments: &[&str]) -> String {
    let text = refused(folder, arguments);
    assert_eq!(text.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{text}");
    assert_eq!(text.lines().last().map(|line| line.starts_with("error: ")), Some(true), "{text}");
    text
}

#[test]
fn configurations() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.toml");
    std::fs::write(&broken, "[data]\nname = \"digits\"\n[model\n").unwrap();
    for (arguments, expected) in [
        (&["reproduce", "didgits"][..], "unknown preset \"didgits\"; expected one of digits, "),
        (&["reproduce", "nowhere.toml"], "nowhere.toml: No such file"),
        (&["config", "check", "broken.toml"], "broken.toml: "),
        (&["reproduce", "digits", "--set", "train.stepz=3"], "did you mean `train.steps`?"),
        (&["reproduce", "digits", "--set", "train.steps=-3"], "digits: "),
        (&["reproduce", "digits", "--set", "model.norm_num_groups=7"], "model.norm_num_groups: "),
        (
            &["reproduce", "digits", "--set", "model.sample_size=9"],
            "model.sample_size: 9x9 cannot be halved 1 times",
        ),
        (&["reproduce", "digits", "--set", "model.sample_size=16"], "the model takes images of 1 x 16 x 16"),
        (&["reproduce", "digits", "--set", "train.precision=fp16"], "unknown value `fp16`"),
        (&["reproduce", "digits", "--set", "sample.sampler=dpm"], "unknown sampler \"dpm\""),
        (&["train", "--config", "digits", "--set", "model.out_channels=2"], "model.out_channels: "),
    ] {
        let line = refused_in_one_line(folder.path(), arguments);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["broken.toml"], "nothing was made");
}

#[test]
fn data_and_places() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (arguments, expected) in [
        (&["reproduce", "cifar10-small", "--data-dir", "nowhere"][..], "nowhere"),
        (&["data", "info", "cifar10", "--data-dir", "."], "."),
        (&["data", "fetch", "mnist"], "unknown dataset"),
        (&["reproduce", "digits", "--run", "file/run"], "file/run"),
    ] {
        let line = refused(folder.path(), arguments);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["file"], "nothing was made");
}

#[test]
fn devices_and_usage() {
    let folder = tempfile::tempdir().unwrap();
    let typed = |arguments: &[&str]| {
        let output = plain_ddpm(folder.path()).args(arguments).assert().code(2).get_output().clone();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with("error: ") && text.lines().count() == 1, "{arguments:?}: {text}");
        text
    };
    for (arguments, expected) in [
        (&["--device", "gpu", "devices"][..], "expected cpu, cuda, cuda:N or auto"),
        (&["--device", "cpu", "gpu-check"], "use --device cuda"),
        (&["sample"], "--checkpoint"),
        (&["train"], "--config"),
        (&["sample", "--checkpoint", "x", "--steps", "many"], "'many'"),
        (&["sample", "--checkpoint", "x", "--variance", "huge"], "huge"),
        (&["reproduse", "digits"], "'reproduse'"),
        (&["reproduce", "digits", "--threads", "0"], "--threads must lie between 1 and 1024"),
    ] {
        let line = typed(arguments);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
    if !torch_ext::device::cuda_status().usable() {
        let line = typed(&["--device", "cuda", "sample", "--checkpoint", "x"]);
        assert!(line.starts_with("error: device cuda is not usable: "), "{line}");
        assert!(line.contains("use --device cpu"), "{line}");
    }
}

#[test]
fn checkpoints_and_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    ddpm(folder.path())
        .args(["train", "--config", "digits", "--run", "run"])
        .args(common::set(&common::TINY))
        .args(common::set(&["train.steps=1"]))
        .assert()
        .success();
    let model = "run/checkpoints/latest";
    let x = tch::Tensor::zeros([2, 1, 8, 8], (tch::Kind::Float, tch::Device::Cpu));
    let t = tch::Tensor::from_slice(&[0i64, 1000]);
    let write = |name: &str, tensors: &[(&str, &tch::Tensor)]| {
        ddpm_nets::tensor_file::write(&path(name), tensors.iter().copied()).unwrap();
    };
    write("late.safetensors", &[("x", &x), ("t", &t)]);
    write("no-t.safetensors", &[("x", &x)]);
    write("wide.safetensors", &[("x", &x.narrow(3, 0, 7)), ("t", &tch::Tensor::from_slice(&[0i64, 1]))]);
    write("labels.safetensors", &[("x", &x), ("t", &t.zeros_like()), ("y", &t)]);
    write("noise.safetensors", &[("x_T", &x.narrow(2, 0, 4))]);
    write("nan.safetensors", &[("x", &(&x / &x)), ("t", &t.zeros_like())]);
    write("nan-noise.safetensors", &[("x_T", &(&x / &x))]);
    std::fs::write(path("cut.safetensors"), b"12345").unwrap();
    std::fs::write(path("far.json"), r#"{"kind":"gaussian","mean":[1e200],"var":[1]}"#).unwrap();
    fn denoise<'a>(checkpoint: &'a str, input: &'a str) -> Vec<&'a str> {
        vec!["denoise", "--checkpoint", checkpoint, "--input", input, "--output", "out.safetensors"]
    }
    let sample =
        |more: &[&'static str]| [&["sample", "--checkpoint", model, "--steps", "2"][..], more].concat();
    for (arguments, expected) in [
        (denoise("nowhere", "late.safetensors"), "nowhere: does not exist"),
        (denoise("run", "late.safetensors"), "use run/checkpoints/latest"),
        (denoise(model, "late.safetensors"), "t must lie between 0 and 999, got 1000"),
        (denoise(model, "no-t.safetensors"), "tensor t is missing"),
        (denoise(model, "wide.safetensors"), "x: expected [n, 1, 8, 8], got [2, 1, 8, 7]"),
        (denoise(model, "labels.safetensors"), "unconditional"),
        (denoise(model, "cut.safetensors"), "cut.safetensors: not a complete safetensors file"),
        (denoise(model, "absent.safetensors"), "absent.safetensors: No such file"),
        (denoise(model, "nan.safetensors"), "nan.safetensors: x must be finite"),
        (sample(&["--noise", "nan-noise.safetensors"]), "x_T: expected finite numbers"),
        (vec!["decompose", "--target", "far.json", "--steps", "5"], "init_nats is "),
        (vec!["decompose", "--target", "far.json", "--steps", "5", "--w2"], "w2.from_"),
        (
            vec!["sample", "--target", "far.json", "--steps", "5", "--out", "out.safetensors"],
            "NaN or infinity",
        ),
        (sample(&["--out", "nowhere/grid.png"]), "the folder nowhere does not exist"),
        (sample(&["--out", "grid.jpeg"]), "expected FILE.png"),
        (sample(&["--eta", "0.5"]), "--eta belongs to the sampler ddim"),
        (sample(&["--sampler", "ddim", "--eta", "1.5"]), "--eta must lie between 0 and 1"),
        (sample(&["--class", "3"]), "unconditional"),
        (sample(&["--guidance", "2"]), "--guidance: this model is unconditional"),
        (sample(&["--noise", "noise.safetensors"]), "x_T"),
        (sample(&["--num", "0"]), "--num must be at least 1"),
        (vec!["sample", "--checkpoint", model, "--steps", "0"], "--steps must be at least 1"),
        (vec!["sample", "--checkpoint", model, "--steps", "1001"], "steps must be between 1 and the 1000"),
    ] {
        let line = refused_in_one_line(folder.path(), &arguments);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
    for name in ["out.safetensors", "grid.png", "grid.jpeg"] {
        assert!(!path(name).exists(), "{name} was made");
    }

    let weights = path("run/checkpoints/latest/unet/diffusion_pytorch_model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 100]).unwrap();
    let line = refused_in_one_line(folder.path(), &sample(&[]));
    assert!(line.contains("diffusion_pytorch_model.safetensors: expected SHA-256"), "{line}");
    std::fs::remove_file(path("run/checkpoints/latest/state/manifest.json")).unwrap();
    let line = refused_in_one_line(folder.path(), &sample(&[]));
    assert!(line.contains("diffusion_pytorch_model.safetensors: not a complete"), "{line}");
}

/// A device has no end, and a pipe may have no writer.
#[test]
fn endless_inputs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("g.json"), r#"{"kind":"gaussian","file":"/dev/zero"}"#).unwrap();
    std::fs::create_dir(folder.path().join("ck")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("ck/model_index.json")).unwrap();
    for arguments in [
        &["sample", "--target", "/dev/zero"][..],
        &["sample", "--target", "g.json"],
        &["sample", "--checkpoint", "ck"],
        &["decompose", "--target", "/dev/zero"],
        &["config", "check", "/dev/zero"],
        &["train", "--config", "/dev/zero"],
        &["schedule", "--betas", "/dev/zero"],
        &["data", "info", "digits", "--data-dir", "/dev/zero"],
        &["denoise", "--target", "g.json", "--input", "/dev/zero", "--output", "y"],
    ] {
        let text = refused_in_one_line(folder.path(), arguments);
        assert!(text.contains("/dev/zero") || text.contains("model_index.json"), "{arguments:?}: {text}");
    }
}
