//! The warning about a noising process that ends far from pure noise, where samplers start.

use anyhow::Result;
use ddpm_core::{Noising, Scale};

/// The largest signal-to-noise ratio alpha^2/sigma^2 of a noisiest level that passes for pure noise. Ho et al.'s schedule ends at 4e-5, Stable
/// Diffusion's at 0.005.
const MOST_SIGNAL: f64 = 0.01;

/// Warns where the noisiest level of a process keeps more signal than [`MOST_SIGNAL`]: the start of sampling is not of that level's law.
pub(crate) fn warn_of_signal(noising: &Noising) -> Result<()> {
    let level = noising.ends()?.1;
    let snr = level.snr();
    if snr <= MOST_SIGNAL {
        return Ok(());
    }
    let (kept, remedy) = match noising {
        Noising::Discrete(schedule) if schedule.scale() == Scale::VarianceExploding => {
            (String::new(), "raise sigma_max")
        }
        Noising::Discrete(_) => (
            format!(" (alpha-bar {:.3})", level.alpha_bar()),
            "take more levels, a greater beta_end or zero_terminal_snr",
        ),
        Noising::Continuous { .. } => (String::new(), "let the process run to more noise"),
    };
    tracing::warn!(
        "the noisiest level is far from pure noise, where samplers start: its signal-to-noise ratio is {snr:.3}{kept}, \
         expected at most {MOST_SIGNAL}; {remedy}"
    );
    Ok(())
}
