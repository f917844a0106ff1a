//! The error decomposition: a sampler's error as initialization, discretization, training and truncation.
//!
//! For the ancestral sampler that visits levels t_N > ... > t_1, the divergence between the noising path at those levels and the generated
//! path is a sum without cross terms, because D* is a conditional mean and the noising chain is Markov:
//!
//! ```text
//! KL(noising path || generated path) = init + sum_t disc_t + sum_t train_t
//! init    = KL(q(x_T) || N(0, I))
//! train_t = c^2 E|D(x_t) - D*(x_t)|^2/(2v)
//! disc_t  = d/2 [log(v/post) + post/v - 1] + c^2 mmse_t/(2v) - (I_s - I_t)
//! ```
//!
//! s and t are neighbours among the *visited* levels, post and c belong to q(x_s | x_t, x_0) ([`crate::Posterior`]), v is the step's
//! variance, mmse_t = E|x_0 - D*(x_t)|^2 and I_t = I(x_0; x_t), in nats. By data processing the total bounds the divergence of the
//! generated law at the lowest level from the true one.
//!
//! [`decompose`] computes all of it for closed-form targets. [`curve`] has the identities that hold for a trained network on data.

mod ablation;
mod advice;
mod bound;
mod closed_form;
pub mod curve;
mod equal_costs;
mod error_curve;
mod gaussian;
mod monte_carlo;
mod path;
mod placement;
mod quadrature;
mod quantile;
mod settings;
mod step;
mod terms;
mod transport;
mod triangular_map;

pub use ablation::{
    AblationCell, AblationDenoiser, AblationSteps, W2Ablation, W2Method, evenly_refined, fine,
    gaussian_ablation,
};
pub use advice::{Advice, MeasuredModel, Shares};
pub use bound::{Decoder, VariationalBound, decoder_variance, prior_divergence};
pub use closed_form::{decompose, decompose_with_progress, mmse_per_component};
pub use equal_costs::equal_costs;
pub use gaussian::gaussian_initialization;
pub use placement::{Placement, ScheduleCurve};
pub use settings::{MonteCarlo, Settings};
pub use step::{ReverseStep, reverse_steps};
pub use terms::{
    Decomposition, Estimate, LevelTerms, RouteComparison, truncation_bound, truncation_bound_of_moment,
};
pub use transport::initialization_distance;
