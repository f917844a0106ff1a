//! Images on processes in continuous time, and samples that start from images: kept regions, encodings, images between two others.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, set};
use ddpm_data::ImageShape;
use ddpm_data::picture::Picture;
use ddpm_nets::tensor_file;
use predicates::str::contains;
use std::fs;
use std::path::Path;
use tch::Tensor;

const CHECKPOINT: &str = "run/checkpoints/latest";

/// A network that was trained for a moment.
fn trained(preset: &str, more: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let command = ["train", "--config", preset, "--run", "run"];
    let settings = [&TINY[..], &["train.steps=2"], more].concat();
    ddpm(folder.path()).args(command).args(set(&settings)).assert().success();
    folder
}

fn sample(folder: &Path, words: &str) {
    ddpm(folder).args(["sample", "--checkpoint", CHECKPOINT]).args(words.split(' ')).assert().success();
}

fn refused(folder: &Path, words: &str, text: &str) {
    ddpm(folder).args(words.split(' ')).assert().code(2).stderr(contains(text));
}

fn samples(path: &Path) -> Tensor {
    tensor_file::read(path).unwrap().remove("samples").unwrap()
}

fn largest(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

/// A picture of the model's size whose pixels a rule gives.
fn picture(path: &Path, brightness: impl Fn(usize) -> u8) {
    let planes: Vec<u8> = (0..64).map(brightness).collect();
    Picture::from_planes(&planes, ImageShape::new(1, 8, 8)).unwrap().write_png(path).unwrap();
}

/// In model space [1, 1, 8, 8].
fn model_space(brightness: impl Fn(usize) -> u8) -> Tensor {
    let values: Vec<f32> = (0..64).map(|pixel| f32::from(brightness(pixel)) / 127.5 - 1.0).collect();
    Tensor::from_slice(&values).reshape([1, 1, 8, 8])
}

#[test]
fn every_score_preset_is_sampled_measured_and_decomposed_along_its_process() {
    for (preset, sampler) in [
        ("digits-vpsde", "em"),
        ("digits-vesde", "predictor-corrector"),
        ("digits-ncsn", "annealed-langevin"),
        ("digits-ism", "ode-heun"),
    ] {
        let folder = trained(preset, &["eval.levels=3", "eval.max_images=4"]);
        let folder = folder.path();
        let steps = if preset == "digits-ncsn" { "20" } else { "7" };
        sample(folder, &format!("--num 2 --steps {steps} --sampler {sampler} --out a.safetensors"));
        assert_eq!(samples(&folder.join("a.safetensors")).size(), [2, 1, 8, 8], "{preset}");
        sample(
            folder,
            &format!("--num 2 --steps {steps} --sampler ddim --trajectory t.png --gif t.gif --out a.png"),
        );
        for (name, head) in [("t.png", &b"\x89PNG"[..]), ("t.gif", b"GIF89a")] {
            assert!(fs::read(folder.join(name)).unwrap().starts_with(head), "{preset} {name}");
        }
        ddpm(folder)
            .args([
                "decompose",
                "--checkpoint",
                CHECKPOINT,
                "--data",
                "digits",
                "--steps",
                steps,
                "--levels",
                "3",
            ])
            .args(["--max-images", "3", "--json", "d.json"])
            .assert()
            .success();
        let report: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join("d.json")).unwrap()).unwrap();
        let config =
            fs::read_to_string(folder.join(CHECKPOINT).join("scheduler/scheduler_config.json")).unwrap();
        assert!(config.contains("NoisingProcess"), "{config}");
        assert!(
            report["schedule"].as_str().is_some_and(|name| config.contains(name)),
            "{}",
            report["schedule"]
        );
    }
}

#[test]
fn what_a_process_and_a_loss_do_not_have_is_refused_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    for (preset, change, text) in [
        (
            "digits-vpsde",
            "diffusion.condition=timestep",
            "diffusion.condition: must be \"log-snr\" or \"sigma\"",
        ),
        (
            "digits-vpsde",
            "diffusion.condition=sigma",
            "model.time_embedding_type: \"fourier\" and diffusion.condition",
        ),
        ("digits-vpsde", "diffusion.process.t_min=0", "diffusion.process.t_min: must be above 0"),
        ("digits-vpsde", "train.loss.kind=vlb", "train.loss.kind: \"vlb\" needs the steps of a schedule"),
        (
            "digits-vpsde",
            "train.times.sampler=importance",
            "train.times.sampler: \"importance\" keeps the losses of timesteps",
        ),
        ("digits-vpsde", "diffusion.schedule.kind=linear", "expected either schedule or process, got both"),
        (
            "digits-vesde",
            "diffusion.prediction=epsilon",
            "model.time_embedding_type: \"fourier\" divides the output",
        ),
        ("digits-ism", "train.precision=bf16", "train.precision: must be \"f32\" for the loss \"implicit\""),
        (
            "digits",
            "train.loss={kind='sliced',projections=0}",
            "train.loss.projections: must lie between 1 and 1024",
        ),
    ] {
        ddpm(folder.path())
            .args(["train", "--config", preset, "--run", "run", "--set", change])
            .assert()
            .code(2)
            .stderr(contains(text));
    }
}

#[test]
fn a_kept_region_is_kept_and_the_rest_is_drawn() {
    let folder = trained("digits", &[]);
    let folder = folder.path();
    let image = |pixel: usize| (pixel * 3) as u8;
    picture(&folder.join("image.png"), image);
    picture(&folder.join("mask.png"), |pixel| if pixel % 8 < 4 { 0 } else { 255 });
    sample(folder, "--inpaint image.png --mask mask.png --num 3 --steps 10 --out a.safetensors");
    let difference = samples(&folder.join("a.safetensors")) - model_space(image);
    assert!(largest(&difference.narrow(3, 0, 4)) < 1e-6);
    assert!(difference.narrow(3, 4, 4).abs().min().double_value(&[]) > 0.0);
    picture(&folder.join("white.png"), |_| 255);
    let with = |mask: &str, more: &str| {
        format!("sample --checkpoint {CHECKPOINT} --inpaint image.png --mask {mask} --out b.png{more}")
    };
    refused(
        folder,
        &with("white.png", ""),
        "--mask white.png: expected white pixels (drawn anew) and black ones (kept)",
    );
    refused(folder, &with("none.png", ""), "none.png");
    refused(folder, &with("mask.png", " --sampler ode-rk45"), "--inpaint replaces the known region");
    refused(
        folder,
        &format!("sample --checkpoint {CHECKPOINT} --inpaint image.png"),
        "--inpaint needs --mask",
    );
    Picture::from_planes(&[0; 4], ImageShape::new(1, 2, 2))
        .unwrap()
        .write_png(folder.join("small.png"))
        .unwrap();
    refused(
        folder,
        &with("small.png", ""),
        "--mask small.png: expected 8x8 pixels like the model's images, got 2x2",
    );
}

#[test]
fn encodings_lead_back_to_their_images_and_interpolations_end_in_them() {
    for preset in ["digits", "digits-vpsde"] {
        let folder = trained(preset, &["diffusion.clip_sample=false"]);
        let folder = folder.path();
        let (a, b) = (|pixel: usize| (pixel * 3) as u8, |pixel: usize| 255 - (pixel * 2) as u8);
        picture(&folder.join("a.png"), a);
        picture(&folder.join("b.png"), b);
        sample(folder, "--encode a.png --steps 200 --out x.safetensors");
        sample(folder, "--noise x.safetensors --sampler ode-heun --steps 200 --out back.safetensors");
        let back = samples(&folder.join("back.safetensors"));
        assert!(largest(&(back - model_space(a))) < 0.05, "{preset}");
        sample(folder, "--interpolate a.png b.png --frames 3 --steps 200 --out way.safetensors");
        let way = samples(&folder.join("way.safetensors"));
        assert_eq!(way.size(), [3, 1, 8, 8]);
        assert!(largest(&(way.narrow(0, 0, 1) - model_space(a))) < 0.05);
        assert!(largest(&(way.narrow(0, 2, 1) - model_space(b))) < 0.05);
        assert!(largest(&(way.narrow(0, 1, 1) - model_space(a))) > 0.2);
    }
}

#[test]
fn thresholds_of_the_command_line_replace_the_checkpoints() {
    let folder = trained("digits", &[]);
    let folder = folder.path();
    let with = |threshold: &str| {
        let name = format!("{}.safetensors", threshold.replace(['=', ','], "-"));
        sample(folder, &format!("--threshold {threshold} --num 4 --steps 5 --seed 3 --out {name}"));
        samples(&folder.join(name))
    };
    let (none, clip, half) = (with("none"), with("clip"), with("clip=0.5"));
    assert!(largest(&clip) <= 1.0 + 1e-6 && largest(&half) <= 0.5 + 1e-6 && largest(&none) > 1.0);
    // Every sample keeps its own scale up to the quantile, which 1 makes the largest value.
    let dynamic = with("dynamic=1");
    assert!(largest(&dynamic) <= 1.0 + 1e-6 && largest(&(&dynamic - &clip)) > 1e-3);
    // A cap of 1 is clipping to 1.
    assert!(largest(&(with("dynamic=0.9,1") - clip)) < 1e-6);
    refused(
        folder,
        &format!("sample --checkpoint {CHECKPOINT} --threshold soft"),
        "expected none, clip, clip=R, dynamic",
    );
    // An animation beside it does not change the size of the picture.
    let size = |more: &str, name: &str| {
        sample(
            folder,
            &format!("--num 10 --sampler ddim --steps 50 --trajectory {name}.png --out {name}/{more}"),
        );
        let picture = Picture::read_png(folder.join(format!("{name}.png"))).unwrap();
        (picture.width(), picture.height())
    };
    assert_eq!(size("", "alone"), size(" --gif both.gif", "both"));
    let with = |more: &str| format!("sample --checkpoint {CHECKPOINT} --out g.png {more}");
    refused(folder, &with("--gif g2.png"), "--gif g2.png: expected a name that ends in .gif for images");
    refused(
        folder,
        &with("--trajectory t.svg"),
        "--trajectory t.svg: expected a name that ends in .png for images",
    );
}

#[test]
fn trajectories_of_targets_are_pictures_with_the_score() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(
        folder.join("m.json"),
        r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5,0],[1,0.5]],"stds":[0.25,0.4]}"#,
    )
    .unwrap();
    fs::write(
        folder.join("l.json"),
        r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5],[1]],"stds":[0.25,0.4]}"#,
    )
    .unwrap();
    for (index, words) in [
        "--target m.json --process vp --sampler em --trajectory t.svg",
        "--target m.json --sampler ddpm --trajectory t.gif",
        "--target l.json --process ve --sampler ode-heun --trajectory t.svg",
        "--target l.json --sampler ddim --trajectory t.png",
    ]
    .iter()
    .enumerate()
    {
        let out = format!("{index}.safetensors");
        ddpm(folder)
            .arg("sample")
            .args(words.split(' '))
            .args(["--num", "50", "--steps", "20", "--out", &out])
            .assert()
            .success();
        let file = words.rsplit(' ').next().unwrap();
        assert!(fs::metadata(folder.join(file)).unwrap().len() > 1000, "{words}");
    }
    let svg = fs::read_to_string(folder.join("t.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("<path ") && !svg.contains("NaN"), "{}", &svg[..200]);
    refused(
        folder,
        "sample --target l.json --steps 5 --trajectory t.gif",
        "one dimension has a picture against the level",
    );
    refused(
        folder,
        "sample --target l.json --steps 5 --trajectory t.pdf",
        "expected a name that ends in .png, .svg or .gif",
    );
}
