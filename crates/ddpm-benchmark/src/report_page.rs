//! The report page: the terms in words, the sections of the questions, and the targets of the run.

use crate::datasets::NotRun;
use crate::plan::{Mode, Plan};
use crate::report_section::ReportSection;
use ddpm_report::kit::{Cell, Page, Table, Text};

/// The terms of the report for readers without other documents.
fn terms() -> Text {
    Text::new("A diffusion model turns noise into data in N steps. Four things make its samples differ from the data. ")
        .strong("Initialization")
        .plain(": it starts at N(0, I), although the noised data still have some signal. ")
        .strong("Discretization")
        .plain(": it takes N steps instead of infinitely many. ")
        .strong("Training")
        .plain(": the network is not the ideal denoiser. ")
        .strong("Truncation")
        .plain(
            ": sampling stops at a small noise level, not at none. The first three are measured as one divergence (relative entropy, in nats) between the path that noise \
             takes through the data and the path that the sampler generates: they add up to it exactly, and the sum bounds how much the generated \
             samples differ from the data at the lowest noise level. Errors are also measured as the distance W2: how far, root mean square, samples would have to be moved \
             to become distributed like the data; it contains all four. The closed-form targets below have a known ideal denoiser, so that their figures are exact to rounding \
             unless a ± (one standard error) or an interval stands beside them. ",
        )
        .strong("Schedule")
        .plain(" means how much noise each of the levels has, ")
        .strong("grid")
        .plain(" which of them are visited, ")
        .strong("variance")
        .plain(
            " how much fresh noise an ancestral step adds: fixed-small and fixed-large are the two ends that Ho et al. (2020) name, analytic is fitted to the denoiser’s error \
             (Bao et al. 2022). A multiple such as 1.20 is an error divided by the least error of the candidates.",
        )
}

/// The page from its sections.
pub(crate) fn page(
    program: &str,
    mode: Mode,
    plan: &Plan,
    sections: Vec<ReportSection>,
    not_run: &[NotRun],
) -> Page {
    let mut page =
        Page::new("Where the error of a diffusion sampler comes from, and which choices reduce it");
    for section in &sections {
        page.headline(Text::default().strong(section.question).plain(" ").plain(section.verdict.as_str()));
    }
    page.section("What is measured").paragraph(terms());
    for section in sections {
        section.add_to(&mut page);
    }
    if !not_run.is_empty() {
        let mut table = Table::new("Left out of this run.", ["what", "why", "what to do"]);
        for missing in not_run {
            table.push(
                [missing.what.as_str(), missing.reason.as_str(), missing.remedy.as_str()].map(Cell::from),
            );
        }
        page.section("Not run").table(table);
    }
    let section = page.section("What it ran on");
    let mut table = Table::new(
        "The laws with a known ideal denoiser.",
        ["target", "dimensions", "spread", "divergences", "what it is"],
    );
    for target in &plan.targets {
        let kind = if target.is_exact() {
            "exact".to_owned()
        } else {
            format!("estimated, {} paths", plan.effort.paths)
        };
        table.push([
            Cell::from(target.name.to_string()),
            target.law.dim().into(),
            target.spread().into(),
            kind.into(),
            target.name.summary().into(),
        ]);
    }
    if !plan.targets.is_empty() {
        section.table(table);
    }
    section.paragraph(
        Text::new("Every figure is in ")
            .code("results.json")
            .plain(" beside this page; a second run of the same command reproduces it byte for byte. ")
            .plain(match mode {
                Mode::Quick => "This was the quick sweep; without --quick it has more steps, longer chains, more noising paths and fully trained networks.",
                Mode::Full => "This was the full sweep.",
            }),
    );
    page.footer(format!("{program}, ddpm error-benchmark"));
    page
}
