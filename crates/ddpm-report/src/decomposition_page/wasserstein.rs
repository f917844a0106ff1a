//! The ablation table: W2 with one source of error switched on at a time.

use super::DecompositionReport;
use crate::confidence::confidence_in_words;
use crate::kit::{Axis, Cell, Page, Plot, Point, Section, Series, Style, Table, Text, number};
use ddpm_core::decomposition::{AblationCell, AblationDenoiser, AblationSteps, W2Ablation, W2Method};
use ddpm_core::recursion::Start;

pub(super) fn add_to(page: &mut Page, report: &DecompositionReport) {
    let Some(ablation) = &report.ablation else { return };
    let section = page.section("One error at a time");
    section.paragraph(format!(
        "A sampler errs because it starts at N(0, I) instead of the true law of the noised data, because its steps are finite, and because its \
         denoiser is not ideal. Here each is switched on by itself and together with the others{}; the number is W₂, how far the samples would \
         have to move to become the target’s. The first row is what is left with all switched off: the step from the lowest noise level.",
        if ablation.cells.len() > 4 { "" } else { " (the denoiser is ideal here)" },
    ));
    section.table(table(ablation));
    section.plot(
        bars(ablation),
        "The same as bars. What a bar has above the first one is due to the errors it names; they do not add up exactly, because distances do not.",
    );
    how(section, ablation);
}

fn name(cell: &AblationCell) -> String {
    let mut parts = Vec::new();
    if cell.start == Start::Prior {
        parts.push("start");
    }
    if cell.steps == AblationSteps::Steps {
        parts.push("steps");
    }
    if cell.denoiser == AblationDenoiser::Given {
        parts.push("denoiser");
    }
    if parts.is_empty() { "none".to_string() } else { parts.join(" + ") }
}

/// Cells by how many errors are on.
fn in_order(ablation: &W2Ablation) -> Vec<&AblationCell> {
    let mut cells: Vec<&AblationCell> = ablation.cells.iter().collect();
    let count = |cell: &AblationCell| {
        usize::from(cell.start == Start::Prior)
            + usize::from(cell.steps == AblationSteps::Steps)
            + usize::from(cell.denoiser == AblationDenoiser::Given)
    };
    cells.sort_by_key(|cell| count(cell));
    cells
}

fn table(ablation: &W2Ablation) -> Table {
    let with_intervals = ablation.cells.iter().any(|cell| cell.interval.is_some());
    let entropic = ablation.cells.iter().any(|cell| cell.entropic.is_some());
    let mut columns = vec!["errors on", "W₂ to the target"];
    if with_intervals {
        columns.push("interval");
    }
    if entropic {
        columns.push("entropic W₂");
    }
    let mut table = Table::new("W₂ between the samples and the target.", columns);
    for cell in in_order(ablation) {
        let mut row = vec![Cell::from(name(cell)), (cell.w2, cell.stderr).into()];
        if with_intervals {
            row.push(cell.interval.map_or(Cell::Empty, |ends| interval(ends).into()));
        }
        if entropic {
            row.push(cell.entropic.map_or(Cell::Empty, |[mean, stderr]| (mean, stderr).into()));
        }
        table.push(row);
    }
    if let Some(floor) = &ablation.noise_floor {
        let mut row = vec![Cell::from("exact samples"), (floor.w2, floor.stderr).into()];
        if with_intervals {
            row.push(interval(floor.interval).into());
        }
        if entropic {
            row.push(ablation.entropic_floor.map_or(Cell::Empty, |[mean, stderr]| (mean, stderr).into()));
        }
        table.push(row);
    }
    table
}

fn interval([low, high]: [f64; 2]) -> String {
    format!("{}\u{a0}to\u{a0}{}", number::number(low), number::number(high))
}

fn bars(ablation: &W2Ablation) -> Plot {
    let cells = in_order(ablation);
    let points = cells.iter().enumerate().map(|(k, cell)| {
        let bounds = cell.interval.map(|[low, high]| (low.min(cell.w2), high.max(cell.w2)));
        Point { x: k as f64, y: cell.w2, interval: bounds }
    });
    let mut plot = Plot::new(
        "W₂ with the errors that are on",
        Axis::categories("", cells.iter().map(|cell| name(cell))),
        Axis::linear("W₂ to the target"),
    )
    .description("One bar for each combination of errors.")
    .series(Series::new("W₂", Style::Bars, points.collect::<Vec<_>>()));
    if let Some(floor) = &ablation.noise_floor {
        plot = plot.mark_y(floor.w2, "exact samples");
    }
    plot
}

fn how(section: &mut Section, ablation: &W2Ablation) {
    let samples = number::count(ablation.samples.unwrap_or(0) as u64);
    let text = match ablation.method {
        W2Method::Exact => {
            "Exact: on a Gaussian target the samples of this sampler are Gaussian, and their mean and covariance follow from a recursion.".to_string()
        }
        W2Method::Samples => format!(
            "From {samples} samples of the real sampler and as many exact ones, whose quantiles are coupled: exact between these sets. Even two \
             exact sets are a little apart (last row); what is not above that cannot be told from no error. Intervals are {} bootstrap intervals \
             of the distance between the laws, with that excess taken off.",
            confidence_in_words()
        ),
        W2Method::SlicedSamples => format!(
            "From {samples} samples of the real sampler and as many exact ones, by their projections on random directions, scaled so that a shift \
             counts in full: never more than W₂ itself. Even two exact sets are a little apart (last row). Intervals are {} bootstrap intervals of \
             the distance between the laws, with that excess taken off. The entropic distance compares small blocks and is coarser, but sees more \
             than projections.",
            confidence_in_words()
        ),
    };
    section.paragraph(Text::new(text));
}
