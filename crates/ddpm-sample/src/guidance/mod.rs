//! Guidance as denoisers that wrap others, so that every sampler can use them.
//!
//! Both kinds add a multiple of grad log p(y | x_t) to the score. Classifier-free guidance takes it as the difference of two predictions,
//! classifier guidance as the gradient of a classifier. With w = 1 the result is the conditional law, with w = 0 the unconditional one:
//!
//! ```text
//! classifier-free   score = score(x) + w (score(x|y) - score(x))          (Ho & Salimans 2022, whose own w is this one less 1)
//! classifier        score = score(x) + w grad log p(y | x)                (Dhariwal & Nichol 2021, their s)
//! ```
//!
//! For any other w the samples do *not* follow the density p(x_0) p(y | x_0)^w, because noising and tilting do not commute: the noised laws
//! of that density have other scores than those above. On a labelled mixture with w = 3 the tilted density has its mean at (-0.31, -0.29),
//! the samples of the guided ODE at (-0.45, -0.48) (the test `guidance_is_not_the_tilted_density`).

mod classifier_free;
mod classifier_guidance;
mod interval;

pub use classifier_free::{ClassConditional, ClassifierFree};
pub use classifier_guidance::{Classifier, ClassifierGuided, MixtureClassifier, NetworkClassifier};
pub use interval::Interval;
