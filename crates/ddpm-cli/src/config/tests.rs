//! Tests of reading, changing and comparing configurations.

use super::{Configuration, ImageConfig, PRESETS, RunConfig, check_unchanged, find, parse_as};
use crate::sampler_options::{Origin, SamplerOptions};
use clap::Parser;
use ddpm_core::Variance;
use std::path::Path;

/// The digits preset with changes.
fn digits(changes: &[&str]) -> Result<ImageConfig, String> {
    let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
    match RunConfig::parse(find("digits").unwrap().text, &changes) {
        Ok(RunConfig::Images(config)) => Ok(*config),
        Ok(other) => panic!("not a run on images: {other:?}"),
        Err(error) => Err(format!("{error:#}")),
    }
}

#[test]
fn every_preset_is_valid_and_survives_its_resolved_form() {
    for preset in PRESETS {
        let config = RunConfig::parse(preset.text, &[]).unwrap_or_else(|e| panic!("{}: {e:#}", preset.name));
        let resolved = match &config {
            RunConfig::Images(config) => config.to_toml().unwrap(),
            RunConfig::Vectors(config) => config.to_toml().unwrap(),
            RunConfig::Classifier(config) => config.to_toml().unwrap(),
        };
        assert_eq!(RunConfig::parse(&resolved, &[]).unwrap(), config, "{}", preset.name);
    }
}

#[test]
fn changes_take_toml_values_and_words() {
    let config = digits(&["train.steps=7", "sample.sampler=ddpm", "train.ema.decay = 0.5"]).unwrap();
    assert_eq!((config.train.steps, config.train.ema.decay), (7, 0.5));
    assert_eq!(digits(&["train.steps=1e3"]).unwrap().train.steps, 1000);
    let wrong = |change: &str| digits(&[change]).unwrap_err();
    assert!(wrong("train.stepz=7").contains("did you mean `train.steps`"), "{}", wrong("train.stepz=7"));
    assert!(wrong("sample.stepz=7").contains("unknown key `sample.stepz`"), "{}", wrong("sample.stepz=7"));
    assert!(wrong("steps=7").contains("expected section.key=value"));
    assert!(wrong("train.steps").contains("expected section.key=value"));
    assert!(wrong("train.steps.x=1").contains("steps is not a section"));
    assert!(wrong("train.batch_size=0").contains("train.batch_size must be at least 1"));
    assert!(wrong("model.norm_num_groups=7").contains("model.norm_num_groups"));
    assert!(wrong("sample.steps=100000").contains("sample.steps"));
    for change in ["train.stepz=7", "train.steps=x", "data.name=mnist"] {
        assert!(!wrong(change).contains('\n'));
    }
}

#[test]
fn errors_name_the_line_and_the_key_and_no_rust_type() {
    let wrong = |text: &str| format!("{:#}", RunConfig::parse(text, &[]).unwrap_err());
    let repeated = wrong("# a run\n\n[data]\nname = \"digits\"\n[train]\nsteps = 500\nsteps = 600\n");
    assert!(repeated.contains("line 7") && repeated.contains("steps"), "{repeated}");
    for (change, key) in [
        ("train.steps=x", "train.steps"),
        ("train.steps=-3", "train.steps"),
        ("train.eps=true", "train.eps"),
        ("train.ema=3", "train.ema"),
    ] {
        let text = digits(&[change]).unwrap_err();
        assert!(text.contains(key) && text.contains("expected "), "{text}");
        for rust in ["u64", "f64", "usize", "struct", "EmaConfig"] {
            assert!(!text.contains(rust), "{text}");
        }
    }
    let typed = wrong(&find("digits").unwrap().text.replace("steps = 2000", "steps = \"many\""));
    assert!(typed.contains("line ") && typed.contains("a whole number"), "{typed}");
}

#[test]
fn options_of_samplers_are_keys_and_flags_alike() {
    let of_file =
        |changes: &[&str]| digits(changes)?.sample.scheme(Variance::FixedLarge).map_err(|e| e.to_string());
    let of_flags = |words: &[&str]| {
        let options = Parsed::try_parse_from([&["ddpm"], words].concat()).unwrap().options;
        options.scheme(Variance::FixedLarge, Some(1000), Origin::CommandLine).map_err(|e| e.to_string())
    };
    for (keys, flags) in [
        (&["sampler=ddim", "eta=0.5"][..], &["--sampler", "ddim", "--eta", "0.5"][..]),
        (
            &["sampler=edm", "churn=40", "s_min=0.05", "s_max=50", "s_noise=1.003"],
            &["--sampler", "edm", "--churn", "40", "--s-min", "0.05", "--s-max", "50", "--s-noise", "1.003"],
        ),
        (
            &["sampler=annealed-langevin", "step_size=1e-6", "level_steps=7"],
            &["--sampler", "annealed-langevin", "--step-size", "1e-6", "--level-steps", "7"],
        ),
        (
            &["sampler=predictor-corrector", "corrector_snr=0.2", "corrections=2"],
            &["--sampler", "predictor-corrector", "--corrector-snr", "0.2", "--corrections", "2"],
        ),
        (&["sampler=ddpm", "variance=analytic"], &["--variance", "analytic"]),
        (
            &["sampler=ode-rk45", "rtol=1e-3", "atol=1e-4"],
            &["--sampler", "ode-rk45", "--rtol", "1e-3", "--atol", "1e-4"],
        ),
    ] {
        let keys: Vec<String> = keys.iter().map(|key| format!("sample.{key}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert_eq!(of_file(&keys).unwrap(), of_flags(flags).unwrap(), "{keys:?}");
        assert!(digits(&[keys[1]]).is_err() || keys[0].ends_with("ddpm"), "{keys:?}");
    }
    let refused = digits(&["sample.eta=0.5"]).unwrap_err();
    assert!(refused.contains("sample.eta belongs to the sampler ddim"), "{refused}");
    let refused = digits(&["sample.sampler=langevin"]).unwrap_err();
    assert!(refused.contains("sample.sampler: langevin"), "{refused}");
}

#[derive(clap::Parser)]
struct Parsed {
    #[command(flatten)]
    options: SamplerOptions,
}

#[test]
fn only_what_training_depends_on_is_refused_and_named() {
    let with = |changes: &[&str]| digits(changes).unwrap();
    let base = with(&[]);
    let run = Path::new("runs/x");
    let harmless = ["train.steps=9", "sample.num=3", "eval.levels=4", "data.dir=x", "train.log_every=3"];
    check_unchanged(&base, &with(&harmless), run).unwrap();
    let changed = with(&["train.learning_rate=0.5", "model.attention_head_dim=8"]);
    let error = check_unchanged(&base, &changed, run).unwrap_err().to_string();
    assert!(error.contains("train.learning_rate (0.5 now"), "{error}");
    assert!(error.contains("model.attention_head_dim"), "{error}");

    let decaying = with(&["train.learning_rate_decay=cosine"]);
    let longer = with(&["train.learning_rate_decay=cosine", "train.steps=9", "train.keep_every=3"]);
    let error = check_unchanged(&decaying, &longer, run).unwrap_err().to_string();
    assert!(error.contains("train.steps (9 now") && !error.contains("keep_every"), "{error}");
}

/// `config.toml` of one run of each kind, as earlier versions wrote it.
#[test]
fn configurations_written_before_resume() {
    fn resumes<C: Configuration + std::fmt::Debug>(preset: &str, written: &str) {
        let old: C = parse_as(written).unwrap_or_else(|e| panic!("{preset}: {e:#}"));
        // Samples were not measured then.
        let text = find(preset).unwrap().text.split("[quality]").next().unwrap();
        let new: C = parse_as(text).unwrap();
        check_unchanged(&old, &new, Path::new("run")).unwrap();
        assert_eq!(old, new, "{preset}");
    }
    resumes::<ImageConfig>("digits", include_str!("written_before/digits.toml"));
    resumes::<super::VectorConfig>("gmm2d-ddpm", include_str!("written_before/gmm2d-ddpm.toml"));
    resumes::<super::ClassifierConfig>(
        "digits-classifier",
        include_str!("written_before/digits-classifier.toml"),
    );
    let error = parse_as::<ImageConfig>(find("gmm2d-ddpm").unwrap().text).unwrap_err().to_string();
    assert!(error.contains("a score on vectors"), "{error}");
}
