//! The error decomposition of a network on vectors, whose data are a known law: no floor stands for the ideal denoiser.

use super::arguments::{Decompose, SplitOptions};
use crate::checkpoints::load_vectors;
use crate::command_line::command_line;
use crate::config::{VectorConfig, parse_as};
use crate::global_options::Global;
use crate::progress::Progress;
use crate::runtime::{self, StopFlag, versions};
use crate::sampler_options::Origin;
use crate::sampling::{VisitedLevels, Visits};
use crate::text_file;
use anyhow::{Context, Result, ensure};
use ddpm_core::decomposition::{MonteCarlo, Settings, decompose};
use ddpm_core::{Noising, Scale, Schedule, Scheme, Target, TimeIndex, Variance};
use ddpm_eval::sampled_w2::SampleRun;
use ddpm_eval::{EvalError, IdealGap};
use ddpm_nets::ScoreDenoiser;
use ddpm_nets::checkpoint::VectorCheckpoint;
use ddpm_report::decomposition_page::{DecompositionReport, PAGE};
use ddpm_report::results::DecomposeReport;
use std::path::Path;
use tch::Device;

/// A network on vectors with the law that it was trained on.
struct Trained {
    checkpoint: VectorCheckpoint,
    target: Target,
    device: Device,
    seed: u64,
}

impl Decompose {
    /// The divergences of a network on vectors, with --w2 the distance of its samples by the errors that are on.
    pub(super) fn vectors(&self, dir: &Path, global: &Global, stop: &StopFlag) -> Result<DecomposeReport> {
        let why = format!("on {}, a network on vectors", dir.display());
        let given = &global.given;
        let others: Vec<&str> = ["data", "data_dir", "reference", "flips", "max_images", "levels", "repeats"]
            .into_iter()
            .chain(["batch_size", "image_size", "resize", "channels", "on_error"])
            .collect();
        given.refuse(&others, &format!("{why}, whose data are the target of its run"))?;
        given.refuse_group::<SplitOptions>(&why)?;
        given.refuse(&["step_errors", "own_path", "visited", "write_levels", "perturb"], &why)?;
        if !self.w2 {
            given.refuse(&["samples"], "without --w2")?;
        }
        let device = runtime::prepare(global.device, global.threads)?;
        let checkpoint = load_vectors(dir, device)?;
        let target = trained_target(dir)?;
        let dim = checkpoint.network.config().dim;
        ensure!(
            target.dim() as i64 == dim,
            "{}: the network takes {dim} numbers, the target of its run has {}",
            dir.display(),
            target.dim()
        );
        let trained = Trained { checkpoint, target, device, seed: global.seed.unwrap_or(0) };
        let scheme = self.sampler.scheme(Variance::FixedLarge, None, Origin::CommandLine)?;
        let noising = &trained.checkpoint.noising;
        let mut report = match scheme {
            Scheme::Ddpm { variance } => self.divergences_of_vectors(&trained, variance, stop)?,
            _ => {
                ensure!(
                    self.w2,
                    "--sampler {}: the divergences are those of the sampler ddpm; --w2 measures the samples of any",
                    scheme.name()
                );
                given.refuse(&["images", "all"], "on a sampler other than ddpm, which has no divergences")?;
                DecomposeReport {
                    sampler: Some(scheme.name().to_owned()),
                    steps: self.steps.unwrap_or(noising.default_steps()),
                    dim: trained.target.dim(),
                    ..DecomposeReport::default()
                }
            }
        };
        report.checkpoint = Some(dir.display().to_string());
        if self.w2 {
            let ablation = self.w2_of_vectors(&trained, scheme)?;
            report.w2 = ablation.errors();
            report.w2_ablation = Some(ablation);
        }
        Ok(report)
    }

    fn divergences_of_vectors(
        &self,
        trained: &Trained,
        variance: Variance,
        stop: &StopFlag,
    ) -> Result<DecomposeReport> {
        let Trained { checkpoint, target, device, seed } = trained;
        let noising = &checkpoint.noising;
        ensure!(
            noising.scale() == Scale::VariancePreserving,
            "the divergences are those of a variance-preserving process, {} is another; add --w2 and a sampler other than ddpm",
            checkpoint.config.name()
        );
        let grid = self.grid.unwrap_or(noising.default_grid());
        let steps = self.steps.unwrap_or(noising.default_steps());
        ensure!(steps >= 2, "--steps must be at least 2 for a checkpoint, got {steps}");
        let (schedule, timesteps): (Schedule, Vec<TimeIndex>) = match noising {
            Noising::Discrete(schedule) => (schedule.clone(), grid.visit(schedule, steps)?),
            Noising::Continuous { .. } => {
                let schedule = noising.visited_schedule(steps, grid)?;
                let all = (0..schedule.steps() as u32).rev().map(TimeIndex).collect();
                (schedule, all)
            }
        };
        let visited = schedule.visited(&timesteps)?;
        let default = MonteCarlo::default();
        let images = self.images.unwrap_or(default.images);
        let monte_carlo = MonteCarlo { images, seed: *seed, ..default };
        let settings = Settings { variance, perturbation: 0.0, monte_carlo };
        let ideal = decompose(target, &visited, &settings)?;
        let denoiser = ScoreDenoiser(&checkpoint.network);
        let weights = ideal.error_weights(variance)?;
        let gap = IdealGap {
            denoiser: &denoiser,
            target,
            visited: &visited,
            weights: &weights,
            samples: self.images.unwrap_or(SAMPLES),
            seed: *seed,
            device: *device,
        };
        let mut bar = Progress::new("decompose", "levels", 0, visited.len() as u64);
        let found = gap.measure(&mut |done, _| {
            bar.set(done as u64, String::new);
            if stop.is_set() { Err(EvalError::Interrupted) } else { Ok(()) }
        })?;
        bar.finish(&format!("{} exact samples at each of {} levels", gap.samples, visited.len()));
        let result = ideal.with_errors(&found.errors, variance, found.training.stderr)?;
        let name = checkpoint.config.name();
        Ok(DecomposeReport::closed_form("the target of its run", name, variance, &timesteps, &result)?)
    }

    fn w2_of_vectors(
        &self,
        trained: &Trained,
        scheme: Scheme,
    ) -> Result<ddpm_core::decomposition::W2Ablation> {
        let Trained { checkpoint, target, device, seed } = trained;
        ensure!(
            !matches!(scheme, Scheme::Langevin { .. }),
            "--w2 follows samplers from level to level; langevin stays at one"
        );
        let noising = &checkpoint.noising;
        let visits = Visits { steps: self.steps, grid: self.grid, chosen: None };
        let (scheme, levels) = VisitedLevels::of_scheme(noising, scheme, &visits, None)?;
        let levels = levels.with_ideal_error(target, &scheme)?;
        let denoiser = ScoreDenoiser(&checkpoint.network);
        let run = SampleRun {
            target,
            trajectory: levels.trajectory,
            scheme,
            perturbation: 0.0,
            denoiser: Some(&denoiser),
            tolerance: self.sampler.tolerance(),
            seed: *seed,
            device: *device,
        };
        self.ablation_of(&run)
    }
}

/// Exact samples behind the training term unless --images says otherwise.
const SAMPLES: usize = 10_000;

/// The law that the run of a checkpoint was trained on.
fn trained_target(dir: &Path) -> Result<Target> {
    let path = dir.join("state").join("config.toml");
    ensure!(
        path.exists(),
        "{}: the law that the network was trained on is not known; expected the configuration of its run, {}",
        dir.display(),
        path.display()
    );
    let config: VectorConfig =
        parse_as(&text_file::read(&path)?).with_context(|| path.display().to_string())?;
    config.data.build().with_context(|| path.display().to_string())
}

/// Writes the page of what was found to a folder.
pub(super) fn write(folder: &Path, result: DecomposeReport) -> Result<()> {
    let report = DecompositionReport {
        name: result.checkpoint.clone().unwrap_or_default(),
        ablation: result.w2_ablation.clone(),
        result,
        command: command_line(),
        versions: versions(),
        ..Default::default()
    };
    report.write(folder)?;
    note!("report: {}", folder.join(PAGE).display());
    Ok(())
}
