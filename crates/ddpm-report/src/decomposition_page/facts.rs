//! What was decomposed, and how to do it again.

use super::DecompositionReport;
use crate::kit::{Cell, Page, Text};

pub(super) fn add_to(page: &mut Page, report: &DecompositionReport) {
    let result = &report.result;
    let section = page.section("What was measured");
    let mut facts: Vec<(Text, Cell)> = Vec::new();
    let mut fact = |name: &str, value: Option<Cell>| {
        if let Some(value) = value {
            facts.push((name.into(), value));
        }
    };
    fact(if result.checkpoint.is_some() { "Checkpoint" } else { "Target" }, Some(report.name.clone().into()));
    fact("Dimensions", Some(result.dim.into()));
    fact("Schedule", result.schedule.clone().map(Cell::from));
    fact("Process", result.process.clone().map(Cell::from));
    fact("Training levels T", report.train_steps.map(Cell::from));
    fact("Steps N", Some(result.steps.into()));
    fact("Grid", Some(report.grid.clone().into()));
    fact("Variance", result.variance.map(|variance| variance.name().into()));
    fact(
        "Instead of the sampler's own variance",
        result.replaced_variance.map(|variance| variance.name().into()),
    );
    fact("Sampler", report.sampler.map(|scheme| scheme.name().into()));
    fact("Constant added to the denoiser", (report.perturbation != 0.0).then(|| report.perturbation.into()));
    fact("Floor", result.floor.clone().map(Cell::from));
    section.key_values(facts);
    section.paragraph(
        Text::new("The same page again: ")
            .code(&report.command)
            .plain(". The numbers behind every plot are in ")
            .link(super::DATA, super::DATA)
            .plain("; divergences are in nats, and W₂ is in the units of the data."),
    );
}
