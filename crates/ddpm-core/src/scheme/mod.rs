//! The scalars of every linear sampler's step.
//!
//! A step from level t to level s combines the state, the denoiser's answers and fresh noise linearly:
//!
//! ```text
//! y_j  = a x_t + sum_i b_i D_i + sum_k c_k z_k        where the j-th evaluation D_j = D(y_j, level_j) is made
//! x_s  = a x_t + sum_i b_i D_i + sum_k c_k z_k        D_i = E[x_0 | y_i] as the denoiser answers it, z_k ~ N(0, I)
//! ```
//!
//! [`Step`](crate::Step) holds these numbers. The tensor samplers apply them to images and the exact recursion on Gaussian targets
//! ([`crate::recursion`]) to moments: no formula stands twice. [`Scheme::plan`](crate::Scheme::plan) gives the steps of a whole
//! [`Trajectory`](crate::Trajectory).
//!
//! Denoisers enter through D alone, the prediction of x_0 (clipped or guided as the caller likes); score = (alpha D - x)/sigma^2.

mod algebra;
mod ancestral;
mod edm;
mod exponential;
mod langevin;
mod maruyama;
mod multistep;
mod ode;
mod plan;
pub(crate) mod scheme_kind;
pub(crate) mod step;
pub(crate) mod table;
mod unipc;

pub(crate) use ancestral::decode;
pub use ancestral::{ancestral, ancestral_rate, ddim};
pub use edm::{Churn, edm};
pub use exponential::exponential_integrator;
pub use langevin::langevin;
pub use maruyama::euler_maruyama;
pub use multistep::{Order, dpm_solver_pp};
pub use ode::{Tableau, runge_kutta};
pub use table::{Levels, SamplerInfo};
pub use unipc::unipc;
