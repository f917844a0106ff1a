//! Reports on diffusion models: results as JSON, HTML pages, SVG plots and tables for a terminal, without libtorch.
//!
//! - [`results`]: the results that pages, JSON files and the terminal show, as plain serializable types.
//! - [`kit`]: pages, plots and tables.
//! - [`decomposition_page`]: the error decomposition of a closed-form target or of a trained network.
//! - [`training_page`]: a training run.
//! - [`neighbours_page`]: samples beside their nearest training images.
//! - [`score_page`]: a learned score against the exact score of a closed-form target.
//!
//! - [`sections`]: parts that several pages share.
//!
//! `ddpm-eval` measures and fills the types in [`results`]; this crate shows them.
#![deny(missing_docs)]

mod confidence;
pub mod decomposition_page;
mod error;
pub mod kit;
pub mod neighbours_page;
pub mod results;
pub mod score_page;
pub mod sections;
pub mod training_page;

pub use error::ReportError;
