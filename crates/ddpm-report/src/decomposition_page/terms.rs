//! The terms of the total, and the three classical ones.

use super::DecompositionReport;
use crate::kit::{Cell, Page, Section, Table, Text, number};
use crate::results::DecomposeReport;
use ddpm_core::classical::{ClassicalTerms, InitializationKind};

pub(super) fn add_to(page: &mut Page, report: &DecompositionReport) {
    let result = &report.result;
    if result.total_nats.is_some() {
        let section = page.section("The terms");
        if let Some(network) = &result.network {
            section.paragraph(
                Text::new("What separates the sampler from a perfect one, in nats: ")
                    .strong("initialization")
                    .plain(" (sampling starts at N(0, I) instead of the noised data; a lower bound), ")
                    .strong("discretization")
                    .plain(" (steps are finite) and ")
                    .strong("training")
                    .plain(format!(
                        " (the network is not the ideal denoiser). The ideal denoiser of all possible images is unknown; what stands for it here is \
                         the floor “{}”. Read the shares to see which term is worth working on, and further down what other floors say.",
                        network.floors.first().map_or("unknown", |floor| floor.floor.name())
                    )),
            );
            table(section, result);
        } else {
            closed_form(section);
            table(section, result);
        }
    }
    if let Some(classical) = &result.classical {
        classical_terms(page.section("The three classical terms"), classical);
    }
}

fn closed_form(section: &mut Section) {
    section.paragraph(
            Text::new(
                "The divergence KL(noising path ‖ generated path), in nats, is exactly the sum of three terms, because the ideal denoiser is a \
                 conditional mean: ",
            )
            .strong("initialization")
            .plain(" (sampling starts at N(0, I) instead of the noised data), ")
            .strong("discretization")
            .plain(" (a step is Gaussian and the true one is not) and ")
            .strong("training")
            .plain(" (the denoiser is not the ideal one). Read the shares to see which of them is worth working on."),
        );
}

fn table(section: &mut Section, result: &DecomposeReport) {
    let stderr = result.stderr.unwrap_or_default();
    let total = result.total_nats.unwrap_or(0.0);
    let mut table = Table::new("The total and its parts.", ["term", "nats", "share", "bits a dimension"]);
    let dim = result.dim as f64;
    for (name, value, error) in [
        ("initialization", result.init_nats, stderr.init_nats),
        ("discretization", result.discretization_nats, stderr.discretization_nats),
        ("training", result.training_nats, stderr.training_nats),
        ("total", result.total_nats, stderr.total_nats),
    ] {
        let Some(value) = value else { continue };
        let share = if total > 0.0 { Cell::Percent(value / total) } else { Cell::Empty };
        let bits = value / (dim * std::f64::consts::LN_2);
        table.push([Cell::from(name), (value, error).into(), share, bits.into()]);
    }
    section.table(table);
    if let (Some(init), Some(discretization), Some(training), Some(total)) =
        (result.init_nats, result.discretization_nats, result.training_nats, result.total_nats)
    {
        let left = (total - init - discretization - training).abs();
        section.paragraph(format!(
            "Check: the total less the three terms is {}; nothing is lost or counted twice.",
            if left == 0.0 { "0".to_string() } else { number::number(left) }
        ));
    }
    if let Some(bound) = result.truncation_w2_bound {
        section.paragraph(format!(
            "Apart from these, sampling ends at the least noisy level and not at data: between their laws W₂ is at most {} (truncation, in the \
             units of the data).",
            number::number(bound)
        ));
    }
}

fn classical_terms(section: &mut Section, classical: &ClassicalTerms) {
    section.paragraph(
        "Theorems bound the distance between samples and data by three terms, each up to a constant that they do not name. The terms can be \
         compared between runs, but neither added up nor weighed against each other. All are taken in the view in which data keep their size \
         and noise grows, x₀ + σₜ ε.",
    );
    let kind = match classical.w2_init_kind {
        InitializationKind::Exact => "exact W₂ between the noised data and the start, in units of x₀",
        InitializationKind::GaussianMoments => {
            "W₂ between the noised data and the start, in units of x₀, from their mean and covariance"
        }
    };
    let mut table = Table::new("The classical terms.", ["term", "value", "quantity"])
        .row([Cell::from("initialization"), classical.w2_init.into(), kind.into()])
        .row([
            Cell::from("training"),
            classical.training_mse_sum.into(),
            "sum of E|D(xₜ) − x₀|² over the visited levels".into(),
        ]);
    if let Some(irreducible) = classical.mmse_sum {
        table.push([
            Cell::from("of which irreducible"),
            irreducible.into(),
            "the same sum for the ideal denoiser or the floor in its place".into(),
        ]);
    }
    table.push([
        Cell::from("discretization"),
        classical.discretization_max.into(),
        "largest 1 − σₛ²/σₜ² of a step: the share of the noise variance that it removes".into(),
    ]);
    section.table(table);
}
