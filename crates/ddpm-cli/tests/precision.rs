//! Long: bf16 autocast learns the digits as well as f32.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{ddpm, set};
use std::path::Path;

/// Largest relative difference of the losses on held-out images.
const TOLERANCE: f64 = 0.02;
const STEPS: u64 = 600;

/// Trains the digits and returns the averaged weights' loss on all held-out images.
fn held_out_loss(folder: &Path, precision: &str) -> f64 {
    let steps = format!("train.steps={STEPS}");
    let validate = format!("train.validate_every={STEPS}");
    let precision_key = format!("train.precision={precision}");
    let changes = [
        steps.as_str(),
        validate.as_str(),
        precision_key.as_str(),
        "model.block_out_channels=[16,32]",
        "model.norm_num_groups=8",
        "train.batch_size=64",
        "train.learning_rate_decay=cosine",
        "train.checkpoint_every=0",
        "train.ema.decay=0.99",
    ];
    ddpm(folder)
        .args(["train", "--config", "digits", "--run", precision])
        .args(set(&changes))
        .timeout(std::time::Duration::from_secs(3600))
        .assert()
        .success();
    let metrics = ddpm_train::read_metrics(&folder.join(precision).join("metrics.jsonl")).unwrap();
    metrics.last().unwrap().validation.as_ref().unwrap().loss
}

#[test]
fn bf16_reaches_the_held_out_loss_of_f32() {
    if !ddpm_testkit::long_tests("training in bf16") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [f32, bf16] = ["f32", "bf16"].map(|precision| held_out_loss(folder.path(), precision));
    println!(
        "held-out loss after {STEPS} steps: {f32:.5} in f32, {bf16:.5} in bf16 ({:+.2} %)",
        100.0 * (bf16 / f32 - 1.0)
    );
    assert!(f32 < 0.25, "the network learned something: {f32}");
    assert!((bf16 / f32 - 1.0).abs() < TOLERANCE, "f32 {f32}, bf16 {bf16}");
}
