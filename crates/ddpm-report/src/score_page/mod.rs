//! The page of one learned score, and pictures of densities and fields in the plane.

mod contour;
mod page;
mod plane;

pub use page::{ScoreReport, density_panel, error_table};
pub use plane::{Arrow, Panel, PlanePicture};
