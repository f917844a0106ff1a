//! The training stage.

use super::Run;
use super::stage::Stage;
use super::watch::Watch;
use crate::exit::Interrupted;
use crate::progress::{Progress, human_seconds};
use crate::runtime::StopFlag;
use anyhow::Result;
use ddpm_data::Dataset;
use ddpm_train::{
    Due, Findings, ImageDiffusion, Metrics, Observer, Outcome, RunDir, TrainConfig, Trainable, Trainer,
};
use std::path::Path;
use std::time::Instant;
use tch::Tensor;

/// Shows a progress bar with the loss, and passes the wish to stop on.
struct Bar<'a> {
    stop: &'a StopFlag,
    watch: Option<Watch<'a>>,
    progress: Option<Progress>,
    begun: Instant,
    loss: f64,
    images_per_second: f64,
    batch_size: usize,
    log_every: u64,
    from: u64,
}

/// Share of waiting beyond which the log says so: a first batch is always waited for.
const WAIT_WORTH_SAYING: f64 = 0.1;

impl Observer for Bar<'_> {
    fn started(&mut self, from: u64, to: u64) {
        self.from = from;
        self.begun = Instant::now();
        self.progress = Some(Progress::new("train", "steps", from, to));
        if from > 0 {
            eprintln!("train: going on after step {from}");
        }
    }

    fn stepped(&mut self, steps: u64, loss: f64) {
        // The loss of one batch jumps with its timesteps; show a running mean.
        self.loss = if self.loss.is_nan() { loss } else { 0.98 * self.loss + 0.02 * loss };
        let done = (steps - self.from) as f64 * self.batch_size as f64;
        self.images_per_second = done / self.begun.elapsed().as_secs_f64();
        let (loss, rate) = (self.loss, self.images_per_second);
        if let Some(progress) = &mut self.progress {
            progress.set(steps, || format!("loss {loss:.4}, {rate:.0} images/s"));
        }
    }

    fn measured(&mut self, metrics: &Metrics) {
        tracing::info!(
            step = metrics.step,
            loss = metrics.loss,
            gradient_norm = metrics.gradient_norm,
            images_per_second = metrics.images_per_second,
            wait_share = metrics.wait_share
        );
        if metrics.wait_share > WAIT_WORTH_SAYING {
            tracing::warn!(
                "{:.0} % of the last {} steps' time went into waiting for images: the disk or the decoding is slower than the network",
                100.0 * metrics.wait_share,
                self.log_every
            );
        }
        if let Some(validation) = &metrics.validation {
            eprintln!("train: step {}, held-out loss {:.4}", metrics.step, validation.loss);
        }
    }

    fn saved(&mut self, _steps: u64, checkpoint: &Path) {
        tracing::info!("checkpoint {}", checkpoint.display());
    }

    fn look(
        &mut self,
        due: Due,
        steps: u64,
        average: &[Tensor],
    ) -> Result<Findings, Box<dyn std::error::Error + Send + Sync>> {
        Ok(match &mut self.watch {
            Some(watch) => watch.look(due, steps, average)?,
            None => Findings::default(),
        })
    }

    fn wants_stop(&self) -> bool {
        self.stop.is_set()
    }
}

/// Trains until the configured number of steps, from the newest checkpoint if `resume`.
pub(crate) fn train(run: &Run, dataset: &Dataset, resume: bool, stop: &StopFlag) -> Result<Outcome> {
    let config = &run.named.config;
    let scheduler = config.diffusion.scheduler()?;
    let text = config.to_toml()?;
    let watch = Watch::new(run, dataset.held_out.as_ref(), stop)?;
    let images = run.training_images(dataset)?;
    let model = ImageDiffusion::with_images(&config.train, &config.model, &scheduler, images, run.device)?;
    let mut trainer = Trainer::new(&config.train, model, &text, &run.dir, resume)?;
    run_trainer(&mut trainer, &config.train, Some(watch), stop)
}

/// Ends `ddpm train`: prints the newest checkpoint, or says how an interrupted run goes on.
pub(crate) fn conclude(outcome: Outcome, run: &RunDir) -> Result<()> {
    match outcome {
        Outcome::Finished => {
            println!("{}", run.latest().display());
            Ok(())
        }
        Outcome::Interrupted { step } => {
            let remedy = "the same command with --resume goes on".to_string();
            Err(Interrupted { step, remedy }.into())
        }
    }
}

/// Runs a trainer to its end or to a stop, with a progress bar, and with somebody to look at the model on the way if there is one for its kind.
pub(crate) fn run_trainer<M: Trainable>(
    trainer: &mut Trainer<'_, M>,
    config: &TrainConfig,
    watch: Option<Watch<'_>>,
    stop: &StopFlag,
) -> Result<Outcome> {
    let mut bar = Bar {
        stop,
        watch,
        progress: None,
        begun: Instant::now(),
        loss: f64::NAN,
        images_per_second: 0.0,
        batch_size: config.batch_size,
        log_every: config.log_every,
        from: 0,
    };
    eprintln!("train: {:.2} M parameters, {} steps", trainer.parameter_count() as f64 / 1e6, config.steps);
    let outcome = trainer.run(&mut bar)?;
    let (loss, rate) = (bar.loss, bar.images_per_second);
    let took = human_seconds(bar.begun.elapsed().as_secs_f64());
    if let Some(progress) = bar.progress.take() {
        progress.finish(&format!("loss {loss:.4}, {rate:.0} images/s, {took}"));
    }
    Ok(outcome)
}

/// The training stage of the pipeline: nothing where all steps are done.
pub(crate) fn train_if_needed(run: &Run, dataset: &Dataset, stop: &StopFlag) -> Result<Outcome> {
    let steps = run.named.config.train.steps;
    if run.dir.newest_intact()?.is_some_and(|(step, _)| step >= steps) {
        return Ok(Outcome::Finished);
    }
    let before = Stage::Train.mark(run).map_or(0.0, |mark| mark.seconds);
    let begun = Instant::now();
    let outcome = train(run, dataset, true, stop)?;
    Stage::Train.finish(run, &format!("{outcome:?}"), before + begun.elapsed().as_secs_f64())?;
    Ok(outcome)
}
