//! W2 between samples and target with one source of error switched on at a time.

use crate::kit::{Axis, Cell, Page, Plot, Point, Series, Style, Table, number};
use ddpm_core::decomposition::{AblationCell, AblationDenoiser, AblationSteps, W2Ablation, W2Method};
use ddpm_core::recursion::{Start, W2Errors};

pub(super) fn add_to(page: &mut Page, ablation: Option<&W2Ablation>) {
    let Some(ablation) = ablation else { return };
    let section = page.section("One error at a time");
    section.paragraph(format!(
        "A sampler has three sources of error: it starts at N(0, I) instead of the law of the noised data, it takes finitely many steps, and its \
         denoiser is not the ideal one{}. Each row switches some of them on. The first row has none: what remains is the step from the lowest noise \
         level to data.",
        if ablation.cells.len() > 4 { "" } else { " (here the denoiser is ideal)" },
    ));
    section.table(table(ablation));
    section.plot(
        bars(ablation),
        "W₂ by the errors that are switched on. A bar’s excess over the first one is due to these errors. The excesses do not add up exactly, \
         because distances do not.",
    );
    section.paragraph(method(ablation));
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

/// The distances, a row for each combination of errors. From samples the interval is that of the distance between the laws.
pub(super) fn table(ablation: &W2Ablation) -> Table {
    let sampled = ablation.cells.iter().any(|cell| cell.interval.is_some());
    let entropic = ablation.cells.iter().any(|cell| cell.entropic.is_some());
    let mut columns = vec!["errors on"];
    columns.extend(if sampled {
        ["W₂ of the samples", "W₂ of the laws"].as_slice()
    } else {
        &["W₂ to the target"]
    });
    columns.extend(entropic.then_some("entropic W₂ of blocks"));
    let mut table = Table::new("W₂ to the target by the errors that are on.", columns);
    let mut row = |name: String, w2: f64, interval: Option<[f64; 2]>, blocks: Option<[f64; 2]>| {
        let mut row = vec![Cell::from(name), w2.into()];
        if sampled {
            row.push(interval.map_or(Cell::Empty, |[low, high]| {
                Cell::Numeral(number::range(low.max(0.0), high.max(0.0)).into())
            }));
        }
        if entropic {
            row.push(blocks.map_or(Cell::Empty, |[mean, stderr]| Cell::with_stderr(mean, stderr)));
        }
        table.push(row);
    };
    for cell in in_order(ablation) {
        row(name(cell), cell.w2, cell.interval, cell.entropic);
    }
    if let Some(floor) = &ablation.noise_floor {
        row("exact samples".to_owned(), floor.w2, Some(floor.interval), ablation.entropic_floor);
    }
    table
}

/// The four distances of a target whose W2 is exact.
pub(super) fn exact_table(w2: &W2Errors) -> Table {
    Table::new(
        "W₂ between the law of the samples and the target.",
        ["start", "these steps", "infinitely many steps"],
    )
    .row([Cell::from("law of x_T"), w2.from_marginal.into(), w2.continuous_from_marginal.into()])
    .row([Cell::from("N(0, I)"), w2.from_normal.into(), w2.continuous_from_normal.into()])
}

fn bars(ablation: &W2Ablation) -> Plot {
    let cells = in_order(ablation);
    let points = cells.iter().enumerate().map(|(k, cell)| Point {
        x: k as f64,
        y: cell.w2,
        interval: cell.interval.map(|[low, high]| (low.clamp(0.0, cell.w2), high.max(cell.w2))),
    });
    let mut plot = Plot::new(
        "W₂ by the errors that are on",
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

/// How the distances were found.
pub(super) fn method(ablation: &W2Ablation) -> String {
    let samples = number::count(ablation.samples.unwrap_or(0) as u64);
    let of_samples = format!(
        "{samples} samples of the sampler are compared with as many exact ones. Two sets of exact samples also differ a little (last row): a distance \
         that is not above theirs cannot be told from 0. The intervals are bootstrap intervals of the distance between the laws, with that excess \
         subtracted."
    );
    match ablation.method {
        W2Method::Exact => "The distances are exact: on a Gaussian target the samples are Gaussian, and their mean and covariance follow from a \
             recursion."
            .to_string(),
        W2Method::Samples => format!("{of_samples} On the line the coupling of quantiles gives W₂ between the sets exactly."),
        W2Method::SlicedSamples => format!(
            "{of_samples} The distances are √d times the sliced W₂: at most W₂, and equal to it for a shift. The entropic distance is over small blocks of \
             samples: less precise, but sensitive to more than projections."
        ),
    }
}
