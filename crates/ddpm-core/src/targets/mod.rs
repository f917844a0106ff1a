//! Laws of data with a closed-form ideal denoiser: Gaussians, Gaussian mixtures and data sets.
//!
//! With x_t = alpha x_0 + sigma eps each target gives, at every level,
//!
//! ```text
//! log q_t(x)       score(x) = grad log q_t(x) = (alpha D*(x) - x)/sigma^2
//! D*(x) = E[x_0 | x_t = x]     Cov[x_0 | x_t = x], whose trace averages to the minimum mean-square error
//! ```
//!
//! - [`Gaussian`]: one linear map in the eigenbasis of its covariance.
//! - [`Mixture`]: Gaussians weighed by their responsibilities, softmax(log w_k + log N_k(x)).
//! - [`Empirical`]: a data set as n points of weight 1/n; its denoiser is that of a model that memorized the data (the empirical denoiser).
//!
//! Densities are carried as logarithms, so every level and thousands of dimensions are safe. Eigenvalues come from nalgebra: 3,072
//! dimensions take about a minute once, and a second linear algebra library would cost every build more than that.

mod conditional;
mod covariance;
mod empirical;
mod gaussian;
mod mixture;
pub(crate) mod target;
pub(crate) mod target_spec;

pub use conditional::Conditional;
pub use covariance::Covariance;
pub use empirical::Empirical;
pub use gaussian::Gaussian;
pub use mixture::{Component, Mixture};
