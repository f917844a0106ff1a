//! The variational bound on tensors.
//!
//! Everything is in nats a component (a mean over the components of an image): divided by log 2 it is in bits a dimension. The functions that
//! a training loss calls are differentiable and expect to run inside `torch_ext::fence`.

mod bound_evaluation;
mod bound_terms;

pub use bound_evaluation::{Bound, evaluate, prior};
pub use bound_terms::{Answer, regression, terms};
