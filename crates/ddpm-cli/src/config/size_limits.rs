//! Sizes that no memory holds, refused before anything is allocated or written.

use anyhow::{Result, ensure};
use ddpm_nets::UNetConfig;
use ddpm_train::TrainConfig;

/// Bytes beyond which a single tensor is refused: 1 TiB.
const MOST_BYTES: f64 = 1_099_511_627_776.0;
/// Bytes of an f32.
const FLOAT: f64 = 4.0;

/// Refuses a tensor of `numbers` f32 values; `key` names the setting that makes it so large, `what` the tensor.
pub(super) fn check(key: &str, what: &str, numbers: f64) -> Result<()> {
    let bytes = FLOAT * numbers;
    ensure!(
        bytes <= MOST_BYTES,
        "{key}: {what} needs {:.1} TiB, more than the limit of 1 TiB",
        bytes / MOST_BYTES
    );
    Ok(())
}

/// Checks the largest convolution of a U-Net with these channels.
pub(super) fn check_channels(key: &str, channels: &[i64]) -> Result<()> {
    let widest = channels.iter().copied().max().unwrap_or(0) as f64;
    check(key, &format!("a convolution of {widest} channels"), 9.0 * widest * widest)
}

/// Checks the output of the first level of a U-Net for the images that are computed at once.
pub(super) fn check_batch(train: &TrainConfig, model: &UNetConfig) -> Result<()> {
    let [height, width] = model.sample_size.height_width();
    let at_once = train.batch_size / train.accumulate.max(1);
    let numbers = at_once as f64
        * (height * width) as f64
        * model.block_out_channels.first().copied().unwrap_or(1) as f64;
    check("train.batch_size", &format!("the first level of {at_once} images"), numbers)
}
