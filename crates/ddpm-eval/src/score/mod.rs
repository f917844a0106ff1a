//! How well a learned score matches the exact one of a closed-form target.

mod error;
mod field;

pub use error::score_errors;
pub use field::field_panel;
