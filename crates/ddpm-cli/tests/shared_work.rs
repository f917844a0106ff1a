//! Sampling, evaluation and decomposition by several processes: the results of one process.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::group::{PATIENCE, alone, ended, errors, group, succeed};
use common::{TINY, files, set};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Words of a command on one thread of the CPU.
fn words(text: &str) -> Vec<String> {
    text.split(' ').map(String::from).chain(common::on_one_thread()).collect()
}

/// A small model of digits.
fn checkpoint(folder: &Path) {
    let mut train = words("train --config digits --run run");
    train.extend(set(&TINY));
    train.extend(set(&["train.steps=20", "train.sample_every=0", "train.validate_every=0"]));
    alone(folder, &train);
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// Whether two results differ by at most `tolerance` in each number, relative to numbers above 1, and in nothing else.
fn agree(a: &Value, b: &Value, tolerance: f64) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= tolerance * a.abs().max(1.0)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(a, b, tolerance))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| agree(a, b, tolerance)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn samples_are_those_of_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    checkpoint(folder);
    // Three batches, the last of them smaller: four processes have one without images.
    let sample = |out: &str, more: &str| {
        words(&format!(
            "sample --checkpoint run/checkpoints/latest --num 11 --batch-size 4 --steps 5 --out {out}{more}"
        ))
    };
    let tensors = |name: &str| tch::Tensor::read_safetensors(folder.join(name)).unwrap().remove(0).1;
    alone(folder, &sample("1.safetensors", ""));
    let one = tensors("1.safetensors");
    assert_eq!(one.size(), [11, 1, 8, 8]);
    for world in [2, 4] {
        let name = format!("{world}.safetensors");
        succeed(folder, world, &sample(&name, ""));
        assert!((tensors(&name) - &one).abs().max().double_value(&[]) < 1e-5, "{world} processes");
    }
    std::fs::write(folder.join("t.json"), r#"{"kind":"gaussian","mean":[0,1],"var":[1,2]}"#).unwrap();
    let target =
        |out: &str| words(&format!("sample --target t.json --num 7 --batch-size 2 --steps 4 --out {out}"));
    alone(folder, &target("t1.safetensors"));
    succeed(folder, 3, &target("t3.safetensors"));
    assert!(tensors("t1.safetensors").equal(&tensors("t3.safetensors")));
    // Single files, and a sampler that chooses its own steps.
    let adaptive = " --sampler ode-rk45 --rtol 1e-2 --atol 1e-2";
    let adaptive = |out: &str| {
        let text = format!(
            "sample --checkpoint run/checkpoints/latest --num 11 --batch-size 4 --out {out}{adaptive}"
        );
        words(&text)
    };
    alone(folder, &adaptive("one/"));
    let outputs = ended(group(folder, 3, &adaptive("three/")));
    assert_eq!(outputs[0].stdout, b"three/\n");
    for output in &outputs[1..] {
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{}", errors(output));
    }
    assert_eq!(files(&folder.join("one")), files(&folder.join("three")));
    for name in files(&folder.join("one")).iter().filter(|name| name.ends_with(".png")) {
        let read = |run: &str| std::fs::read(folder.join(run).join(name)).unwrap();
        assert_eq!(read("one"), read("three"), "{name}");
    }
    // The same command finds them complete; another one is refused in every process, and none waits for the other.
    succeed(folder, 2, &adaptive("three/"));
    let refused = ended(group(folder, 2, &sample("three/", "")));
    assert!(refused.iter().all(|output| output.status.code() == Some(2)), "{}", errors(&refused[1]));
    assert!(errors(&refused[1]).contains("rank 0 failed first"), "{}", errors(&refused[1]));
}

#[test]
fn a_stop_asked_of_one_process_ends_the_sampling_of_all_and_keeps_what_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    checkpoint(folder);
    let sample = words(
        "sample --checkpoint run/checkpoints/latest --num 4000 --batch-size 2 --steps 50 --out many/ --shards",
    );
    let children = group(folder, 2, &sample);
    let finished = || {
        let text = std::fs::read_to_string(folder.join("many/samples.json")).unwrap_or_default();
        serde_json::from_str::<Value>(&text).map_or(0, |record| record["finished"].as_u64().unwrap_or(0))
    };
    let until = Instant::now() + PATIENCE;
    while finished() == 0 {
        assert!(Instant::now() < until, "no batch is finished");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-TERM", &children[1].id().to_string()]).status().unwrap();
    assert!(sent.success());
    for output in ended(children) {
        assert_eq!(output.status.code(), Some(75), "{}", errors(&output));
    }
    let kept = finished();
    assert!(0 < kept && kept < 4000 && kept % 4 == 0, "{kept} samples");
}

#[test]
fn measurements_are_those_of_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    checkpoint(folder);
    let of_run = "--checkpoint run/checkpoints/latest --data digits";
    let commands = [
        format!("decompose {of_run} --levels 4 --max-images 11 --batch-size 3 --steps 20"),
        format!("eval nll {of_run} --method vlb --num 7 --batch-size 3"),
        format!("eval nll {of_run} --probes 2 --rtol 1e-2 --atol 1e-2 --num 5 --batch-size 2"),
        format!("eval fid {of_run} --split held-out --extractor pixels --num 13 --steps 3 --batch-size 4"),
        format!("eval steps {of_run} --extractor pixels --counts 2 --samplers ddim --num 5"),
    ];
    for (number, command) in commands.iter().enumerate() {
        // Samples of a checkpoint that are in the cache would not be drawn.
        let with = |world: usize| {
            std::fs::remove_dir_all(folder.join("cache")).ok();
            words(&format!("{command} --json {number}-{world}.json"))
        };
        alone(folder, &with(1));
        let one = json(folder, &format!("{number}-1.json"));
        for world in [2, 4] {
            succeed(folder, world, &with(world));
            let several = json(folder, &format!("{number}-{world}.json"));
            assert!(agree(&one, &several, 1e-10), "{command}\n{one}\n{several}");
        }
    }
}

#[test]
fn a_whole_run_is_shared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut reproduce = words("reproduce digits --yes --run run");
    reproduce.extend(set(&TINY[..TINY.len() - 5]));
    reproduce.extend(set(&["train.steps=20", "quality.samples=12", "quality.steps=5", "eval.max_images=12"]));
    reproduce.extend(set(&["quality.likelihood_images=3", "quality.split_samples=40"]));
    reproduce.extend(set(&["quality.split_steps=3", "quality.split_fine_steps=6"]));
    let outputs = ended(group(folder, 2, &reproduce));
    assert!(outputs.iter().all(|output| output.status.code() == Some(0)), "{}", errors(&outputs[0]));
    assert_eq!(outputs[0].stdout, b"run/report/index.html\n");
    assert!(outputs[1].stdout.is_empty() && outputs[1].stderr.is_empty(), "{}", errors(&outputs[1]));
    for name in ["quality.json", "split.json", "decomposition.json", "index.html"] {
        assert!(folder.join("run/report").join(name).is_file(), "{name}");
    }
    // All is done: one process, or several, find that.
    alone(folder, &reproduce);
    succeed(folder, 2, &reproduce);
}
