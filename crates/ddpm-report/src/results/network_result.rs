//! Measurements on a trained network with their confidence intervals: the part of a decomposition that only a checkpoint has.
//!
//! Everything is in nats or squared norms over all components. Intervals are Student's, their unit is the image (each image's errors are
//! summed over the levels first), and they hold neither quadrature error nor the variance between training runs.

use super::level_entry::LevelEntry;
use ddpm_core::decomposition::Shares;
use ddpm_core::interval::Interval;
use ddpm_core::{Grid, Variance};
use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

/// Which images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Images {
    /// Those that the network was trained on.
    Train,
    /// Those that it never saw.
    HeldOut,
}

impl Images {
    /// `training images` or `held-out images`.
    pub fn in_words(self) -> &'static str {
        match self {
            Images::Train => "training images",
            Images::HeldOut => "held-out images",
        }
    }
}

/// What stands for the ideal denoiser.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display, IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Floor {
    /// The exact denoiser of the training images' empirical measure, on training images: the terms are exact for that measure.
    EmpiricalTraining,
    /// A better network, on held-out images: training is what that network would remove.
    Reference,
    /// The error of the empirical measure's denoiser on its own images, against the network on held-out images: below the population's
    /// least error in expectation, so that training is an upper bound.
    EmpiricalLowerBound,
}

/// A network on a data set. The part of [`super::DecomposeReport`] that only a checkpoint has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkReport {
    /// How it was measured.
    pub measured: MeasurementFacts,
    /// The measured levels, the noisiest first: errors of everything on everything.
    pub levels: Vec<MeasuredLevel>,
    /// The decomposition by every floor, the one of the report's own fields first.
    pub floors: Vec<FloorReport>,
    /// The variational bound on held-out images (where there are any) and on training images.
    pub bounds: Vec<BoundReport>,
    /// The bracket of the initialization term.
    pub initialization: InitializationBracket,
    /// The bracket of the population's training error; absent without held-out images.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub training: Option<TrainingErrorBracket>,
    /// The memorization of the training images; absent without held-out images.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memorization: Option<Memorization>,
    /// Consistency checks.
    pub checks: Checks,
    /// What would reduce the error most.
    pub advice: AdviceReport,
}

/// How a network was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasurementFacts {
    /// The data set.
    pub data: String,
    /// The better checkpoint.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<String>,
    /// Training levels T of the schedule.
    pub train_steps: usize,
    /// Where the visited levels lie.
    pub grid: Grid,
    /// Whether the visited levels were chosen one by one, and are not the grid's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chosen_levels: bool,
    /// Training images measured.
    pub train_images: usize,
    /// Held-out images measured; 0 where there are none.
    pub held_out_images: usize,
    /// Images of the training set, all of which make the empirical measure.
    pub training_set: usize,
    /// Whether mirror images belong to the measure, because the network was trained with them.
    pub flips: bool,
    /// Whether network and measure know each image's class.
    pub class_conditional: bool,
    /// Images set aside, to which a variance is fitted; they count nowhere else.
    pub fitting_images: usize,
    /// Noise draws for each image and level.
    pub repeats: usize,
    /// Seed of the noise and of the choice of images.
    pub seed: u64,
    /// Grey levels K of the data, which make the decoder's bins.
    pub grey_levels: usize,
    /// What the sampler does to the predicted x_0, in words.
    pub threshold: String,
    /// Confidence of the intervals.
    pub confidence: f64,
}

/// Errors at one measured level. Levels between measured ones are interpolated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredLevel {
    /// The paper's t, 1..T.
    pub t: u32,
    /// Signal-to-noise ratio.
    pub snr: f64,
    /// Whether the sampler visits it.
    pub visited: bool,
    /// E|x_0 - D|^2 of the network on training images.
    pub train: Interval,
    /// E|x_0 - D|^2 of the network on held-out images.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_out: Option<Interval>,
    /// E|x_0 - D_emp|^2 of the empirical measure's exact denoiser on its own images: the least of any denoiser there.
    pub empirical_train: Interval,
    /// The same denoiser on held-out images, where it is no floor but a perfect memorizer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub empirical_held_out: Option<Interval>,
    /// E|D - D_emp|^2 on training images, measured directly.
    pub gap_train: Interval,
    /// E|x_0 - D_ref|^2 of the better network on held-out images.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference_held_out: Option<Interval>,
    /// E|x_0 - D|^2 of the network on the images that a fitted variance is fitted to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fitted: Option<f64>,
}

/// The decomposition by one floor: L_T + sum(discretization + training + information) + L_0 = VLB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FloorReport {
    /// The floor.
    pub floor: Floor,
    /// The images that the network was measured on.
    pub images: Images,
    /// Sum of the discretization terms.
    pub discretization_nats: Interval,
    /// Sum of the training terms.
    pub training_nats: Interval,
    /// Lower end of the initialization bracket, discretization and training.
    pub total_nats: Interval,
    /// Information that the steps restore: not an error.
    pub info_nats: Interval,
    /// L_T.
    pub l_t_nats: Interval,
    /// L_0.
    pub l_0_nats: Interval,
    /// The variational bound, computed without the floor.
    pub vlb_nats: Interval,
    /// VLB - (L_T + parts + L_0): rounding.
    pub residual_nats: f64,
    /// Quadrature error of the floor's integral, which moves nats between discretization and information.
    pub quadrature_error_nats: f64,
    /// Sum of the network's error over the visited levels, unweighted.
    pub mse_sum: Interval,
    /// The same sum of the floor.
    pub floor_sum: Interval,
    /// The visited levels, the least noisy first.
    pub levels: Vec<LevelEntry>,
}

/// The variational bound on some images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundReport {
    /// The images.
    pub images: Images,
    /// The bound in nats.
    pub vlb_nats: Interval,
    /// The bound in bits per dimension.
    pub vlb_bits_per_dim: Interval,
    /// L_T.
    pub l_t_nats: Interval,
    /// The sum of L_{t-1}.
    pub denoising_nats: Interval,
    /// L_0.
    pub l_0_nats: Interval,
    /// VLB - VLB of infinitely many steps, signed: not the discretization error.
    pub continuum_gap_nats: Interval,
    /// sum c^2/(2v) mse: the network's error in nats.
    pub error_nats: Interval,
    /// Quadrature error of the network's own curve: what interpolating between measured levels may cost.
    pub quadrature_error_nats: f64,
}

/// 1/2 (ab |m|^2 + sum_i (s_i - 1 - ln s_i)) <= init <= L_T, with the training set's moments: exact at the lower end for Gaussian data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitializationBracket {
    /// From mean and covariance.
    pub lower_nats: f64,
    /// L_T with the training set's second moment.
    pub upper_nats: f64,
}

/// Between what better denoisers are known to remove and what the empirical measure's own error leaves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingErrorBracket {
    /// Against the best of reference, memorizer and the network itself at each level, on held-out images. Which is best at a level is found
    /// on other images than it is evaluated on.
    pub lower_nats: Interval,
    /// mse(held-out) - mse of the empirical measure on its own images. Loose: n images carry at most log n nats of information.
    pub upper_nats: Interval,
}

/// Memorization: how much better the network denoises its training images than held-out ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memorization {
    /// mse(held-out) - mse(train), weighed as in the bound (Welch).
    pub nats: Interval,
    /// The same of a perfect memorizer: the scale to read it on.
    pub memorizer_nats: Interval,
}

/// Quantities that theory bounds for every network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checks {
    /// 1/2 of the integral of the empirical measure's error over the visited range: at most the next field.
    pub empirical_information_nats: Interval,
    /// log of the number of images in the measure, mirror images counted; of a class, averaged, if conditional.
    pub log_n_nats: f64,
    /// [mse - mmse_emp - E|D - D_emp|^2] on training images in nats: 0 within its interval.
    pub cross_term_nats: Interval,
    /// The largest residual of the floors' sums, relative to the bound: rounding.
    pub largest_relative_residual: f64,
}

/// What would reduce the error most, by the report's own floor: the numbers behind the report's three sentences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdviceReport {
    /// The variance with the least sum of discretization and training.
    pub best_variance: Variance,
    /// Discretization and training on the levels in use with every variance.
    pub by_variance: Vec<VarianceReport>,
    /// The best placement of as many levels, as t, the noisiest first.
    pub best_levels: Vec<u32>,
    /// Discretization on those with the best variance.
    pub best_discretization_nats: f64,
    /// Discretization with all training levels and the best variance.
    pub discretization_of_all_nats: f64,
    /// The fewest steps at which discretization falls below the training error; absent where none do.
    pub enough_steps: Option<usize>,
    /// What each lever could remove of the total, as shares of it.
    pub shares: Shares,
}

/// What a variance costs on the levels in use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VarianceReport {
    /// The variance.
    pub variance: Variance,
    /// Sum of the discretization terms.
    pub discretization_nats: f64,
    /// Sum of the training terms.
    pub training_nats: f64,
}
