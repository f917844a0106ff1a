//! `ddpm noise`: one law at once and step by step, the files it writes, and what it refuses.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::ddpm;
use ddpm_nets::tensor_file::{self, TensorMap};
use std::path::Path;
use tch::Tensor;

fn noise(folder: &Path, words: &str) {
    ddpm(folder).arg("noise").args(words.split(' ')).assert().success();
}

fn tensors(folder: &Path, words: &str) -> TensorMap {
    noise(folder, &format!("{words} --out x.safetensors"));
    tensor_file::read(&folder.join("x.safetensors")).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor).unwrap()
}

/// eps of a level: (x_t - alpha x_0) / sigma.
fn eps(file: &TensorMap, level: i64) -> Tensor {
    let at = |name: &str| file[name].double_value(&[level]);
    let x = &file["x"];
    (x.get(level) - x.get(0) * at("alpha")) / at("sigma")
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.abs().max().double_value(&[])
}

#[test]
fn at_once_all_levels_have_one_eps_and_in_steps_they_have_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let once = tensors(folder, "--data digits --num 5 --levels 4 --train-steps 100 --schedule cosine");
    assert_eq!(once["x"].size(), [4, 5, 1, 8, 8]);
    assert_eq!(numbers(&once["time"]), [0.0, 34.0, 67.0, 100.0]);
    let (alpha, sigma) = (numbers(&once["alpha"]), numbers(&once["sigma"]));
    assert_eq!((alpha[0], sigma[0]), (1.0, 0.0));
    assert!(alpha.iter().zip(&sigma).all(|(a, s)| (a * a + s * s - 1.0).abs() < 1e-12));
    assert!(largest(&(eps(&once, 1) - eps(&once, 3))) < 1e-4);

    let steps =
        tensors(folder, "--data digits --num 5 --levels 4 --train-steps 100 --schedule cosine --sequential");
    assert!(steps["x"].get(0).equal(&once["x"].get(0)));
    assert_eq!(numbers(&steps["alpha"]), alpha);
    // Neighbours share a part of their noise; the chain's first step is the one-shot noise of draw 0.
    assert!(largest(&(eps(&steps, 1) - eps(&steps, 3))) > 0.5);

    // alpha of the Ornstein-Uhlenbeck process at time t is e^(-t/2).
    let ou = tensors(folder, "--data digits --num 1 --levels 2 --process ou --horizon 2");
    assert!((ou["alpha"].double_value(&[1]) - (-1f64).exp()).abs() < 1e-12);
    assert_eq!(numbers(&ou["time"]), [0.0, 2.0]);
    let ve = tensors(folder, "--data digits --num 1 --levels 2 --process ve --sigma-max 5");
    assert!((ve["sigma"].double_value(&[1]) - 5.0).abs() < 1e-12);

    // The number of rows does not change a row.
    let fewer = tensors(folder, "--data digits --num 2 --levels 4 --train-steps 100 --schedule cosine");
    assert!(fewer["x"].equal(&once["x"].narrow(1, 0, 2)));
    let other =
        tensors(folder, "--data digits --num 2 --levels 4 --train-steps 100 --schedule cosine --seed 1");
    assert!(!other["x"].get(3).equal(&fewer["x"].get(3)));
}

#[test]
fn pictures_and_animations_of_images_planes_and_lines() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("plane.json", r#"{"kind":"mixture","weights":[0.5,0.5],"means":[[-2,0],[2,1]],"stds":[0.2,0.3]}"#);
    write("line.json", r#"{"kind":"gaussian","mean":[1.0],"var":[0.01]}"#);
    let size = |name: &str| {
        let picture = image::open(folder.join(name)).unwrap();
        (picture.width(), picture.height())
    };
    noise(folder, "--data digits --num 3 --levels 5 --out a.png");
    assert_eq!(size("a.png"), (5 * 66 + 2, 3 * 66 + 2));
    noise(folder, "--data digits --num 4 --levels 5 --sequential --out a.gif");
    noise(folder, "--target plane.json --num 200 --levels 3 --process ve --out plane.png");
    assert_eq!(size("plane.png"), (3 * 242 + 2, 244));
    noise(folder, "--target plane.json --num 200 --levels 3 --out plane.gif");
    assert_eq!(size("plane.gif"), (240, 240));
    noise(folder, "--target line.json --num 20 --levels 6 --sequential --process ou --out line.png");
    assert_eq!(size("line.png"), (205, 404));
    // A folder of images: the pictures that were just drawn are not of one size, those of a new folder are.
    std::fs::create_dir(folder.join("photos")).unwrap();
    std::fs::copy(folder.join("a.png"), folder.join("photos/1.png")).unwrap();
    noise(folder, "--images photos --num 1 --levels 2 --out photos.png");
    let frames = |name: &str| {
        use image::AnimationDecoder;
        let file = std::io::BufReader::new(std::fs::File::open(folder.join(name)).unwrap());
        image::codecs::gif::GifDecoder::new(file).unwrap().into_frames().count()
    };
    assert_eq!((frames("a.gif"), frames("plane.gif")), (5, 3));
}

#[test]
fn what_cannot_be_noised_or_drawn_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("g.json"), r#"{"kind":"gaussian","mean":[1,2,3],"var":[1,1,1]}"#).unwrap();
    std::fs::write(folder.join("line.json"), r#"{"kind":"gaussian","mean":[1],"var":[1]}"#).unwrap();
    for (words, expected) in [
        ("--out a.png", "--data <NAME>"),
        ("--data digits --target g.json --out a.png", "cannot be used with"),
        ("--data digits --out a.jpg", "expected a name that ends in .png, .svg, .gif or .safetensors"),
        ("--data digits --out no/a.png", "the folder no does not exist"),
        ("--data digits --levels 1 --out a.png", "--levels must be at least 2"),
        (
            "--data digits --schedule cosine --train-steps 10 --levels 12 --out a.png",
            "--levels must be at most 11, got 12",
        ),
        ("--data digits --num 9999 --out a.png", "--num must be at most 1500"),
        ("--target g.json --out a.png", "pictures need a target of 1 or 2 dimensions, and g.json has 3"),
        ("--target line.json --out a.gif", "write .png"),
        ("--target g.json --data-dir x --out a.safetensors", "--data-dir has no effect without --data"),
        ("--target g.json --process ou --schedule cosine --out a.safetensors", "--schedule cannot be used"),
        (
            "--target g.json --num 1e15 --out a.safetensors",
            "--num: 1000000000000000 samples of 3 numbers need",
        ),
        ("--target none.json --out a.safetensors", "none.json"),
        ("--target g.json --process ou --beta-min 1 --out a.safetensors", "--beta-min has no effect"),
        ("--target g.json --process vp --sigma-max 9 --out a.safetensors", "--sigma-max has no effect"),
        (
            "--target g.json --process vp --beta-min 5 --beta-max 1 --out a.safetensors",
            "--beta-max must be above",
        ),
        ("--target g.json --horizon 5 --out a.safetensors", "--horizon has no effect on a schedule"),
    ] {
        let output = ddpm(folder).arg("noise").args(words.split(' ')).assert().code(2).get_output().clone();
        let text = String::from_utf8(output.stderr).unwrap();
        let error = text.lines().last().unwrap();
        assert!(error.contains(expected) && text.matches("error: ").count() == 1, "{words}: {text}");
    }
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("a.")), "{left:?}");
}
