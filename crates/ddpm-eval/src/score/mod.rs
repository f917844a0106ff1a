//! How well a learned score matches the exact one of a closed-form target, and pictures of both in the plane.

mod contour;
mod error;
mod plane;
mod report;

pub use error::{ScoreError, score_errors};
pub use plane::{Arrow, Panel, PlanePicture};
pub use report::{ScoreReport, density_panel, field_panel};
