//! The page of a learned score: its error at every noise level, and pictures of it.

use super::{Panel, PlanePicture};
use crate::ReportError;
use crate::confidence::interval_of;
use crate::kit::{Axis, Cell, Page, Plot, Point, Series, Table, number};
use crate::results::ScoreError;
use crate::sections::{Picture, loss_curve};
use ddpm_core::{Level, Target};
use std::path::Path;

/// What the page says. Fields that are texts are shown as they are.
#[derive(Debug)]
pub struct ScoreReport {
    /// The run's name.
    pub name: String,
    /// What was trained on what, in a sentence or two.
    pub summary: String,
    /// Facts about the run: name and value.
    pub facts: Vec<(String, String)>,
    /// Training steps and losses.
    pub loss: Vec<(f64, f64)>,
    /// The score's error at each level.
    pub errors: Vec<ScoreError>,
    /// Share of samples in each component of the target, beside its weight.
    pub modes: Vec<(f64, f64)>,
    /// Sliced W2 between the samples and as many exact ones, and between two sets of exact samples.
    pub distance: Option<(f64, f64)>,
    /// The pictures, of data in the plane.
    pub picture: Option<PlanePicture>,
    /// The forward and the reverse process, of data in one or two dimensions.
    pub processes: Vec<Picture>,
    /// The resolved configuration.
    pub config_toml: String,
    /// Commands that repeat and use the run.
    pub commands: String,
}

impl ScoreReport {
    /// Writes the page to a file, which appears complete or not at all.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        let mut page = Page::new(format!("{}: learned score", self.name));
        if let Some(worst) = self.errors.iter().max_by(|a, b| a.relative.total_cmp(&b.relative)) {
            page.headline(format!(
                "The mean square error of the learned score is at most {:.1} % of the mean square of the exact score (at sigma = {:.3}).",
                100.0 * worst.relative,
                worst.sigma
            ));
        }
        page.headline(self.summary.clone());
        if let Some(picture) = &self.picture {
            page.section("Pictures").images([picture.to_image()], picture.description.clone());
        }
        if !self.processes.is_empty() {
            let section = page.section("Process");
            for (picture, alt) in self.processes.iter().zip(["The forward process", "The reverse process"]) {
                picture.add_to(section, alt)?;
            }
        }
        self.add_errors(&mut page);
        self.add_samples(&mut page);
        let training = page.section("Training");
        training.key_values(self.facts.iter().map(|(key, value)| (key.clone(), value.clone())));
        if !self.loss.is_empty() {
            let plot = loss_curve::plot(
                "Training loss",
                Axis::linear("loss"),
                "The training loss against the optimizer step.",
                self.loss.clone(),
            );
            training.plot(plot, "The loss of the batches. Some objectives are known only up to a constant: then only the fall of the loss has a meaning.");
        }
        page.section("Reproduce").preformatted("Commands", self.commands.clone());
        page.section("Configuration").preformatted("config.toml", self.config_toml.clone());
        page.write(path)
    }

    fn add_errors(&self, page: &mut Page) {
        let point = |e: &ScoreError| {
            Point::from((e.sigma / e.alpha, interval_of(100.0 * e.relative, 100.0 * e.stderr)))
        };
        let x = Axis::log("noise-to-signal ratio σ/α");
        let plot = Plot::new("Error of the learned score", x, Axis::log("relative error (%)")).series(
            Series::line_and_points("E|s − s*|² / E|s*|²", self.errors.iter().map(point).collect::<Vec<_>>()),
        );
        let section = page.section("Error of the score");
        section.plot(
            plot,
            "Mean square error of the learned score, relative to the mean square of the exact score, both over noised samples.",
        );
        section.table(error_table(&self.errors));
    }

    fn add_samples(&self, page: &mut Page) {
        if self.modes.is_empty() && self.distance.is_none() {
            return;
        }
        let section = page.section("Samples");
        if let Some((distance, floor)) = self.distance {
            section.paragraph(format!(
                "Sliced W₂ between the samples and as many exact ones: {}. Between two sets of exact samples: {}.",
                number::number(distance),
                number::number(floor)
            ));
        }
        let mut table = Table::new(
            "Share of the samples by component of the target.",
            ["component", "weight (%)", "samples (%)"],
        );
        for (k, (weight, share)) in self.modes.iter().enumerate() {
            table.push([
                Cell::Count(k as u64 + 1),
                Cell::Number(100.0 * weight),
                Cell::Number(100.0 * share),
            ]);
        }
        section.table(table);
    }
}

/// The error at each level as a table.
pub fn error_table(errors: &[ScoreError]) -> Table {
    let caption = "Relative error of the score under the noised density.";
    let columns = ["sigma", "alpha", "log-SNR", "rms score", "relative error (%)"];
    let mut table = Table::new(caption, columns);
    for error in errors {
        table.push([
            Cell::Number(error.sigma),
            Cell::Number(error.alpha),
            // To a thousandth: zero is a rounding error here.
            Cell::Number((1e3 * error.log_snr).round() / 1e3),
            Cell::Number(error.score_rms),
            Cell::with_stderr(100.0 * error.relative, 100.0 * error.stderr),
        ]);
    }
    table
}

/// A panel with the contours of the noised density and points over it.
pub fn density_panel(
    picture: &PlanePicture,
    title: impl Into<String>,
    target: &Target,
    level: &Level,
    points: Vec<[f64; 2]>,
) -> Panel {
    let mut panel = Panel { title: title.into(), points, ..Panel::default() };
    picture.contour(&mut panel, |x| target.log_density(&x, level).exp());
    panel
}
