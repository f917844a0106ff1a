//! Likelihoods of data under a model: by the probability-flow ODE, or bounded by the ancestral sampler's variational bound.
//!
//! ```text
//! ode    -log P(k) <= E_u[ -log p(z) ] - d log(2/K),   z = 2 (k + u)/K - 1,  u uniform on [0, 1)     (uniform dequantization)
//! vlb    -log P(k) <= L_T + L_{T-1} + ... + L_0                                                      (Ho et al. 2020, eq. 5)
//! ```
//!
//! for images of K grey levels k. The map from k to z is Song et al.'s (2021): training data lie at 2 k/(K-1) - 1, so that it shrinks them by
//! (K-1)/K.

mod images;
mod method;
mod points;
mod values;

pub use images::{ImagesToScore, likelihood_of_images};
pub use method::{LikelihoodProgress, Method};
pub use points::likelihood_of_points;
pub use values::Likelihoods;
