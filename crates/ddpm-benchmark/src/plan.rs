//! The size of the sweep, and the cells that questions share.

use crate::cell::{Cell, Computation, MonteCarloPaths, VisitedLevels};
use crate::closed_form_target::{NamedTarget, TargetName};
use ddpm_core::{
    Grid, NoisingConfig, ProcessConfig, ProcessKind, SAMPLERS, ScheduleConfig, ScheduleKind, Scheme, Variance,
};
use serde::Serialize;

/// The size of the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A smaller sweep with shortly trained networks: minutes on two CPU cores.
    Quick,
    /// The whole sweep.
    Full,
}

/// Training levels of the schedules of which some levels are visited.
pub(crate) const TRAIN_STEPS: usize = 1000;

/// The schedules that are compared.
pub(crate) const SCHEDULES: [ScheduleKind; 7] = [
    ScheduleKind::Linear,
    ScheduleKind::ScaledLinear,
    ScheduleKind::Cosine,
    ScheduleKind::Sigmoid,
    ScheduleKind::Constant,
    ScheduleKind::VeGeometric,
    ScheduleKind::Karras,
];

/// The variances that are compared. A learned variance needs a network that was trained for it.
pub(crate) const VARIANCES: [Variance; 3] = [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic];

/// The grid that visits both ends of a schedule: divergences of different numbers of steps then speak of the same law.
pub(crate) const BOTH_ENDS: Grid = Grid::Linspace;

/// The error that is added to every component of the ideal denoiser where the weight of training errors is measured.
pub(crate) const PERTURBATION: f64 = 0.05;

/// Numbers of steps, levels and Monte Carlo paths of the sweep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Effort {
    /// Numbers of visited levels.
    pub(crate) steps: Vec<usize>,
    /// Numbers of levels for which the best placement is computed, at a cost that grows with them.
    pub(crate) placed: Vec<usize>,
    /// Numbers of evaluations of the denoiser at which samplers are compared.
    pub(crate) budgets: Vec<usize>,
    /// Lengths T of linear schedules all of whose levels are visited.
    pub(crate) lengths: Vec<usize>,
    /// Steps along the continuous process, for orders of convergence.
    pub(crate) orders: Vec<usize>,
    /// Noising paths where divergences are estimated.
    pub(crate) paths: usize,
    /// Seed of the paths.
    pub(crate) seed: u64,
}

impl Effort {
    /// Of a mode.
    pub(crate) fn new(mode: Mode, seed: u64) -> Self {
        match mode {
            Mode::Quick => Effort {
                steps: vec![10, 20, 50, 100, 200, 1000],
                placed: vec![10, 20, 50],
                budgets: vec![10, 20, 50, 100, 200],
                lengths: vec![250, 500, 1000, 2000, 4000],
                orders: vec![40, 80, 160, 320, 640],
                paths: 400,
                seed,
            },
            Mode::Full => Effort {
                steps: vec![5, 10, 20, 50, 100, 200, 500, 1000],
                placed: vec![5, 10, 20, 50, 100],
                budgets: vec![8, 10, 20, 50, 100, 200, 500, 1000],
                lengths: vec![125, 250, 500, 1000, 2000, 4000, 8000, 16000],
                orders: vec![40, 80, 160, 320, 640, 1280],
                paths: 4000,
                seed,
            },
        }
    }
}

/// Levels of a schedule.
pub(crate) fn schedule(schedule: ScheduleConfig, grid: Grid, steps: usize) -> VisitedLevels {
    VisitedLevels { noising: NoisingConfig::Schedule(schedule), least_noise: None, grid, steps }
}

/// Some levels of a schedule of [`TRAIN_STEPS`].
pub(crate) fn thinned(kind: ScheduleKind, grid: Grid, steps: usize) -> VisitedLevels {
    schedule(ScheduleConfig::with_steps(kind, TRAIN_STEPS), grid, steps)
}

/// All levels of a linear schedule of another length.
pub(crate) fn all_levels(length: usize) -> VisitedLevels {
    schedule(ScheduleConfig::with_steps(ScheduleKind::Linear, length), Grid::Trailing, length)
}

fn process(kind: ProcessKind, horizon: Option<f64>, t_min: f64, grid: Grid, steps: usize) -> VisitedLevels {
    let config = ProcessConfig {
        kind,
        beta_min: None,
        beta_max: None,
        sigma_min: None,
        sigma_max: None,
        horizon,
        t_min: Some(t_min),
    };
    VisitedLevels { noising: NoisingConfig::Process(config), least_noise: None, grid, steps }
}

/// Levels of the variance-preserving process with its usual rates, down to `t_min`.
pub(crate) fn vp(grid: Grid, steps: usize, t_min: f64) -> VisitedLevels {
    process(ProcessKind::Vp, None, t_min, grid, steps)
}

/// Levels of the Ornstein-Uhlenbeck process: alpha_bar = exp(-horizon) at its end.
pub(crate) fn ornstein_uhlenbeck(horizon: f64, grid: Grid, steps: usize, t_min: f64) -> VisitedLevels {
    process(ProcessKind::Ou, Some(horizon), t_min, grid, steps)
}

/// The targets of a run and the size of its sweep.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The size.
    pub(crate) effort: Effort,
    /// The targets, in the order of reports.
    pub(crate) targets: Vec<NamedTarget>,
}

impl Plan {
    /// The target of this name, where the run has it.
    pub(crate) fn target(&self, name: TargetName) -> Option<&NamedTarget> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// All targets.
    pub(crate) fn all(&self) -> Vec<&NamedTarget> {
        self.targets.iter().collect()
    }

    /// The targets whose divergences are exact.
    pub(crate) fn exact(&self) -> Vec<&NamedTarget> {
        self.targets.iter().filter(|target| target.is_exact()).collect()
    }

    /// The Gaussian targets, on which W2 is exact.
    pub(crate) fn gaussians(&self) -> Vec<&NamedTarget> {
        self.targets.iter().filter(|target| matches!(target.law, ddpm_core::Target::Gaussian(_))).collect()
    }

    /// The terms of a divergence, by Monte Carlo where they are not exact.
    pub(crate) fn divergence(
        &self,
        target: &NamedTarget,
        levels: VisitedLevels,
        variance: Variance,
        perturbation: f64,
    ) -> Cell {
        let (number, seed) = (self.effort.paths, self.effort.seed);
        let sampled = (!target.is_exact()).then_some(MonteCarloPaths { number, seed });
        let computation = Computation::Divergence { levels, variance, perturbation, sampled };
        Cell { target: target.name, computation }
    }
}

/// W2 of a sampler on a Gaussian target.
pub(crate) fn wasserstein(target: &NamedTarget, levels: VisitedLevels, sampler: Scheme) -> Cell {
    Cell { target: target.name, computation: Computation::Wasserstein { levels, sampler } }
}

/// The best placement on the linear schedule, with the analytic variance.
pub(crate) fn placement(target: &NamedTarget, steps: usize) -> Cell {
    let schedule = ScheduleConfig::with_steps(ScheduleKind::Linear, TRAIN_STEPS);
    let computation = Computation::Placement { schedule, steps, variance: Variance::Analytic };
    Cell { target: target.name, computation }
}

/// A sampler with its options, under the name that reports give it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedSampler {
    /// The name.
    pub(crate) name: &'static str,
    /// The sampler.
    pub(crate) scheme: Scheme,
    /// Theoretical order of convergence of the law of its samples; 0 where none is known.
    pub(crate) order: u32,
    /// Evaluations of the denoiser in a full step.
    pub(crate) evaluations: usize,
}

/// The samplers with a fixed number of steps whose error falls with that number and whose law on a Gaussian is known. Ancestral sampling comes
/// with each variance.
pub(crate) fn samplers() -> Vec<NamedSampler> {
    let mut samplers = Vec::new();
    for info in SAMPLERS.iter().filter(|info| info.fixed_steps && info.name != "ddpm-rate") {
        let named = |name, scheme| NamedSampler {
            name,
            scheme,
            order: info.order,
            evaluations: info.evaluations as usize,
        };
        match info.scheme {
            Scheme::Langevin { .. } | Scheme::AnnealedLangevin { .. } => {}
            Scheme::Ddpm { .. } => {
                let names = ["ddpm (fixed-small)", "ddpm (fixed-large)", "ddpm (analytic)"];
                let pairs = names.into_iter().zip(VARIANCES);
                samplers.extend(pairs.map(|(name, variance)| named(name, Scheme::Ddpm { variance })));
            }
            scheme => samplers.push(named(info.name, scheme)),
        }
    }
    samplers
}
