//! The error decomposition of a trained network on a data set (formulas: [`ddpm_core::decomposition`], numbers:
//! [`ddpm_report::results::NetworkReport`]).
//!
//! The population's ideal denoiser D* is unknown, so every statement names what stands for it:
//!
//! - the exact denoiser D_emp of the training images' empirical measure, on *training* images. It is D* of that measure, so that
//!   mse - mmse_emp = E|D - D_emp|^2 >= 0, which is measured directly, and the decomposition is exact for that measure;
//! - a better network, on *held-out* images, measured on the same noised images;
//! - mmse_emp on training images against mse on held-out images: an upper bound of the population's training error.
//!
//! On held-out images D_emp is no floor: there it is a perfect memorizer, and says what memorizing all training images would cost.
//!
//! Network, empirical measure and reference see the same x_t: image i gets noise of its own at every level. Levels are measured at a choice
//! ([`LevelPlan`]); between them errors follow a power of snr ([`ddpm_core::decomposition::curve::ErrorCurve`]). Every reported sum is a mean
//! over images of sums within each image, and its interval is Student's; sums over different images are joined as Welch does.

mod analysis;
mod contrast;
mod levels;
mod measure;
mod table;

pub use levels::LevelPlan;
pub use measure::SplitErrors;
pub use table::ErrorTable;

use crate::denoising::{Memorizer, Model, Progress};
use crate::{EvalConfig, EvalError, Spectrum};
use ddpm_core::decomposition::{Decoder, decoder_variance};
use ddpm_core::{Grid, Schedule, TimeIndex, Variance};
use ddpm_data::{Dataset, Split};
use ddpm_report::results::DecomposeReport;
use ddpm_sample::Threshold;
use std::ops::ControlFlow;
use tch::Device;

/// A denoiser as its sampler uses it.
#[derive(Clone, Copy)]
pub struct Thresholded<'a> {
    /// The denoiser.
    pub model: &'a dyn Model,
    /// What the sampler does to its predicted x_0.
    pub threshold: Threshold,
}

impl std::fmt::Debug for Thresholded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Thresholded").field("threshold", &self.threshold).finish_non_exhaustive()
    }
}

/// What is decomposed: a network, how it is sampled, and how it was trained.
#[derive(Clone, Debug)]
pub struct NetworkStudy<'a> {
    /// The network.
    pub network: Thresholded<'a>,
    /// A better network, as a floor on held-out images.
    pub reference: Option<Thresholded<'a>>,
    /// The schedule of both.
    pub schedule: &'a Schedule,
    /// The visited timesteps, the noisiest first.
    pub timesteps: &'a [TimeIndex],
    /// The grid that they are from.
    pub grid: Grid,
    /// The variance of the sampler's steps.
    pub variance: Variance,
    /// Whether the network was trained on mirror images too.
    pub flips: bool,
    /// Whether it is told each image's class.
    pub by_class: bool,
}

/// Names that the report carries.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The checkpoint.
    pub checkpoint: String,
    /// The better checkpoint.
    pub reference: Option<String>,
    /// The data set.
    pub data: String,
    /// The schedule.
    pub schedule: String,
}

impl NetworkStudy<'_> {
    /// Measures and decomposes. `spectrum` is that of the training images; of the configuration the number of levels, images, repeats, the
    /// batch size and the seed are used. The cost grows with the product of measured and training images.
    pub fn run(
        &self,
        data: &Dataset,
        spectrum: &Spectrum,
        names: &Names,
        config: &EvalConfig,
        device: Device,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<DecomposeReport, EvalError> {
        config.validate()?;
        self.check(data)?;
        let plan = LevelPlan::new(self.schedule, self.timesteps, config.levels)?;
        let measured = self.measure(data, &plan, config, device, progress)?;
        analysis::Analysis { study: self, plan: &plan, spectrum, names, config }.report(data, &measured)
    }

    /// The errors of every image on both splits, held-out images first where there are any.
    pub fn measure(
        &self,
        data: &Dataset,
        plan: &LevelPlan,
        config: &EvalConfig,
        device: Device,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<SplitErrors>, EvalError> {
        let memorizer = Memorizer::new(&data.train, self.flips, self.by_class, device)?;
        let visited = plan.visited_levels();
        let decoder = Decoder::new(usize::from(data.train.grey_levels()), decoder_variance(&visited)?)?;
        let run = measure::JointMeasurement {
            network: self.network,
            empirical: &memorizer,
            reference: self.reference,
            decoder,
            grey_levels: data.train.grey_levels(),
            plan,
            config,
            device,
        };
        let splits: &[Split] =
            if data.held_out.is_some() { &[Split::HeldOut, Split::Train] } else { &[Split::Train] };
        let limit = if config.max_images == 0 { usize::MAX } else { config.max_images };
        let available = data.held_out.as_ref().unwrap_or(&data.train).len();
        let count = available.min(data.train.len()).min(limit);
        let of_split = (count * plan.measured().len() * config.repeats) as u64;
        let total = of_split * splits.len() as u64;
        let mut before = 0;
        let mut results = Vec::new();
        for &split in splits {
            results.push(run.split(data.split(split)?, split, count, &mut |done| {
                progress(Progress { done: before + done, total })
            })?);
            before += of_split;
        }
        Ok(results)
    }

    fn check(&self, data: &Dataset) -> Result<(), EvalError> {
        if self.timesteps.len() < 2 {
            return Err(EvalError::mismatch("visited levels", "at least 2", self.timesteps.len()));
        }
        if self.variance == Variance::LearnedRange {
            let expected = "fixed-small, fixed-large or analytic";
            return Err(EvalError::mismatch("variance of the decomposition", expected, self.variance));
        }
        if self.by_class && data.train.labels().is_none() {
            return Err(EvalError::mismatch("images of a class-conditional model", "labels", "none"));
        }
        if self.reference.is_some() && data.held_out.is_none() {
            let (expected, got) = ("held-out images to judge it on", "a data set without any");
            return Err(EvalError::mismatch("reference", expected, got));
        }
        Ok(())
    }
}
