//! The table of the three classical error terms: initialization, training and discretization in the variance-exploding view.

use crate::kit::{Cell, Table, number};
use ddpm_core::classical::{ClassicalTerms, InitializationKind};

/// What the terms are.
pub(crate) const INTRODUCTION: &str = "Convergence theorems bound the distance between generated samples and data by three terms, each up to an \
    unnamed constant. The terms can be compared between runs. They can neither be added up nor weighed against each other. All are in the \
    variance-exploding view x₀ + σₜ ε.";

/// The terms; `training` is the training term with its interval where it has one, `images` what it was measured on.
pub(crate) fn table(terms: &ClassicalTerms, training: Cell, images: Option<&str>) -> Table {
    let images = images.map_or_else(String::new, |images| format!(", on {images}"));
    let kind = match (terms.w2_init_kind, terms.w2_init_interval) {
        (InitializationKind::Exact, _) => "exact".to_owned(),
        (InitializationKind::GaussianMoments, _) | (_, None) => "from mean and covariance".to_owned(),
        (InitializationKind::Coupling, Some([low, high])) => format!(
            "as the cost of a map between them: W₂ lies between {} (mean and covariance) and {}",
            number::number(low),
            number::number(high)
        ),
    };
    let mut table = Table::new("The classical error terms.", ["term", "value", "quantity"])
        .row([
            Cell::from("initialization"),
            terms.w2_init.into(),
            format!("W₂ between the noised data and the sampler’s start, in units of x₀, {kind}").into(),
        ])
        .row([
            Cell::from("training"),
            training,
            format!("sum of E|D(xₜ) − x₀|² over the visited levels{images}").into(),
        ]);
    if let Some(irreducible) = terms.mmse_sum {
        table.push([
            Cell::from("of which irreducible"),
            irreducible.into(),
            "the same sum for the ideal denoiser, or for the floor in its place".into(),
        ]);
    }
    table.push([
        Cell::from("discretization"),
        terms.discretization_max.into(),
        "largest 1 − σₛ²/σₜ² of a step from t to s".into(),
    ]);
    table
}
