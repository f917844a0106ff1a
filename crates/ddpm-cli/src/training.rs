//! Training with a progress bar: loss, throughput, held-out loss, stop requests.

use crate::config::Configuration;
use crate::image_set_check;
use crate::progress::{Progress, human_seconds};
use crate::run::Run;
use crate::run_log;
use crate::runtime::StopFlag;
use anyhow::Result;
use ddpm_data::Fingerprint;
use ddpm_train::{
    EvaluationRequest, EvaluationResult, Metrics, Outcome, TrainConfig, Trainable, Trainer, TrainingCallbacks,
};
use std::path::Path;
use std::time::Instant;
use tch::Tensor;

/// What is measured and drawn while a model trains, with its averaged weights.
pub(crate) trait Preview {
    /// Samples and measures what is due after `steps` steps.
    fn evaluate(
        &mut self,
        request: EvaluationRequest,
        steps: u64,
        average: &[Tensor],
    ) -> Result<EvaluationResult>;
}

/// Shows a progress bar with the loss, and passes a stop request on.
struct TrainingProgress<'a> {
    stop: &'a StopFlag,
    preview: Option<&'a mut (dyn Preview + 'a)>,
    progress: Option<Progress>,
    begun: Instant,
    loss: f64,
    images_per_second: f64,
    batch_size: usize,
    log_every: u64,
    from: u64,
}

/// Share of the time spent waiting for images beyond which a warning is logged: a first batch is always waited for.
const WAIT_WORTH_A_WARNING: f64 = 0.1;

impl TrainingCallbacks for TrainingProgress<'_> {
    fn started(&mut self, from: u64, to: u64) {
        self.from = from;
        self.begun = Instant::now();
        self.progress = Some(Progress::new("train", "steps", from, to));
        if from > 0 {
            note!("train: resumed after step {from}");
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

    fn logged(&mut self, metrics: &Metrics) {
        tracing::info!(
            step = metrics.step,
            loss = metrics.loss,
            gradient_norm = metrics.gradient_norm,
            images_per_second = metrics.images_per_second,
            wait_share = metrics.wait_share
        );
        if metrics.wait_share > WAIT_WORTH_A_WARNING {
            tracing::warn!(
                "{:.0} % of the last {} steps' time went into waiting for images: the disk or the decoding is slower than the network",
                100.0 * metrics.wait_share,
                self.log_every
            );
        }
        if let Some(validation) = &metrics.validation {
            note!("train: step {}, held-out loss {:.4}", metrics.step, validation.loss);
        }
        if let Some(distance) = metrics.distance {
            note!("train: step {}, distance of samples to real images {distance:.4}", metrics.step);
        }
    }

    fn saved(&mut self, _steps: u64, checkpoint: &Path) {
        tracing::info!("checkpoint {}", checkpoint.display());
    }

    fn evaluate(
        &mut self,
        request: EvaluationRequest,
        steps: u64,
        average: &[Tensor],
    ) -> Result<EvaluationResult, Box<dyn std::error::Error + Send + Sync>> {
        Ok(match &mut self.preview {
            Some(preview) => preview.evaluate(request, steps, average)?,
            None => EvaluationResult::default(),
        })
    }

    fn stop_requested(&self) -> bool {
        self.stop.is_set()
    }
}

/// What is kept with a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// Its configuration.
    pub(crate) config_toml: &'a str,
    /// Its training images; none where the data are drawn from a closed-form target.
    pub(crate) images: Option<&'a Fingerprint>,
}

/// Trains a model until the configured number of steps, from the newest checkpoint of the run if `resume`, unless its images changed;
/// `preview` looks at the model on the way.
pub(crate) fn train<'a, M: Trainable>(
    model: M,
    config: &TrainConfig,
    origin: Origin<'_>,
    run: &Run<impl Configuration>,
    resume: bool,
    preview: Option<&'a mut (dyn Preview + 'a)>,
    stop: &'a StopFlag,
) -> Result<Outcome> {
    let (dir, workers) = (&run.dir, &run.workers);
    let kept_images = origin.images.filter(|_| workers.is_first());
    if let Some(images) = kept_images {
        image_set_check::check_unchanged(dir, images)?;
    }
    let mut trainer = Trainer::among(workers, config, model, origin.config_toml, dir, resume)?;
    if let Some(images) = kept_images {
        image_set_check::keep(dir, images)?;
    }
    run_log::begin();
    let mut bar = TrainingProgress {
        stop,
        preview,
        progress: None,
        begun: Instant::now(),
        loss: f64::NAN,
        images_per_second: 0.0,
        batch_size: config.batch_size,
        log_every: config.log_every,
        from: 0,
    };
    let processes = match workers.world() {
        1 => String::new(),
        world => format!(", {world} processes of {} images", config.batch_size / world),
    };
    note!(
        "train: {:.2} M parameters, {} steps{processes}",
        trainer.parameter_count() as f64 / 1e6,
        config.steps
    );
    let outcome = trainer.run(&mut bar)?;
    let (loss, rate) = (bar.loss, bar.images_per_second);
    let took = human_seconds(bar.begun.elapsed().as_secs_f64());
    if let Some(progress) = bar.progress.take() {
        progress.finish(&format!("loss {loss:.4}, {rate:.0} images/s, {took}"));
    }
    Ok(outcome)
}
