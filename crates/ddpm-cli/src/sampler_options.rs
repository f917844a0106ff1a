//! A sampler and its options as they are typed. An option that the chosen sampler does not have is an error.

use anyhow::{Result, ensure};
use ddpm_core::Variance;
use ddpm_core::scheme::{Churn, SamplerInfo, Scheme};
use ddpm_sample::Tolerance;

/// The sampler and the options that belong to one sampler each.
#[derive(clap::Args, Debug, Clone)]
#[command(next_help_heading = "Sampler")]
pub(crate) struct SamplerOptions {
    /// The sampler; --list-samplers of `ddpm sample` shows all
    #[arg(long, default_value = "ddpm", value_name = "NAME")]
    sampler: String,
    /// Variance of ddpm's steps: fixed-small, fixed-large, analytic or learned-range [default: the checkpoint's; fixed-large for a target]
    #[arg(long, value_name = "KIND")]
    pub(crate) variance: Option<Variance>,
    /// Stochasticity of ddim: 0 deterministic, 1 ancestral [default: 0]
    #[arg(long, value_name = "ETA")]
    eta: Option<f64>,
    /// Noise that edm adds back over the whole run, S_churn [default: 0]
    #[arg(long, value_name = "AMOUNT")]
    churn: Option<f64>,
    /// Relative error that ode-rk45 allows in a step [default: 1e-5]
    #[arg(long, value_name = "TOL")]
    pub(crate) rtol: Option<f64>,
    /// Absolute error that ode-rk45 allows in a step [default: 1e-5]
    #[arg(long, value_name = "TOL")]
    pub(crate) atol: Option<f64>,
    /// Step of langevin in units of the level's sigma^2 [default: 0.02], or epsilon of annealed-langevin [default: 2e-5]
    #[arg(long, value_name = "SIZE")]
    step_size: Option<f64>,
    /// Steps of annealed-langevin at each level [default: 100]
    #[arg(long, value_name = "N", value_parser = positive)]
    level_steps: Option<usize>,
    /// Signal-to-noise ratio of predictor-corrector's corrector [default: 0.16]
    #[arg(long, value_name = "R")]
    corrector_snr: Option<f64>,
    /// Corrector steps of predictor-corrector at each level [default: 1]
    #[arg(long, value_name = "N")]
    corrections: Option<usize>,
}

fn positive(word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(0) | Err(_) => Err("expected a whole number of at least 1".to_owned()),
        Ok(value) => Ok(value),
    }
}

impl SamplerOptions {
    /// The sampler with its options. `own` is the variance where none is given; `langevin_steps` the number of steps of plain Langevin
    /// dynamics, which visits a single level.
    pub(crate) fn scheme(&self, own: Variance, langevin_steps: Option<usize>) -> Result<Scheme> {
        let scheme = match SamplerInfo::find(&self.sampler)?.scheme {
            Scheme::Ddpm { .. } => Scheme::Ddpm { variance: self.variance.unwrap_or(own) },
            Scheme::Ddim { eta } => Scheme::Ddim { eta: self.eta.unwrap_or(eta) },
            Scheme::Edm { churn } => {
                Scheme::Edm { churn: Churn { amount: self.churn.unwrap_or(churn.amount), ..churn } }
            }
            Scheme::PredictorCorrector { signal_to_noise, corrections } => Scheme::PredictorCorrector {
                signal_to_noise: self.corrector_snr.unwrap_or(signal_to_noise),
                corrections: self.corrections.unwrap_or(corrections),
            },
            Scheme::Langevin { relative_step, steps } => Scheme::Langevin {
                relative_step: self.step_size.unwrap_or(relative_step),
                steps: langevin_steps.unwrap_or(steps),
            },
            Scheme::AnnealedLangevin { epsilon, steps } => Scheme::AnnealedLangevin {
                epsilon: self.step_size.unwrap_or(epsilon),
                steps: self.level_steps.unwrap_or(steps),
            },
            other => other,
        };
        self.check_owners()?;
        if let Some(eta) = self.eta {
            ensure!((0.0..=1.0).contains(&eta), "--eta must lie between 0 and 1, got {eta}");
        }
        self.tolerance().check()?;
        Ok(scheme)
    }

    /// The sampler's name as it was typed.
    pub(crate) fn name(&self) -> &str {
        &self.sampler
    }

    /// What an adaptive sampler may err by.
    pub(crate) fn tolerance(&self) -> Tolerance {
        let default = Tolerance::default();
        Tolerance {
            relative: self.rtol.unwrap_or(default.relative),
            absolute: self.atol.unwrap_or(default.absolute),
        }
    }

    fn check_owners(&self) -> Result<()> {
        let name = self.sampler.as_str();
        let given: [(&str, bool, &[&str]); 9] = [
            ("--variance", self.variance.is_some(), &["ddpm"]),
            ("--eta", self.eta.is_some(), &["ddim"]),
            ("--churn", self.churn.is_some(), &["edm"]),
            ("--rtol", self.rtol.is_some(), &["ode-rk45"]),
            ("--atol", self.atol.is_some(), &["ode-rk45"]),
            ("--step-size", self.step_size.is_some(), &["langevin", "annealed-langevin"]),
            ("--level-steps", self.level_steps.is_some(), &["annealed-langevin"]),
            ("--corrector-snr", self.corrector_snr.is_some(), &["predictor-corrector"]),
            ("--corrections", self.corrections.is_some(), &["predictor-corrector"]),
        ];
        for (option, is_given, owners) in given {
            ensure!(
                !is_given || owners.contains(&name),
                "{option} belongs to the sampler {}, not to {name}",
                owners.join(" or ")
            );
        }
        Ok(())
    }
}
