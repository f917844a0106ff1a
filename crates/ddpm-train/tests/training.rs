//! The trainer on a tiny U-Net and the digits: batches in parts, several averages, memory formats, steps that fail, disks that fail.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_data::{DatasetName, Shard, Source};
use ddpm_nets::checkpoint::Scheduler;
use ddpm_nets::tensor_file::{self, TensorMap};
use ddpm_nets::{Parameters, UNetConfig};
use ddpm_train::{
    AverageConfig, EmaConfig, ImageDiffusion, Outcome, RunDir, TrainConfig, TrainError, Trainable, Trainer,
    TrainingCallbacks, TrainingState, WorstSample, read_metrics,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tch::{Device, Tensor};

/// Dropout masks come from libtorch's one generator: two trainings at once in a process would take each other's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    tch::set_num_threads(1);
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Silent;
impl TrainingCallbacks for Silent {}

fn config(steps: u64) -> TrainConfig {
    TrainConfig {
        steps,
        batch_size: 12,
        learning_rate: 1e-3,
        warmup_steps: 2,
        checkpoint_every: 2,
        keep_checkpoints: 0,
        log_every: 1,
        ..TrainConfig::default()
    }
}

fn scheduler() -> Scheduler {
    Scheduler::from_json(&json!({
        "_class_name": "DDPMScheduler", "num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear",
        "variance_type": "fixed_large", "clip_sample": true, "prediction_type": "epsilon",
    }))
    .unwrap()
}

fn network(dropout: f64) -> UNetConfig {
    serde_json::from_value(json!({
        "sample_size": 8, "in_channels": 1, "out_channels": 1, "block_out_channels": [8, 16], "layers_per_block": 1,
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
        "norm_num_groups": 4, "dropout": dropout,
    }))
    .unwrap()
}

fn model<'a>(config: &TrainConfig, scheduler: &'a Scheduler, dropout: f64) -> ImageDiffusion<'a> {
    let digits = ddpm_data::load(DatasetName::Digits, &Source::from_data_dir(None).unwrap()).unwrap();
    ImageDiffusion::new(config, &network(dropout), scheduler, &digits.train, Device::Cpu).unwrap()
}

/// Trains in `folder`/`name`, from its newest checkpoint if it has one.
fn train(folder: &Path, name: &str, config: &TrainConfig) -> PathBuf {
    let (scheduler, run) = (scheduler(), RunDir::new(folder.join(name)));
    let mut trainer = Trainer::new(config, model(config, &scheduler, 0.1), "", &run, true).unwrap();
    assert_eq!(trainer.run(&mut Silent).unwrap(), Outcome::Finished);
    run.latest()
}

fn read(checkpoint: &Path, file: &str) -> TensorMap {
    tensor_file::read(&checkpoint.join(file)).unwrap()
}

fn largest(tensors: &TensorMap) -> f64 {
    tensors.values().map(|tensor| tensor.abs().max().double_value(&[])).fold(0.0, f64::max)
}

fn difference(a: &TensorMap, b: &TensorMap) -> f64 {
    a.iter().map(|(name, a)| (a - &b[name]).abs().max().double_value(&[])).fold(0.0, f64::max)
}

const WEIGHTS: &str = "state/weights.safetensors";
const PUBLISHED: &str = "unet/diffusion_pytorch_model.safetensors";
const MOMENTS: &str = "state/optimizer.safetensors";

#[test]
fn a_batch_in_parts_gives_the_gradient_of_the_whole() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    // Without decay of the moments they are the gradient and its square.
    let whole = TrainConfig { beta1: 0.0, beta2: 0.0, gradient_clip: 0.0, ..config(1) };
    let moments = |name: &str, config: &TrainConfig| {
        let (scheduler, run) = (scheduler(), RunDir::new(folder.path().join(name)));
        let mut trainer = Trainer::new(config, model(config, &scheduler, 0.0), "", &run, false).unwrap();
        trainer.run(&mut Silent).unwrap();
        (read(&run.latest(), MOMENTS), read_metrics(&run.metrics()).unwrap()[0].loss)
    };
    let (expected, loss) = moments("whole", &whole);
    for parts in [3, 12] {
        let (got, in_parts) =
            moments(&parts.to_string(), &TrainConfig { accumulate: parts, ..whole.clone() });
        assert!((loss - in_parts).abs() < 1e-6 * loss, "{parts} parts: {in_parts} instead of {loss}");
        assert!(difference(&got, &expected) < 1e-5 * largest(&expected), "{parts} parts");
    }
    let channels_last = TrainConfig { channels_last: true, ..whole.clone() };
    let (got, also) = moments("channels-last", &channels_last);
    assert!((loss - also).abs() < 1e-6 * loss, "channels-last: {also} instead of {loss}");
    assert!(difference(&got, &expected) < 1e-5 * largest(&expected));
}

#[test]
fn averages_parts_and_layouts_survive_a_resume_bit_for_bit() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let short = AverageConfig { half_life_images: Some(24.0), ..AverageConfig::default() };
    let long = AverageConfig { half_life_steps: Some(50.0), ramp: true, ..AverageConfig::default() };
    let also = BTreeMap::from([("short".to_string(), short), ("long".to_string(), long)]);
    let with = |steps| TrainConfig {
        accumulate: 2,
        channels_last: true,
        ema: EmaConfig {
            decay: 0.5,
            publish: "short".into(),
            also: BTreeMap::clone(&also),
            ..EmaConfig::default()
        },
        ..config(steps)
    };
    let whole = train(folder.path(), "whole", &with(7));
    train(folder.path(), "parts", &with(3));
    let parts = train(folder.path(), "parts", &with(7));
    let averages = ["state/average-main.safetensors", "state/average-long.safetensors"];
    for file in [WEIGHTS, PUBLISHED, MOMENTS, averages[0], averages[1]] {
        assert!(
            std::fs::read(whole.join(file)).unwrap() == std::fs::read(parts.join(file)).unwrap(),
            "{file}"
        );
        let differs = || difference(&read(&whole, file), &read(&whole, WEIGHTS)) > 0.0;
        assert!([WEIGHTS, MOMENTS].contains(&file) || differs(), "{file} is a copy of the weights");
    }
    assert!(!whole.join("state/average-short.safetensors").exists(), "it is in unet/");
}

/// A model whose loss is not what it should be at some steps.
struct Sick<M> {
    model: M,
    steps: Vec<u64>,
    factor: f64,
}

impl<M: Trainable> Trainable for Sick<M> {
    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    fn loss(&self, step: u64, shard: &Shard) -> Result<Tensor, TrainError> {
        let factor = if self.steps.contains(&step) { self.factor } else { 1.0 };
        Ok(self.model.loss(step, shard)? * factor)
    }

    fn worst_sample(&self, step: u64, shard: &Shard) -> Result<Option<WorstSample>, TrainError> {
        self.model.worst_sample(step, shard)
    }

    fn publish(&self, dir: &Path, weights: &[Tensor]) -> Result<(), TrainError> {
        self.model.publish(dir, weights)
    }
}

fn train_sick(run: &RunDir, config: &TrainConfig, steps: &[u64], factor: f64) -> Result<Outcome, TrainError> {
    let scheduler = scheduler();
    let model = Sick { model: model(config, &scheduler, 0.1), steps: steps.to_vec(), factor };
    Trainer::new(config, model, "", run, true)?.run(&mut Silent)
}

#[test]
fn what_is_not_a_number_ends_the_run_with_step_level_and_layer() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    // The outcome is read at once, or after the gradients of the next step have been computed.
    let errors = [1, 100].map(|log_every| {
        let config = TrainConfig { log_every, ..config(6) };
        let run = RunDir::new(folder.path().join(format!("loss {log_every}")));
        let of_loss = train_sick(&run, &config, &[2], f64::NAN).unwrap_err().to_string();
        assert!(of_loss.starts_with("loss is NaN at step 2 ("), "{of_loss}");
        assert!(
            of_loss.contains("noise level t = ") && of_loss.contains("lower train.learning_rate"),
            "{of_loss}"
        );
        assert_eq!(run.newest_intact().unwrap().unwrap().0, 2, "the last good checkpoint");

        // A loss that is still a number, with gradients whose squares are not.
        let run = RunDir::new(folder.path().join(format!("gradient {log_every}")));
        let of_norm = train_sick(&run, &config, &[2], 1e38).unwrap_err().to_string();
        assert!(of_norm.starts_with("gradient norm is inf at step 2 (gradient of conv_out."), "{of_norm}");
        [of_loss, of_norm]
    });
    assert_eq!(errors[0], errors[1]);
    assert!(errors.iter().flatten().all(|error| !error.contains('\n')));
}

#[test]
fn weights_do_not_depend_on_when_the_loss_is_read() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let at = |log_every, checkpoint_every| TrainConfig { log_every, checkpoint_every, ..config(5) };
    let each = train(folder.path(), "each", &at(1, 1));
    let last = train(folder.path(), "last", &at(100, 100));
    for file in [WEIGHTS, PUBLISHED, MOMENTS] {
        assert!(std::fs::read(each.join(file)).unwrap() == std::fs::read(last.join(file)).unwrap(), "{file}");
    }
    // The average of the losses is over all steps, and they are the same.
    let lines = |name: &str| read_metrics(&RunDir::new(folder.path().join(name)).metrics()).unwrap();
    let (each, last) = (lines("each"), lines("last"));
    let mean = each.iter().map(|line| line.loss).sum::<f64>() / 5.0;
    assert_eq!((each.len(), last.len()), (5, 1));
    assert!((last[0].loss - mean).abs() < 1e-12);
}

#[test]
fn steps_may_be_passed_over_a_few_times_and_a_resume_remembers_them() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| RunDir::new(folder.path().join(name));
    let allowed = |steps, skip_nonfinite| TrainConfig { skip_nonfinite, ..config(steps) };
    let sick = [0, 3];
    let (whole, parts) = (run("whole"), run("parts"));
    train_sick(&whole, &allowed(7, 2), &sick, f64::NAN).unwrap();
    for steps in [1, 4, 7] {
        train_sick(&parts, &allowed(steps, 2), &sick, f64::NAN).unwrap();
    }
    for file in [WEIGHTS, PUBLISHED, MOMENTS, "state/state.json"] {
        let bytes = |run: &RunDir| std::fs::read(run.latest().join(file)).unwrap();
        assert!(bytes(&whole) == bytes(&parts), "{file}");
    }
    assert_eq!(TrainingState::read(&parts.latest()).unwrap().skipped, 2);
    assert!(largest(&read(&whole.latest(), WEIGHTS)).is_finite());

    let error = train_sick(&run("limited"), &allowed(7, 1), &sick, f64::NAN).unwrap_err().to_string();
    assert!(error.starts_with("loss is NaN at step 3"), "{error}");
}

/// Takes the folder of checkpoints away for a few steps, as a full or unmounted disk does.
struct Unmounts {
    run: PathBuf,
    away: std::ops::Range<u64>,
    saved: Vec<u64>,
}

impl TrainingCallbacks for Unmounts {
    fn stepped(&mut self, steps: u64, _loss: f64) {
        let (here, there) = (self.run.join("checkpoints"), self.run.join("elsewhere"));
        if steps == self.away.start {
            std::fs::rename(here, there).unwrap();
        } else if steps == self.away.end {
            std::fs::rename(there, here).unwrap();
        }
    }

    fn saved(&mut self, steps: u64, _checkpoint: &Path) {
        self.saved.push(steps);
    }
}

#[test]
fn a_disk_that_fails_for_a_while_costs_checkpoints_and_nothing_else() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let config = config(9);
    let expected = train(folder.path(), "whole", &config);
    let (scheduler, run) = (scheduler(), RunDir::new(folder.path().join("run")));
    let mut observer = Unmounts { run: run.root().to_path_buf(), away: 3..7, saved: Vec::new() };
    let mut trainer = Trainer::new(&config, model(&config, &scheduler, 0.1), "", &run, false).unwrap();
    assert_eq!(trainer.run(&mut observer).unwrap(), Outcome::Finished);
    assert_eq!(observer.saved, [2, 8, 9], "4 and 6 found no disk");
    assert_eq!(read_metrics(&run.metrics()).unwrap().len(), 9);
    assert!(
        std::fs::read(run.latest().join(WEIGHTS)).unwrap() == std::fs::read(expected.join(WEIGHTS)).unwrap()
    );

    let run = RunDir::new(folder.path().join("to the end"));
    let mut observer = Unmounts { run: run.root().to_path_buf(), away: 5..100, saved: Vec::new() };
    let mut trainer = Trainer::new(&config, model(&config, &scheduler, 0.1), "", &run, false).unwrap();
    let error = trainer.run(&mut observer).unwrap_err().to_string();
    assert!(error.starts_with("the checkpoint of step 9 cannot be written: "), "{error}");
}
