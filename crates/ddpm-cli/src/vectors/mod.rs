//! Runs on vectors: a score learned from a closed-form target, so that its error against the exact one can be printed.

mod config;
mod report;
mod sampling;

pub(crate) use config::VectorConfig;
pub(crate) use sampling::{VectorJob, sample_vectors};

use crate::checkpoints::load_vectors;
use crate::config::{AnyConfig, check_unchanged, parse_any};
use crate::exit::Interrupted;
use crate::global_options::Global;
use crate::pipeline::{conclude, run_trainer};
use crate::runtime::StopFlag;
use anyhow::{Context, Result, bail};
use ddpm_core::Target;
use ddpm_nets::Mlp;
use ddpm_nets::checkpoint::VectorCheckpoint;
use ddpm_sample::{NoiseInput, Samples, Tolerance};
use ddpm_train::score_matching::{ScoreMatching, TargetSource, VectorScore};
use ddpm_train::{Outcome, RunDir, Trainer};
use std::path::{Path, PathBuf};
use tch::Device;

/// A run on vectors: its configuration, where its results go, and where it computes.
pub(crate) struct VectorRun {
    name: String,
    config: VectorConfig,
    target: Target,
    dir: RunDir,
    device: Device,
}

impl VectorRun {
    /// A run in `folder`, or in `runs/NAME`. `--seed` overrules the configuration's seeds.
    pub(crate) fn new(
        name: String,
        mut config: VectorConfig,
        folder: Option<PathBuf>,
        global: &Global,
        device: Device,
    ) -> Result<Self> {
        if let Some(seed) = global.seed {
            (config.train.seed, config.sample.seed, config.eval.seed) = (seed, seed, seed);
        }
        let folder = folder.unwrap_or_else(|| Path::new("runs").join(&name));
        let target = config.data.build()?;
        Ok(VectorRun { name, config, target, dir: RunDir::new(folder), device })
    }

    /// Training, samples, the score's error and the report; prints the errors and the report's path.
    pub(crate) fn reproduce(&self, fresh: bool) -> Result<()> {
        if fresh {
            self.dir.clear()?;
        } else {
            self.check_unchanged()?;
        }
        let stop = StopFlag::install()?;
        let done = self.dir.newest_intact()?.is_some_and(|(step, _)| step >= self.config.train.steps);
        if !done && let Outcome::Interrupted { step } = self.run_training(true, &stop)? {
            return Err(Interrupted { step, remedy: "the same command goes on".to_string() }.into());
        }
        let checkpoint = load_vectors(&self.dir.latest(), self.device)?;
        let samples = self.sample(&checkpoint, &stop)?;
        let path = report::write(self, &checkpoint, &samples)?;
        println!("{}", path.display());
        Ok(())
    }

    /// The training stage alone; prints the checkpoint.
    pub(crate) fn train(&self, resume: bool) -> Result<()> {
        if resume {
            self.check_unchanged()?;
        }
        let stop = StopFlag::install()?;
        conclude(self.run_training(resume, &stop)?, &self.dir)
    }

    /// Refuses to go on with a run that was begun under other settings.
    fn check_unchanged(&self) -> Result<()> {
        let path = self.dir.config();
        if !path.exists() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        match parse_any(&text, &[]).with_context(|| path.display().to_string())? {
            AnyConfig::Vectors(old) => check_unchanged(&*old, &self.config, &old.train, self.dir.root()),
            AnyConfig::Images(_) | AnyConfig::Classifier(_) => {
                bail!("{} holds a run on images; choose another --run", self.dir.root().display())
            }
        }
    }

    fn run_training(&self, resume: bool, stop: &StopFlag) -> Result<Outcome> {
        let config = &self.config;
        let network = Mlp::new(config.model.clone(), self.device, config.train.seed)?;
        let model = VectorScore { network, noising: config.diffusion.clone() };
        let source = TargetSource::new(self.target.clone(), config.train.seed, self.device);
        let noising = config.diffusion.build()?;
        let task = ScoreMatching::new(model, source, noising, config.objective, config.train.seed)?;
        let text = config.to_toml()?;
        let mut trainer = Trainer::new(&config.train, task, &text, &self.dir, resume)?;
        run_trainer(&mut trainer, &config.train, None, stop)
    }

    fn sample(&self, checkpoint: &VectorCheckpoint, stop: &StopFlag) -> Result<Samples> {
        let config = &self.config.sample;
        let job = VectorJob {
            network: &checkpoint.network,
            noising: &checkpoint.noising,
            scheme: config.scheme()?,
            steps: config.steps,
            grid: config.grid,
            tolerance: Tolerance::default(),
            noise: NoiseInput::keyed(config.seed, &[self.target.dim() as i64]),
            num: config.num,
            batch_size: config.batch_size,
        };
        sample_vectors(&job, self.device, &|| stop.flow())
    }
}
