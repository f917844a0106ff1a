//! Files of noise levels that a sampler visits.

use crate::text_file;
use anyhow::{Context, Result};
use ddpm_core::{ChosenLevels, TimeIndex};
use ddpm_data::atomic;
use ddpm_report::results::PlacedLevel;
use std::path::Path;

/// The levels of a file.
pub(crate) fn read(path: &Path) -> Result<ChosenLevels> {
    let name = path.display();
    let text = text_file::read(path)?;
    serde_json::from_str(&text)
        .with_context(|| format!("{name}: expected {{\"timesteps\": [...]}} or {{\"log_snr\": [...]}}"))
}

/// Writes levels to a file that [`read`] reads.
pub(crate) fn write(path: &Path, levels: &ChosenLevels) -> Result<()> {
    let text = serde_json::to_string(levels)?;
    atomic::write_bytes(path, format!("{text}\n").as_bytes())?;
    Ok(())
}

/// The levels of a placement: timesteps where all have one.
pub(crate) fn of_placement(levels: &[PlacedLevel]) -> ChosenLevels {
    let timesteps: Option<Vec<TimeIndex>> =
        levels.iter().map(|level| level.t.map(|t| TimeIndex(t.saturating_sub(1)))).collect();
    match timesteps {
        Some(timesteps) => ChosenLevels::of_timesteps(&timesteps),
        None => ChosenLevels::of_log_snrs(levels.iter().map(|level| level.log_snr).collect()),
    }
}
