//! Training of a network through `ddpm-train`, resumed from its newest checkpoint.

use super::training_recipe::{TrainingRecipe, TrainingSettings};
use crate::monitor::{Monitor, Stopped};
use anyhow::{Context, Result, ensure};
use ddpm_data::Dataset;
use ddpm_train::{ImageDiffusion, Outcome, RunDir, Trainer, TrainingCallbacks};
use std::path::PathBuf;
use std::time::Instant;
use tch::Device;

/// Trains to the last step of the recipe unless that is done, and returns the newest checkpoint with its step.
///
/// # Errors
/// [`Stopped::Training`] where `monitor` asks for a stop; an error where `run` was trained with other settings.
pub(super) fn train_if_needed(
    recipe: &TrainingRecipe,
    data: &Dataset,
    run: &RunDir,
    device: Device,
    monitor: &dyn Monitor,
) -> Result<(u64, PathBuf)> {
    let settings = &recipe.settings;
    check_unchanged(settings, run)?;
    if run.newest_intact()?.is_none_or(|(step, _)| step < settings.train.steps) {
        let scheduler = settings.scheduler()?;
        let text = toml::to_string(settings).context("the settings cannot be written as TOML")?;
        let model = ImageDiffusion::new(&settings.train, &settings.model, &scheduler, &data.train, device)?;
        let mut trainer = Trainer::new(&settings.train, model, &text, run, true)?;
        let mut callbacks =
            Callbacks { monitor, batch_size: settings.train.batch_size, from: 0, begun: Instant::now() };
        if let Outcome::Interrupted { step } = trainer.run(&mut callbacks)? {
            return Err(Stopped::Training { step }.into());
        }
        monitor.end(&format!("{} steps of {}", settings.train.steps, recipe.name));
    }
    run.newest_intact()?.context("training left no checkpoint")
}

/// Refuses a run that was begun with other settings.
fn check_unchanged(settings: &TrainingSettings, run: &RunDir) -> Result<()> {
    let path = run.config();
    if !path.exists() {
        return Ok(());
    }
    let shown = path.display();
    let text = std::fs::read_to_string(&path).with_context(|| shown.to_string())?;
    let earlier: TrainingSettings =
        toml::from_str(&text).map_err(|error| anyhow::anyhow!("{shown}: {}", error.message()))?;
    ensure!(
        earlier == *settings,
        "{shown}: expected the settings of this benchmark (the seed among them), got others; choose another --out, or start over with --fresh"
    );
    Ok(())
}

/// Passes the progress of a training on to the monitor, and its stop request back.
struct Callbacks<'a> {
    monitor: &'a dyn Monitor,
    batch_size: usize,
    from: u64,
    begun: Instant,
}

impl TrainingCallbacks for Callbacks<'_> {
    fn started(&mut self, from: u64, to: u64) {
        (self.from, self.begun) = (from, Instant::now());
        self.monitor.begin("train", "steps", from, to);
    }

    fn stepped(&mut self, steps: u64, loss: f64) {
        let images = (steps - self.from) as f64 * self.batch_size as f64;
        let rate = images / self.begun.elapsed().as_secs_f64();
        self.monitor.advance(steps, &format!("loss {loss:.4}, {rate:.0} images/s"));
    }

    fn stop_requested(&self) -> bool {
        self.monitor.stop_requested()
    }
}
