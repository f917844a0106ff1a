//! The terms of the path divergence, and the classical error terms.

use crate::confidence::interval_of;
use crate::kit::{Cell, Page, Table, Text, number};
use crate::results::{DecomposeReport, Floor};
use crate::sections::classical_terms;
use ddpm_core::classical::ClassicalTerms;
use ddpm_core::interval::Interval;
use std::f64::consts::LN_2;

pub(super) fn add_to(page: &mut Page, result: &DecomposeReport) {
    if let Some(table) = table(result) {
        let section = page.section("The terms");
        let floor = result.network.as_ref().map(|network| network.floors.first().map(|floor| floor.floor));
        section.paragraph(introduction(floor));
        section.table(table);
        section.paragraph_if(interpolation(result));
        section.paragraph_if(truncation(result));
    }
    if let Some(classical) = &result.classical {
        let section = page.section("The three classical error terms");
        section.paragraph(classical_terms::INTRODUCTION);
        section.table(classical_table(result, classical));
    }
}

/// The classical terms; a network's training term with its interval over images.
pub(super) fn classical_table(result: &DecomposeReport, classical: &ClassicalTerms) -> Table {
    let floor = result.network.as_ref().and_then(|network| network.floors.first());
    match floor {
        Some(floor) => {
            let (images, interval) = (floor.images.in_words(), floor.mse_sum);
            classical_terms::table(classical, interval.into(), Some(images))
        }
        None => classical_terms::table(classical, classical.training_mse_sum.into(), None),
    }
}

/// The error of the floor's integral, which is in no interval.
pub(super) fn interpolation(result: &DecomposeReport) -> Option<String> {
    let error = result.quadrature_error_nats?;
    Some(format!(
        "The intervals are over images. Interpolating the floor between measured levels adds an error of up to {} nats to discretization and to the \
         total; --levels reduces it.",
        number::number(error)
    ))
}

/// What the terms are; for a network, with the floor that stands for the ideal denoiser.
fn introduction(floor: Option<Option<Floor>>) -> Text {
    let text = Text::new("The sampler generates a path of states. Its divergence from the noising path, KL(noising path ‖ generated path), is ")
        .plain(if floor.is_some() { "" } else { "exactly " })
        .plain("the sum of three terms in nats: ")
        .strong("initialization")
        .plain(" (sampling starts at N(0, I) instead of the law of x_T")
        .plain(if floor.is_some() { "; a lower bound), " } else { "), " })
        .strong("discretization")
        .plain(" (each step is Gaussian with a fixed variance, the true reverse step is not) and ")
        .strong("training")
        .plain(" (the denoiser is not the ideal one).");
    match floor {
        Some(floor) => text.plain(format!(
            " The ideal denoiser of the data distribution is unknown. The floor “{}” stands in its place; the section on the variational bound \
             gives the terms for the other floors.",
            floor.map_or("unknown", Floor::into)
        )),
        None => text,
    }
}

/// Initialization, discretization, training and their sum, where there are any.
pub(super) fn table(result: &DecomposeReport) -> Option<Table> {
    let total = result.total_nats?;
    let stderr = result.stderr.unwrap_or_default();
    let mut table = Table::new(
        "Terms of KL(noising path ‖ generated path).",
        ["term", "nats", "share of the total", "bits/dim"],
    );
    for (name, key, value, stderr) in [
        ("initialization", "init_nats", result.init_nats, stderr.init_nats),
        ("discretization", "discretization_nats", result.discretization_nats, stderr.discretization_nats),
        ("training", "training_nats", result.training_nats, stderr.training_nats),
        ("total", "total_nats", result.total_nats, stderr.total_nats),
    ] {
        let Some(value) = value else { continue };
        // A network's intervals are Student's, over images; those of closed-form targets are normal, over noising paths.
        let measured = result.intervals.as_ref().and_then(|intervals| intervals.get(key));
        let interval = match measured {
            Some(&[low, high]) => Interval { value, low, high },
            None => interval_of(value, stderr),
        };
        // A network's training term is a difference of measured errors, which may be negative.
        let signed = result.network.is_some();
        let cell = match (&result.network, key) {
            (Some(_), "init_nats") => Cell::Numeral(format!("at least {}", number::number(value)).into()),
            (Some(_), _) => Cell::Measured(interval),
            (None, _) => Cell::AtLeastZero(interval),
        };
        let share = if total > 0.0 { Cell::Percent((value / total).max(0.0)) } else { Cell::Empty };
        let bits = (value / (result.dim as f64 * LN_2)).max(if signed { f64::NEG_INFINITY } else { 0.0 });
        table.push([Cell::from(name), cell, share, bits.into()]);
    }
    Some(table)
}

/// The distance that is left at the lowest visited level.
pub(super) fn truncation(result: &DecomposeReport) -> Option<String> {
    let bound = result.truncation_w2_bound?;
    Some(format!(
        "Truncation is not in these terms: sampling ends at the lowest visited noise level. W₂ between the data and their law at that level is at \
         most {} in the units of the data.",
        number::number(bound)
    ))
}
