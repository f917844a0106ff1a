//! The setup of a decomposition, the command that repeats it, and links to its data and its run.

use super::decomposition_report::DecompositionReport;
use crate::kit::{Cell, Page, Text};

/// Adds the setup; `data` is the name of the file of numbers beside the page.
pub(super) fn add_to(page: &mut Page, report: &DecompositionReport, data: &str) {
    let result = &report.result;
    let section = page.section("Setup");
    let mut facts: Vec<(Text, Cell)> = Vec::new();
    let mut fact = |name: &str, value: Option<Cell>| {
        facts.extend(value.map(|value| (name.into(), value)));
    };
    let kind = if result.checkpoint.is_some() { "Checkpoint" } else { "Target" };
    fact(kind, Some(report.name.clone().into()));
    fact("Dimensions", Some(result.dim.into()));
    fact("Schedule", result.schedule.clone().map(Cell::from));
    fact("Process", result.process.clone().map(Cell::from));
    fact("Training levels T", report.train_steps.map(Cell::from));
    fact("Steps N", Some(result.steps.into()));
    fact("Grid", (!report.grid.is_empty()).then(|| report.grid.clone().into()));
    fact("Variance", result.variance.map(|variance| variance.name().into()));
    fact(
        "Instead of the sampler's own variance",
        result.replaced_variance.map(|variance| variance.name().into()),
    );
    let sampler = report.sampler.map(|scheme| scheme.name().to_owned());
    fact("Sampler", sampler.or_else(|| result.sampler.clone()).map(Cell::from));
    fact("Constant added to the denoiser", (report.perturbation != 0.0).then(|| report.perturbation.into()));
    fact("Floor", result.floor.clone().map(Cell::from));
    section.key_values(facts);
    section.paragraph(
        Text::new("Command: ")
            .code(&report.command)
            .plain(". The file ")
            .link(data, data)
            .plain(
                " beside this page has the numbers of every plot; a copy of the page alone has them in the tables below each plot. Divergences are in nats, W₂ in the units of the data.",
            ),
    );
    if let Some(address) = &report.run_page {
        section.paragraph(
            Text::new("This page belongs to ")
                .link("the report of the run", address)
                .plain(", which stands in the folder above; a copy of this page alone does not have it."),
        );
    }
}
