//! A closed-form target with its noising process and a sampler, as the study takes them.

use crate::sampled_w2::Effort;
use ddpm_core::decomposition::MonteCarlo;
use ddpm_core::{Grid, Noising, Scheme, Target};
use ddpm_sample::Tolerance;
use tch::Device;

/// A target, a sampler on it, and what to compare them with.
#[derive(Clone, Debug)]
pub struct TargetStudy<'a> {
    /// What the target is called.
    pub name: String,
    /// The law of the data.
    pub target: &'a Target,
    /// The noising process.
    pub noising: &'a Noising,
    /// Where the visited levels lie.
    pub grid: Grid,
    /// Steps, or visited levels of a schedule.
    pub steps: usize,
    /// The sampler.
    pub scheme: Scheme,
    /// A constant added to every component of the ideal denoiser.
    pub perturbation: f64,
    /// Effort where the terms are estimated.
    pub monte_carlo: MonteCarlo,
    /// Effort where distances are estimated.
    pub effort: Effort,
    /// What an adaptive sampler may err by.
    pub tolerance: Tolerance,
    /// Seed of samples.
    pub seed: u64,
    /// Where sampling runs.
    pub device: Device,
    /// The command that makes the page.
    pub command: String,
    /// Programs and libraries with their versions.
    pub versions: Vec<(String, String)>,
}
