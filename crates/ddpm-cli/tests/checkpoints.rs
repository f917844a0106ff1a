//! Checkpoints that people changed, copied or got elsewhere: what they can still be used for, and what is said.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{TINY, ddpm, set};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tch::Tensor;

const LATEST: &str = "run/checkpoints/latest";

/// A run of a class-conditional model that is shown the null class.
fn trained(folder: &Path) -> PathBuf {
    let settings = ["train.steps=4", "train.checkpoint_every=2", "model.num_class_embeds=11"];
    train(folder, &[&settings[..], &["train.label_dropout=0.5"]].concat()).success();
    folder.join(LATEST)
}

fn train(folder: &Path, settings: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = ddpm(folder);
    command.args(["train", "--config", "digits", "--run", "run", "--resume"]).args(set(&TINY));
    command.args(set(settings)).assert()
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-rL").args([from, to]).status().unwrap();
    assert!(status.success());
}

fn sample(folder: &Path, checkpoint: &str, more: &[&str]) -> (Tensor, String) {
    let mut command = ddpm(folder);
    command.args(["sample", "--checkpoint", checkpoint, "--steps", "3", "--num", "11"]);
    let output = command.args(more).args(["--out", "x.safetensors"]).assert().success().get_output().clone();
    let samples = ddpm_nets::tensor_file::read(&folder.join("x.safetensors")).unwrap().remove("samples");
    (samples.unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn refused(folder: &Path, checkpoint: &str, more: &[&str]) -> String {
    let mut command = ddpm(folder);
    command.args(["sample", "--checkpoint", checkpoint, "--steps", "3", "--num", "2", "--out", "x.png"]);
    String::from_utf8(command.args(more).assert().code(2).get_output().stderr.clone()).unwrap()
}

fn edit(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn a_changed_scheduler_samples_and_does_not_resume() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let scheduler = trained(folder).join("scheduler/scheduler_config.json");
    let (as_trained, said) = sample(folder, LATEST, &[]);
    assert!(!said.contains("was changed"), "{said}");

    let original = fs::read_to_string(&scheduler).unwrap();
    edit(&scheduler, |config| config["clip_sample"] = false.into());
    let (unclipped, said) = sample(folder, LATEST, &[]);
    assert!(said.contains("scheduler_config.json: was changed since training wrote it"), "{said}");
    assert!((&unclipped - &as_trained).abs().max().double_value(&[]) > 1e-3, "the change has its effect");
    let settings =
        ["train.steps=6", "train.checkpoint_every=2", "model.num_class_embeds=11", "train.label_dropout=0.5"];
    let resumed = train(folder, &settings).code(2);
    let said = String::from_utf8(resumed.get_output().stderr.clone()).unwrap();
    assert!(
        said.contains("scheduler_config.json: was changed") && said.contains("restore the file"),
        "{said}"
    );
    let names = || {
        let entries = fs::read_dir(folder.join("run/checkpoints")).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["latest", "step-00000002", "step-00000004"]);

    // A copy without links resumes as the run itself.
    fs::write(&scheduler, original).unwrap();
    copy(&folder.join("run"), &folder.join("copied"));
    fs::rename(folder.join("run"), folder.join("first")).unwrap();
    fs::rename(folder.join("copied"), folder.join("run")).unwrap();
    assert!(fs::symlink_metadata(folder.join(LATEST)).unwrap().is_dir());
    train(folder, &settings).success().stderr(predicates::str::contains("resumed after step 4"));
    assert_eq!(fs::read_link(folder.join(LATEST)).unwrap(), Path::new("step-00000006"));
    assert_eq!(names(), ["latest", "step-00000004", "step-00000006"]);

    // Nothing in state/ matters for sampling and measuring.
    let before = sample(folder, LATEST, &[]).0;
    for damage in ["state.json", "config.toml", "manifest.json", "weights.safetensors"] {
        fs::write(folder.join(LATEST).join("state").join(damage), "damaged").unwrap();
        assert!(sample(folder, LATEST, &[]).0.equal(&before), "{damage}");
    }
    let decompose =
        ["decompose", "--checkpoint", LATEST, "--data", "digits", "--steps", "3", "--levels", "2"];
    ddpm(folder).args(decompose).args(["--max-images", "4"]).assert().success();
    fs::remove_dir_all(folder.join(LATEST).join("state")).unwrap();
    assert!(sample(folder, LATEST, &[]).0.equal(&before));
}

/// A model of another program has a class in every row of its table, and none that stands for no class, until the user names it.
#[test]
fn guidance_needs_a_null_class_that_somebody_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ours = trained(folder);
    let distance = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
    let (guided, in_turn) =
        (sample(folder, LATEST, &["--class", "3", "--guidance", "2"]).0, sample(folder, LATEST, &[]).0);
    // The eleventh image is of the first class again.
    let first = sample(folder, LATEST, &["--class", "0"]).0;
    assert!(distance(&in_turn.get(10), &first.get(10)) < 1e-5);

    let config = |dir: &str| folder.join(dir).join("unet/config.json");
    let strip = |dir: &str| {
        edit(&config(dir), |config| {
            let keys = config.as_object_mut().unwrap();
            assert!(keys.remove("_null_class").is_some() && keys.remove("_num_classes").is_some());
        });
    };
    // Earlier versions stated it in state/ alone.
    copy(&ours, &folder.join("earlier"));
    strip("earlier");
    let earlier = sample(folder, "earlier", &["--class", "3", "--guidance", "2"]).0;
    assert!(earlier.equal(&guided));

    copy(&ours, &folder.join("foreign"));
    strip("foreign");
    fs::remove_dir_all(folder.join("foreign/state")).unwrap();
    let said = refused(folder, "foreign", &["--class", "3", "--guidance", "2"]);
    assert!(
        said.contains("foreign has no label that stands for no class") && said.contains("--null-class"),
        "{said}"
    );
    let said = refused(folder, "foreign", &["--class", "11"]);
    assert!(said.contains("--class must lie between 0 and 10, got 11"), "{said}");
    let said = refused(folder, "foreign", &["--null-class", "11"]);
    assert!(said.contains("--null-class"), "{said}");
    let last = sample(folder, "foreign", &["--class", "10"]).0;
    assert!(
        distance(&sample(folder, "foreign", &[]).0.get(10), &last.get(10)) < 1e-5,
        "every row is sampled in turn"
    );
    // Weight 1 is the model itself and needs no null class.
    let conditional = sample(folder, "foreign", &["--class", "3"]).0;
    assert!(sample(folder, "foreign", &["--class", "3", "--guidance", "1"]).0.equal(&conditional));
    let named = sample(folder, "foreign", &["--class", "3", "--guidance", "2", "--null-class", "10"]).0;
    assert!(named.equal(&guided));

    // Without label dropout nothing is learned for the last row.
    copy(&ours, &folder.join("unshown"));
    edit(&config("unshown"), |config| config["_null_class"] = serde_json::Value::Null);
    let said = refused(folder, "unshown", &["--class", "3", "--guidance", "2"]);
    assert!(said.contains("train.label_dropout above 0"), "{said}");
    let said = refused(folder, "unshown", &["--class", "10"]);
    assert!(said.contains("--class must lie between 0 and 9, got 10"), "{said}");
}
