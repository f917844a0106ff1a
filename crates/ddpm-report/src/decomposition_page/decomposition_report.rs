//! Everything that a decomposition page shows, as plain data; `report.json` is its serialization.

use super::sample_cloud::SampleCloud;
use crate::results::{DecomposeReport, Format, Slope, Sweep};
use crate::sections::Picture;
use ddpm_core::Scheme;
use ddpm_core::decomposition::W2Ablation;
use serde::Serialize;

/// A decomposition and what it is compared with.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DecompositionReport {
    /// Version of the format of the file.
    pub format: Format<1>,
    /// The target's file or the checkpoint, as it was named.
    pub name: String,
    /// The sentences at the top of the page.
    pub advice: Vec<String>,
    /// The result itself, as `ddpm decompose --json` writes it.
    pub result: DecomposeReport,
    /// The grid that placed the visited levels.
    pub grid: String,
    /// Levels of the schedule.
    pub train_steps: Option<usize>,
    /// A constant added to the output of the ideal denoiser.
    pub perturbation: f64,
    /// The sampler whose W2 is shown.
    pub sampler: Option<Scheme>,
    /// Errors as functions of the number of steps.
    pub sweeps: Vec<Sweep>,
    /// Measured exponents beside the theoretical ones.
    pub slopes: Vec<Slope>,
    /// W2 for each combination of errors.
    pub ablation: Option<W2Ablation>,
    /// Samples beside exact ones.
    pub samples: Option<SampleCloud>,
    /// Pictures that the caller has, such as sample grids.
    #[serde(skip)]
    pub pictures: Vec<Picture>,
    /// Address of the run's page, relative to this one.
    #[serde(skip)]
    pub run_page: Option<String>,
    /// The command that makes this page.
    pub command: String,
    /// Programs and libraries with their versions.
    pub versions: Vec<(String, String)>,
}
