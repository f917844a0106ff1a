//! Runs that train a score on vectors of a closed-form target, so that its error against the exact score can be printed.

mod report;

use crate::checkpoints::load_vectors;
use crate::config::{Configuration, VectorConfig};
use crate::process_pictures::record;
use crate::run::Run;
use crate::runtime::StopFlag;
use crate::sampling::{Model, SamplingJob, VisitedLevels, Visits};
use crate::stages::Stages;
use crate::terminal_noise::warn_of_signal;
use crate::training::{self, Origin};
use anyhow::Result;
use ddpm_core::{Target, Variance};
use ddpm_nets::checkpoint::VectorCheckpoint;
use ddpm_nets::{Mlp, ScoreDenoiser};
use ddpm_sample::{NoiseInput, Options, Record, Samples};
use ddpm_train::Outcome;
use ddpm_train::score_matching::{ScoreMatching, TargetSource, VectorScore};
use std::path::PathBuf;

impl Stages for VectorConfig {
    type Data = Target;
    const HAS_REPORT: bool = true;

    fn load_data(run: &Run<Self>) -> Result<Target> {
        run.config.data.build()
    }

    fn train_model(run: &Run<Self>, target: &Target, resume: bool, stop: &StopFlag) -> Result<Outcome> {
        let config = &run.config;
        let network = Mlp::new(config.model.clone(), run.device, config.train.seed)?;
        let data_scale = config.data.scale.unwrap_or(1.0);
        let model = VectorScore { network, noising: config.diffusion.clone(), data_scale };
        let source = TargetSource::new(target.clone(), config.train.seed, run.device);
        let noising = config.diffusion.build()?;
        warn_of_signal(&noising)?;
        let task = ScoreMatching::new(model, source, noising, config.objective, config.train.seed)?;
        let origin = Origin { config_toml: &config.to_toml()?, images: None };
        training::train(task, &config.train, origin, run, resume, None, stop)
    }

    /// Samples, the score's error and the report; prints the errors.
    fn evaluate(run: &Run<Self>, target: &Target, stop: &StopFlag) -> Result<PathBuf> {
        // Vectors are the work of one process.
        if !run.workers.is_first() {
            return Ok(run.dir.report());
        }
        let checkpoint = load_vectors(&run.dir.latest(), run.device)?;
        let samples = sample(run, target, &checkpoint, stop)?;
        report::write(run, target, &checkpoint, &samples, stop)
    }
}

fn sample(
    run: &Run<VectorConfig>,
    target: &Target,
    checkpoint: &VectorCheckpoint,
    stop: &StopFlag,
) -> Result<Samples> {
    let config = &run.config.sample;
    let scheme = config.scheme(Variance::FixedLarge)?;
    let (scheme, levels) = VisitedLevels::of_scheme(
        &checkpoint.noising,
        scheme,
        &Visits { steps: Some(config.steps), grid: config.grid, chosen: None },
        None,
    )?;
    let job = SamplingJob {
        model: Model::Denoiser(&ScoreDenoiser(&checkpoint.network)),
        scheme,
        levels,
        options: Options {
            tolerance: config.sampler.tolerance(),
            record: if target.dim() <= 2 { record(target.dim(), false) } else { Record::default() },
            ..Options::default()
        },
        noise: NoiseInput::keyed(config.seed, &[target.dim() as i64]),
        num: config.num,
        batch_size: config.batch_size,
        known: None,
    };
    job.collect(run.device, stop)
}
