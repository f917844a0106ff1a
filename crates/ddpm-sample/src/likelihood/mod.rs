//! The density that a model gives to data, by the instantaneous change of variables along the probability-flow ODE (Chen et al. 2018; Song et
//! al. 2021, sec. 4.3 and appendix D.2).

mod log_density;
mod trace;

pub use log_density::{LogDensity, log_density};
pub use trace::{Trace, random_signs};
