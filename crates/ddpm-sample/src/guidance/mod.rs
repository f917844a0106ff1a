//! Guidance: denoisers made of others, so that every sampler can use them.
//!
//! Both kinds move the denoiser's answer by a multiple of grad log p(y | x_t), which classifier-free guidance takes as the difference of two
//! answers and classifier guidance as a gradient. In scores, with w = 1 the conditional law and w = 0 the unconditional one:
//!
//! ```text
//! classifier-free   score = score(x) + w (score(x|y) - score(x))          (Ho & Salimans 2022, whose own w is this one less 1)
//! classifier        score = score(x) + w grad log p(y | x)                (Dhariwal & Nichol 2021, their s)
//! ```
//!
//! For any other w the samples do *not* follow the density p(x_0) p(y | x_0)^w: the noised laws of that density have other scores than those
//! above, because noising and tilting do not commute. A labelled mixture, where everything is known, shows it: with w = 3 the tilted density
//! has its mean at (-0.31, -0.29), the samples of the guided ODE at (-0.45, -0.48) (the test `guidance_is_not_the_tilted_density`).

mod classifier;
mod classifier_free;

pub use classifier::{Classifier, ClassifierGuided, MixtureClassifier, NetworkClassifier};
pub use classifier_free::{ClassConditional, ClassifierFree};

use ddpm_core::Level;

/// The noise levels at which guidance applies (Kynkäänniemi et al. 2024): sigma/alpha in `low..=high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Least sigma/alpha.
    pub low: f64,
    /// Greatest sigma/alpha.
    pub high: f64,
}

impl Interval {
    /// Guidance at every level.
    pub const ALL: Interval = Interval { low: 0.0, high: f64::INFINITY };

    /// Whether guidance applies at a level.
    pub fn contains(&self, level: &Level) -> bool {
        (self.low..=self.high).contains(&level.relative_sigma())
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self::ALL
    }
}
