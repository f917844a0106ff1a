//! The divergence of the ancestral sampler's path on a closed-form target.

use super::arguments::{ClosedFormSampling, Decompose};
use crate::progress::Progress;
use anyhow::{Result, bail};
use ddpm_core::decomposition::{MonteCarlo, Settings, decompose_with_progress};
use ddpm_core::{Grid, Noising, Scheme};
use ddpm_report::results::DecomposeReport;

impl Decompose {
    /// init, discretization and training in nats, by level and in total.
    pub(super) fn divergences(&self, problem: &ClosedFormSampling, seed: u64) -> Result<DecomposeReport> {
        let ClosedFormSampling { target, noising, scheme } = problem;
        let Scheme::Ddpm { variance } = *scheme else {
            bail!("the divergence is that of the sampler ddpm; for {} add --w2", scheme.name())
        };
        let Noising::Discrete(schedule) = noising else {
            bail!("--process goes with --w2; divergences are those of a schedule's levels")
        };
        let grid = self.grid.unwrap_or(Grid::Trailing);
        let timesteps = grid.visit(schedule, self.steps.unwrap_or(schedule.steps()))?;
        let visited = schedule.visited(&timesteps)?;
        let default = MonteCarlo::default();
        let images = self.images.unwrap_or(default.images);
        let settings = Settings {
            variance,
            perturbation: self.perturb,
            monte_carlo: MonteCarlo { images, seed, ..default },
        };
        // The other targets are computed exactly, which takes no time worth a bar.
        let mut bar: Option<Progress> = None;
        let result = decompose_with_progress(target, &visited, &settings, &mut |done, total| {
            bar.get_or_insert_with(|| Progress::new("decompose", "images", 0, total)).set(done, String::new);
        })?;
        if let Some(bar) = bar {
            bar.finish(&format!("{images} noising paths"));
        }
        Ok(DecomposeReport::closed_form(&self.name(), self.noising.name(), variance, &timesteps, &result)?)
    }
}
