//! Batches of samples that no memory holds, refused before anything is computed.

use anyhow::{Result, ensure};
use ddpm_data::{available_memory, human_bytes};
use ddpm_nets::UNetConfig;
use tch::Device;

/// Bytes of an f32.
const FLOAT: u128 = 4;

/// Checks the input and the output of the widest layer of a U-Net, the least that a batch needs at once.
pub(crate) fn check_images(batch: u64, model: &UNetConfig, device: Device) -> Result<()> {
    let [height, width] = model.sample_size.height_width();
    let level = |(k, &channels): (usize, &i64)| {
        // Each level halves height and width.
        let side = |side: i64| (side >> k.min(62)).max(1) as u128;
        channels as u128 * side(height) * side(width)
    };
    let widest = model.block_out_channels.iter().enumerate().map(level).max().unwrap_or(1);
    check("--batch-size", batch, &format!("images of {height} x {width}"), 2 * widest, device)
}

/// Checks the state, the noise and the prediction of a batch of vectors.
pub(crate) fn check_vectors(batch: u64, dim: i64, device: Device) -> Result<()> {
    check("--batch-size", batch, &format!("samples of {dim} numbers"), 3 * dim as u128, device)
}

/// Checks the states of samples of a target at several noise levels.
pub(crate) fn check_noised(num: u64, dim: i64, levels: usize, device: Device) -> Result<()> {
    // The samples themselves are drawn in f64.
    check("--num", num, &format!("samples of {dim} numbers"), (levels as u128 + 2) * dim as u128, device)
}

fn check(option: &str, batch: u64, what: &str, numbers: u128, device: Device) -> Result<()> {
    let left = if device.is_cuda() { torch_ext::memory::free_memory(device) } else { available_memory() };
    let left = left.map(u128::from);
    let bytes = FLOAT * numbers * u128::from(batch);
    ensure!(
        left.is_none_or(|left| bytes <= left),
        "{option}: {batch} {what} need at least {}, and {} of memory are left; take fewer at once",
        human_bytes(bytes),
        human_bytes(left.unwrap_or_default())
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_beyond_the_memory_is_refused_with_both_figures() {
        assert!(check_vectors(1000, 2, Device::Cpu).is_ok());
        if available_memory().is_some() {
            let text = check_vectors(1 << 50, 2, Device::Cpu).unwrap_err().to_string();
            assert!(
                text.contains("samples of 2 numbers need at least 27.0 PB, and ")
                    && text.contains("are left"),
                "{text}"
            );
        }
    }
}
