//! W2 errors of a sampler, one source of error switched on at a time.

use super::Decompose;
use crate::noising_options::Noising;
use anyhow::{Result, bail, ensure};
use ddpm_core::decomposition::DecomposeReport;
use ddpm_core::recursion::{GaussianDenoiser, w2_errors};
use ddpm_core::{Scheme, Target, Variance};

impl Decompose {
    /// W2 to the target from either start, with these steps and with infinitely many.
    pub(super) fn wasserstein(
        &self,
        target: &Target,
        noising: &Noising,
        scheme: &Scheme,
    ) -> Result<DecomposeReport> {
        let Target::Gaussian(law) = target else {
            bail!("{}: --w2 is exact and takes a gaussian target; this one is a mixture", self.name())
        };
        ensure!(
            !matches!(scheme, Scheme::Langevin { .. }),
            "--w2 follows samplers from level to level; langevin stays at one"
        );
        ensure!(
            *scheme != Scheme::OdeRk45,
            "ode-rk45 chooses its steps by the samples, so that its law has no closed form; use ode-rk4"
        );
        let mut trajectory = noising.trajectory(self.steps, self.grid)?;
        let denoiser = GaussianDenoiser::new(law, self.perturb);
        if *scheme == (Scheme::Ddpm { variance: Variance::Analytic }) {
            let levels = &trajectory.levels()[..trajectory.steps()];
            let mse = levels.iter().map(|level| law.mmse(level) / law.dim() as f64).collect();
            trajectory = trajectory.with_mse(mse)?;
        }
        let (name, target, dim, steps) = (scheme.name(), self.name(), law.dim(), trajectory.steps());
        Ok(match noising {
            Noising::Continuous { name: process, .. } => {
                let w2 = w2_errors(&denoiser, &trajectory, &scheme.on_process())?;
                DecomposeReport::wasserstein(&target, process, name, steps, dim, w2)
            }
            Noising::Discrete { name: schedule, .. } => DecomposeReport {
                target: Some(target),
                schedule: Some((*schedule).to_owned()),
                sampler: Some(name.to_owned()),
                steps,
                dim,
                w2: Some(w2_errors(&denoiser, &trajectory, scheme)?),
                ..DecomposeReport::default()
            },
        })
    }
}
