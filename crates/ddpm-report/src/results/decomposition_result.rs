//! The result of `ddpm decompose`, as `--json` writes it.

use super::format::Format;
use super::level_entry::LevelEntry;
use super::network_result::NetworkReport;
use super::own_path::OwnPathReport;
use super::sample_split::SampleSplit;
use super::step_error::StepErrorReport;
use ddpm_core::classical::ClassicalTerms;
use ddpm_core::decomposition::{Decomposition, W2Ablation};
use ddpm_core::recursion::W2Errors;
use ddpm_core::{CoreError, TimeIndex, Variance};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The report. What does not apply is left out: the divergences where W2 of a process is asked for, and for a closed-form target what only a
/// checkpoint has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecomposeReport {
    /// Version of the format.
    pub format: Format<1>,
    /// The closed-form target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The trained network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The noise schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The continuous process, for W2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// The sampler, for W2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<String>,
    /// Levels visited, or steps of the process.
    pub steps: usize,
    /// The variance of the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variance: Option<Variance>,
    /// Checkpoint: the sampler's own variance, where it cannot be decomposed (a learned one differs from component to component) and `variance`
    /// stands in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_variance: Option<Variance>,
    /// Number of dimensions d.
    pub dim: usize,
    /// KL(q(x_T) || N(0, I)); for a checkpoint its lower bound from the data's moments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_nats: Option<f64>,
    /// Sum of the discretization terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discretization_nats: Option<f64>,
    /// Sum of the training terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_nats: Option<f64>,
    /// Sum of the three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_nats: Option<f64>,
    /// Standard errors, 0 when exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<StandardErrors>,
    /// Bound on W2 between the data and the law at the lowest visited level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation_w2_bound: Option<f64>,
    /// The three classical terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classical: Option<ClassicalTerms>,
    /// One entry a visited level, the least noisy first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_level: Option<Vec<LevelEntry>>,
    /// Errors in W2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub w2: Option<W2Errors>,
    /// Targets other than Gaussians: the samples that the errors in W2 were estimated from, and every combination of errors with its
    /// interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub w2_ablation: Option<W2Ablation>,
    /// Checkpoint: the curve that stands for the ideal denoiser ([`super::network_result::Floor`]). The terms, the bound and its parts are those of
    /// the images that belong to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// Checkpoint: information that the steps restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info_nats: Option<f64>,
    /// Checkpoint: L_T.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l_t_nats: Option<f64>,
    /// Checkpoint: L_0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l_0_nats: Option<f64>,
    /// Checkpoint: the variational bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlb_bits_per_dim: Option<f64>,
    /// Checkpoint: VLB - VLB_infinity, signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlb_continuum_gap_nats: Option<f64>,
    /// Checkpoint: quadrature error of the floor's integral.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quadrature_error_nats: Option<f64>,
    /// Checkpoint: confidence intervals [low, high] by the name of the field they belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intervals: Option<BTreeMap<String, [f64; 2]>>,
    /// Checkpoint: three sentences on what would help most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Vec<String>>,
    /// Checkpoint: the distance of its samples in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_split: Option<Box<SampleSplit>>,
    /// Checkpoint: what each step of a deterministic sampler costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_errors: Option<Box<StepErrorReport>>,
    /// Checkpoint: the states that the sampler visits beside noised data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_path: Option<Box<OwnPathReport>>,
    /// Checkpoint: everything that was measured, by every floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Box<NetworkReport>>,
}

/// Standard errors under the names of what they belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardErrors {
    /// Of the initialization term.
    pub init_nats: f64,
    /// Of the discretization terms' sum.
    pub discretization_nats: f64,
    /// Of the training terms' sum.
    pub training_nats: f64,
    /// Of the total.
    pub total_nats: f64,
}

impl DecomposeReport {
    /// Says that the terms are not those of the sampler's own variance, where they are not.
    pub fn variance_note(&self) -> Option<String> {
        let (own, used) = (self.replaced_variance?, self.variance?);
        Some(format!(
            "The sampler's own variance, {own}, differs from component to component and cannot be decomposed: all terms are those of variance {used}."
        ))
    }

    /// The report of a closed-form target; `timesteps` are the visited ones, the noisiest first.
    pub fn closed_form(
        target: &str,
        schedule: &str,
        variance: Variance,
        timesteps: &[TimeIndex],
        result: &Decomposition,
    ) -> Result<Self, CoreError> {
        if timesteps.len() != result.levels.len() {
            let (expected, got) = (result.levels.len(), timesteps.len());
            return Err(CoreError::Dimension { what: "visited timesteps".into(), expected, got });
        }
        let entries = timesteps.iter().zip(&result.levels).rev();
        Ok(DecomposeReport {
            target: Some(target.to_owned()),
            schedule: Some(schedule.to_owned()),
            steps: timesteps.len(),
            variance: Some(variance),
            dim: result.dim,
            init_nats: Some(result.init.value),
            discretization_nats: Some(result.discretization.value),
            training_nats: Some(result.training.value),
            total_nats: Some(result.total.value),
            stderr: Some(StandardErrors {
                init_nats: result.init.stderr,
                discretization_nats: result.discretization.stderr,
                training_nats: result.training.stderr,
                total_nats: result.total.stderr,
            }),
            truncation_w2_bound: Some(result.truncation_w2_bound),
            classical: Some(result.classical),
            per_level: Some(entries.map(|(t, terms)| LevelEntry::new(*t, terms)).collect()),
            ..DecomposeReport::default()
        })
    }

    /// The report of W2 errors along a process.
    pub fn wasserstein(
        target: &str,
        process: &str,
        sampler: &str,
        steps: usize,
        dim: usize,
        w2: W2Errors,
    ) -> Self {
        DecomposeReport {
            target: Some(target.to_owned()),
            process: Some(process.to_owned()),
            sampler: Some(sampler.to_owned()),
            steps,
            dim,
            w2: Some(w2),
            ..DecomposeReport::default()
        }
    }
}
