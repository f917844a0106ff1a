//! A training run and what was measured on it, as plain data.

use super::facts::{DataFacts, RunFacts};
use super::loss::LossPoint;
use super::paper::PaperComparison;
use super::pictures::Pictures;
use crate::results::{ClassicalReport, DenoisingError, SampleQuality};

/// A training run and what was measured on it. What is absent leaves its section out.
#[derive(Clone, Debug)]
pub struct TrainingReport {
    /// The run's name, such as `digits`.
    pub name: String,
    /// The data set.
    pub data: DataFacts,
    /// What ran where, and for how long.
    pub run: RunFacts,
    /// Samples and trajectories.
    pub pictures: Pictures,
    /// The loss curve, in rising steps.
    pub loss: Vec<LossPoint>,
    /// The denoising error at each level.
    pub denoising: Option<DenoisingError>,
    /// The classical error terms.
    pub classical: Option<ClassicalReport>,
    /// The page of the error decomposition.
    pub decomposition: Option<DecompositionLink>,
    /// The samples beside real images.
    pub quality: Option<SampleQuality>,
    /// Address of the page of the samples' nearest training images, relative to this one.
    pub neighbours: String,
    /// Published figures beside the measured ones.
    pub paper: Option<PaperComparison>,
    /// The resolved configuration.
    pub config_toml: String,
    /// The commands that lead to this report, one a line.
    pub commands: Vec<String>,
}

/// Link to the page of the error decomposition, with its main sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecompositionLink {
    /// The page's address, relative to this one.
    pub address: String,
    /// The sentences at the top of that page.
    pub advice: Vec<String>,
}
