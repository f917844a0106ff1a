//! W2 errors of a sampler, one source of error switched on at a time.

use super::arguments::{ClosedFormSampling, Decompose};
use crate::global_options::Global;
use crate::progress::Progress;
use crate::runtime;
use crate::sampling::VisitedLevels;
use anyhow::{Result, ensure};
use ddpm_core::recursion::{GaussianDenoiser, w2_errors};
use ddpm_core::{Noising, Scheme, Target, Trajectory};
use ddpm_eval::sampled_w2::{Effort, SampleRun, sampled_ablation};
use ddpm_report::results::DecomposeReport;

impl Decompose {
    /// W2 to the target from either start, with these steps and with infinitely many: exactly on Gaussians, from samples otherwise.
    pub(super) fn wasserstein(
        &self,
        problem: &ClosedFormSampling,
        global: &Global,
    ) -> Result<DecomposeReport> {
        let ClosedFormSampling { target, noising, scheme } = problem;
        ensure!(
            !matches!(scheme, Scheme::Langevin { .. }),
            "--w2 follows samplers from level to level; langevin stays at one"
        );
        let scheme = problem.followed();
        let levels = VisitedLevels::along(noising, self.steps, self.grid)?;
        let trajectory = levels.with_ideal_error(target, &scheme)?.trajectory;
        let mut report = DecomposeReport {
            target: Some(self.name()),
            sampler: Some(self.sampler.name().to_owned()),
            steps: trajectory.steps(),
            dim: target.dim(),
            ..DecomposeReport::default()
        };
        match noising {
            Noising::Continuous { .. } => report.process = Some(self.noising.name().to_owned()),
            Noising::Discrete(_) => report.schedule = Some(self.noising.name().to_owned()),
        }
        if let Target::Gaussian(law) = target {
            ensure!(
                scheme != Scheme::OdeRk45,
                "ode-rk45 chooses its steps by the samples, so that its law has no closed form; use ode-rk4"
            );
            ensure!(self.samples.is_none(), "--samples is for mixtures; on a gaussian target W2 is exact");
            report.w2 = Some(w2_errors(&GaussianDenoiser::new(law, self.perturb), &trajectory, &scheme)?);
        } else {
            let ablation = self.sampled_ablation(target, trajectory, scheme, global)?;
            report.w2 = ablation.errors();
            report.w2_ablation = Some(ablation);
        }
        Ok(report)
    }

    /// How many samples are drawn where W2 comes from samples.
    pub(super) fn effort(&self) -> Effort {
        let default = Effort::default();
        Effort { samples: self.samples.map_or(default.samples, |n| n as usize), ..default }
    }

    fn sampled_ablation(
        &self,
        target: &Target,
        trajectory: Trajectory,
        scheme: Scheme,
        global: &Global,
    ) -> Result<ddpm_core::decomposition::W2Ablation> {
        let run = SampleRun {
            target,
            trajectory,
            scheme,
            perturbation: self.perturb,
            denoiser: None,
            tolerance: self.sampler.tolerance(),
            seed: global.seed.unwrap_or(0),
            device: runtime::prepare(global.device, global.threads)?,
        };
        self.ablation_of(&run)
    }

    /// W2 of every combination of errors of a run, with progress.
    pub(super) fn ablation_of(&self, run: &SampleRun<'_>) -> Result<ddpm_core::decomposition::W2Ablation> {
        // What this sampler cannot do along these levels comes out before anything runs.
        run.is_stochastic()?;
        let mut bar = Progress::new("w2", "combinations", 0, 8);
        let found = sampled_ablation(run, self.effort(), &mut |done, _| bar.set(done as u64, String::new))?;
        bar.finish(&format!("{} samples of each combination of errors", self.effort().samples));
        Ok(found.ablation)
    }
}

impl ClosedFormSampling {
    /// The sampler as it runs along the noising that was asked for.
    pub(super) fn followed(&self) -> Scheme {
        self.noising.scheme(self.scheme)
    }
}
