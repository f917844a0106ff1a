//! The sampler and its options, from the command line or from `[sample]`, as one typed [`Scheme`]. An option that the chosen sampler does not
//! have is an error.

use crate::numbers::{count, whole};
use anyhow::{Result, bail, ensure};
use ddpm_core::Scheme;
use ddpm_core::scheme::{Churn, SamplerInfo};
use ddpm_core::{CoreError, Variance};
use ddpm_sample::Tolerance;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The sampler and the options that belong to one sampler each; `default` is what each sampler takes where an option is absent.
#[derive(clap::Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[command(next_help_heading = "Sampler")]
#[serde(default)]
pub(crate) struct SamplerOptions {
    /// The sampler; --list-samplers of `ddpm sample` shows all
    #[arg(long, default_value = "ddpm", value_name = "NAME")]
    sampler: SamplerName,
    /// Variance of ddpm's steps: fixed-small, fixed-large, analytic, learned-range or learned [default: the checkpoint's; fixed-large for a target]
    #[arg(long, value_name = "KIND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) variance: Option<Variance>,
    /// Stochasticity of ddim: 0 deterministic, 1 ancestral [default: 0]
    #[arg(long, value_name = "ETA")]
    #[serde(skip_serializing_if = "Option::is_none")]
    eta: Option<f64>,
    /// Recompute ddim's eps from the clipped x_0, as diffusers does with use_clipped_model_output=True
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    use_clipped_model_output: bool,
    /// Noise that edm adds back over the whole run, S_churn [default: 0]
    #[arg(long, value_name = "AMOUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    churn: Option<f64>,
    /// Least sigma/alpha at which edm adds noise, S_min [default: 0]
    #[arg(long, value_name = "SIGMA")]
    #[serde(skip_serializing_if = "Option::is_none")]
    s_min: Option<f64>,
    /// Greatest sigma/alpha at which edm adds noise, S_max [default: no limit]
    #[arg(long, value_name = "SIGMA")]
    #[serde(skip_serializing_if = "Option::is_none")]
    s_max: Option<f64>,
    /// Standard deviation of the noise that edm adds, S_noise [default: 1]
    #[arg(long, value_name = "SCALE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    s_noise: Option<f64>,
    /// Relative error that ode-rk45 allows in a step [default: 1e-5]
    #[arg(long, value_name = "TOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    rtol: Option<f64>,
    /// Absolute error that ode-rk45 allows in a step [default: 1e-5]
    #[arg(long, value_name = "TOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    atol: Option<f64>,
    /// Step of langevin in units of the level's sigma^2 [default: 0.02], or epsilon of annealed-langevin [default: 0.2 sigma^2 of the lowest level]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    step_size: Option<f64>,
    /// The same step at all levels of annealed-langevin, x + (epsilon/2) score + sqrt(epsilon) z, instead of steps in proportion to sigma^2
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    constant_step: bool,
    /// Steps of annealed-langevin at each level [default: 100]
    #[arg(long, value_name = "N", value_parser = count)]
    #[serde(skip_serializing_if = "Option::is_none")]
    level_steps: Option<usize>,
    /// Signal-to-noise ratio of predictor-corrector's corrector [default: 0.16]
    #[arg(long, value_name = "R")]
    #[serde(skip_serializing_if = "Option::is_none")]
    corrector_snr: Option<f64>,
    /// Corrector steps of predictor-corrector at each level [default: 1]
    #[arg(long, value_name = "N", value_parser = whole)]
    #[serde(skip_serializing_if = "Option::is_none")]
    corrections: Option<usize>,
}

/// A sampler by the name that files and the command line give it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct SamplerName(SamplerInfo);

impl FromStr for SamplerName {
    type Err = CoreError;

    fn from_str(word: &str) -> Result<Self, CoreError> {
        Ok(SamplerName(*SamplerInfo::find(word)?))
    }
}

impl TryFrom<String> for SamplerName {
    type Error = CoreError;

    fn try_from(word: String) -> Result<Self, CoreError> {
        word.parse()
    }
}

impl From<SamplerName> for String {
    fn from(name: SamplerName) -> String {
        name.0.name.to_owned()
    }
}

impl Default for SamplerName {
    fn default() -> Self {
        SamplerName(ddpm_core::SAMPLERS[0])
    }
}

/// Where options come from, which decides how errors name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The command line: `--step-size`.
    CommandLine,
    /// A configuration: `sample.step_size`.
    File,
}

impl Origin {
    /// The option as its origin spells it.
    pub(crate) fn name(self, key: &str) -> String {
        match self {
            Origin::CommandLine => format!("--{}", key.replace('_', "-")),
            Origin::File => format!("sample.{key}"),
        }
    }
}

impl SamplerOptions {
    /// The sampler with its options. `own` is the variance where none is given; `langevin_steps` the number of steps of plain Langevin
    /// dynamics, which visits a single level.
    ///
    /// Fails for an option of another sampler and for a value out of range; the text names it as `origin` spells it.
    pub(crate) fn scheme(
        &self,
        own: Variance,
        langevin_steps: Option<usize>,
        origin: Origin,
    ) -> Result<Scheme> {
        self.check_owners(origin)?;
        self.check_ranges(origin)?;
        if let Some(given) = self.variance.filter(|given| given.is_learned() && *given != own) {
            let key = origin.name("variance");
            bail!(
                "{key} {given} needs a network that was trained with it; use fixed-small, fixed-large or analytic"
            );
        }
        Ok(match self.sampler.0.scheme {
            Scheme::Ddpm { .. } => Scheme::Ddpm { variance: self.variance.unwrap_or(own) },
            Scheme::Ddim { eta, .. } => Scheme::Ddim {
                eta: self.eta.unwrap_or(eta),
                use_clipped_model_output: self.use_clipped_model_output,
            },
            Scheme::Edm { churn } => Scheme::Edm {
                churn: Churn {
                    amount: self.churn.unwrap_or(churn.amount),
                    min: self.s_min.unwrap_or(churn.min),
                    max: self.s_max.unwrap_or(churn.max),
                    noise: self.s_noise.unwrap_or(churn.noise),
                },
            },
            Scheme::PredictorCorrector { signal_to_noise, corrections } => Scheme::PredictorCorrector {
                signal_to_noise: self.corrector_snr.unwrap_or(signal_to_noise),
                corrections: self.corrections.unwrap_or(corrections),
            },
            Scheme::Langevin { relative_step, steps } => Scheme::Langevin {
                relative_step: self.step_size.unwrap_or(relative_step),
                steps: langevin_steps.unwrap_or(steps),
            },
            Scheme::AnnealedLangevin { epsilon, steps, .. } => Scheme::AnnealedLangevin {
                epsilon: self.step_size.or(epsilon),
                steps: self.level_steps.unwrap_or(steps),
                constant_step: self.constant_step,
            },
            other => other,
        })
    }

    /// Refuses options whose effect is on a clipped x_0 where the predicted x_0 is not `thresholded`.
    pub(crate) fn check_thresholding(&self, thresholded: bool, origin: Origin) -> Result<()> {
        ensure!(
            thresholded || !self.use_clipped_model_output,
            "{} has no effect where the predicted x_0 is not clipped",
            origin.name("use_clipped_model_output")
        );
        Ok(())
    }

    /// The sampler's name.
    pub(crate) fn name(&self) -> &'static str {
        self.sampler.0.name
    }

    /// The errors that an adaptive sampler allows in a step.
    pub(crate) fn tolerance(&self) -> Tolerance {
        let default = Tolerance::default();
        Tolerance {
            relative: self.rtol.unwrap_or(default.relative),
            absolute: self.atol.unwrap_or(default.absolute),
        }
    }

    fn check_owners(&self, origin: Origin) -> Result<()> {
        let name = self.name();
        let given: [(&str, bool, &[&str]); 14] = [
            ("variance", self.variance.is_some(), &["ddpm"]),
            ("eta", self.eta.is_some(), &["ddim"]),
            ("use_clipped_model_output", self.use_clipped_model_output, &["ddim"]),
            ("churn", self.churn.is_some(), &["edm"]),
            ("s_min", self.s_min.is_some(), &["edm"]),
            ("s_max", self.s_max.is_some(), &["edm"]),
            ("s_noise", self.s_noise.is_some(), &["edm"]),
            ("rtol", self.rtol.is_some(), &["ode-rk45"]),
            ("atol", self.atol.is_some(), &["ode-rk45"]),
            ("step_size", self.step_size.is_some(), &["langevin", "annealed-langevin"]),
            ("constant_step", self.constant_step, &["annealed-langevin"]),
            ("level_steps", self.level_steps.is_some(), &["annealed-langevin"]),
            ("corrector_snr", self.corrector_snr.is_some(), &["predictor-corrector"]),
            ("corrections", self.corrections.is_some(), &["predictor-corrector"]),
        ];
        for (key, is_given, owners) in given {
            ensure!(
                !is_given || owners.contains(&name),
                "{} belongs to the sampler {}, not to {name}",
                origin.name(key),
                owners.join(" or ")
            );
        }
        let churned = self.churn.unwrap_or(0.0) > 0.0;
        for (key, is_given) in [("s_min", self.s_min), ("s_max", self.s_max), ("s_noise", self.s_noise)]
            .map(|(k, v)| (k, v.is_some()))
        {
            if is_given && !churned {
                bail!("{} has no effect without {} above 0", origin.name(key), origin.name("churn"));
            }
        }
        Ok(())
    }

    fn check_ranges(&self, origin: Origin) -> Result<()> {
        if let Some(eta) = self.eta {
            ensure!((0.0..=1.0).contains(&eta), "{} must lie between 0 and 1, got {eta}", origin.name("eta"));
        }
        for (key, meaning, value) in [
            ("churn", "churn amount", self.churn),
            ("s_min", "least sigma", self.s_min),
            ("s_max", "greatest sigma", self.s_max),
            ("s_noise", "churn noise", self.s_noise),
        ] {
            let Some(value) = value else { continue };
            ensure!(
                value >= 0.0 && value.is_finite(),
                "{}: {meaning} must be finite and not negative, got {value}",
                origin.name(key)
            );
        }
        for (key, value) in [("rtol", self.rtol), ("atol", self.atol), ("corrector_snr", self.corrector_snr)]
        {
            let Some(value) = value else { continue };
            ensure!(value > 0.0 && value.is_finite(), "{} must be positive, got {value}", origin.name(key));
        }
        Ok(self.tolerance().check()?)
    }
}
