//! The size of the sweep, and the cells that questions share.

use crate::cell::{Cell, Chain, Continuous, Sampled, Work};
use crate::closed_form_target::{NamedTarget, TargetName};
use ddpm_core::{Grid, SAMPLERS, ScheduleConfig, ScheduleKind, Scheme, Variance};
use serde::Serialize;

/// Training levels of the chains that are thinned out.
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

/// The variances that are compared; a learned one needs a network that was trained for it.
pub(crate) const VARIANCES: [Variance; 3] = [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic];

/// The spacing under which divergences are compared: it visits both ends of the chain, so that all of them speak of the same law.
pub(crate) const WHOLE: Grid = Grid::Linspace;

/// The error that is added to every component of the ideal denoiser where the weight of training errors is asked for.
pub(crate) const PERTURBATION: f64 = 0.05;

/// The size of the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A smaller sweep with shortly trained networks: minutes on two CPU cores.
    Quick,
    /// The whole sweep.
    Full,
}

/// Numbers of steps, levels and Monte Carlo paths of the sweep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Effort {
    /// Numbers of visited levels.
    pub(crate) steps: Vec<usize>,
    /// Numbers of levels for which the best placement is worked out: its cost grows with them.
    pub(crate) placed: Vec<usize>,
    /// Numbers of evaluations of the denoiser at which samplers are compared.
    pub(crate) budgets: Vec<usize>,
    /// Lengths T of chains that are rebuilt, each visiting all of its levels.
    pub(crate) lengths: Vec<usize>,
    /// Steps along the continuous process, for orders of convergence.
    pub(crate) orders: Vec<usize>,
    /// Noising paths where divergences are estimated.
    pub(crate) paths: usize,
    /// Seed of what is random.
    pub(crate) seed: u64,
}

impl Effort {
    /// Of a mode.
    pub(crate) fn new(mode: Mode, seed: u64) -> Self {
        match mode {
            Mode::Quick => Self::quick(seed),
            Mode::Full => Self::full(seed),
        }
    }

    fn quick(seed: u64) -> Self {
        Effort {
            steps: vec![10, 20, 50, 100, 200, 1000],
            placed: vec![10, 20, 50],
            budgets: vec![10, 20, 50, 100, 200],
            lengths: vec![250, 500, 1000, 2000, 4000],
            orders: vec![40, 80, 160, 320, 640],
            paths: 400,
            seed,
        }
    }

    fn full(seed: u64) -> Self {
        Effort {
            steps: vec![5, 10, 20, 50, 100, 200, 500, 1000],
            placed: vec![5, 10, 20, 50, 100],
            budgets: vec![8, 10, 20, 50, 100, 200, 500, 1000],
            lengths: vec![125, 250, 500, 1000, 2000, 4000, 8000, 16000],
            orders: vec![40, 80, 160, 320, 640, 1280],
            paths: 4000,
            seed,
        }
    }
}

/// What the questions are asked about: the targets that are there and how far to go.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How far.
    pub(crate) effort: Effort,
    /// The targets, in the order of reports.
    pub(crate) targets: Vec<NamedTarget>,
}

/// A chain of `TRAIN_STEPS` levels of which some are visited.
pub(crate) fn thinned(kind: ScheduleKind, grid: Grid, steps: usize) -> Chain {
    Chain::Schedule { schedule: ScheduleConfig::with_steps(kind, TRAIN_STEPS), grid, steps }
}

/// A linear chain of another length that visits all of its levels.
pub(crate) fn rebuilt(length: usize) -> Chain {
    let schedule = ScheduleConfig::with_steps(ScheduleKind::Linear, length);
    Chain::Schedule { schedule, grid: Grid::Trailing, steps: length }
}

/// The usual process down to `t_min`, evenly spaced in log-SNR.
pub(crate) fn by_log_snr(steps: usize, t_min: f64) -> Chain {
    Chain::Process { process: Continuous::Vp, grid: Grid::LogSnr, steps, t_min }
}

impl Plan {
    /// The target of this name, where it is there.
    pub(crate) fn target(&self, name: TargetName) -> Option<&NamedTarget> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// The Gaussian targets: W2 is exact on them.
    pub(crate) fn gaussians(&self) -> impl Iterator<Item = &NamedTarget> {
        self.targets.iter().filter(|target| matches!(target.law, ddpm_core::Target::Gaussian(_)))
    }

    /// The terms of a divergence; on targets where they are estimated, with the sweep's noising paths.
    pub(crate) fn divergence(
        &self,
        target: &NamedTarget,
        chain: Chain,
        variance: Variance,
        perturbation: f64,
    ) -> Cell {
        let (number, seed) = (self.effort.paths, self.effort.seed);
        let sampled = (!target.is_exact()).then_some(Sampled { number, seed });
        Cell { target: target.name, work: Work::Divergence { chain, variance, perturbation, sampled } }
    }

    /// W2 of a sampler on a Gaussian target.
    pub(crate) fn wasserstein(&self, target: &NamedTarget, chain: Chain, sampler: Scheme) -> Cell {
        Cell { target: target.name, work: Work::Wasserstein { chain, sampler } }
    }

    /// The best placement on the linear schedule.
    pub(crate) fn placement(&self, target: &NamedTarget, steps: usize) -> Cell {
        let schedule = ScheduleConfig::with_steps(ScheduleKind::Linear, TRAIN_STEPS);
        let work = Work::Placement { schedule, steps, variance: Variance::Analytic };
        Cell { target: target.name, work }
    }
}

/// A sampler under a name of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedSampler {
    /// How it is typed.
    pub(crate) name: &'static str,
    /// It with its options.
    pub(crate) scheme: Scheme,
    /// Theoretical order of convergence of the law of its samples; 0 where the question does not arise.
    pub(crate) order: u32,
    /// Evaluations in a full step.
    pub(crate) evaluations: usize,
}

/// The samplers whose law on a Gaussian is known and that get better with more steps: not those that stay at one level, and not the
/// adaptive one. Ancestral sampling comes with each variance.
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
                let kinds = ["ddpm, fixed-small", "ddpm, fixed-large", "ddpm, analytic"];
                let pairs = kinds.into_iter().zip(VARIANCES);
                samplers.extend(pairs.map(|(name, variance)| named(name, Scheme::Ddpm { variance })));
            }
            scheme => samplers.push(named(info.name, scheme)),
        }
    }
    samplers
}
