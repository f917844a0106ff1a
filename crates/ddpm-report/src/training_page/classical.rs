//! The classical error terms of a training run.

use crate::kit::{Axis, Page, Plot, Section, Series, number};
use crate::results::{ClassicalLevel, ClassicalReport, DenoisingError, Images};
use crate::sections::classical_terms;
use ddpm_core::classical::InitializationKind;
use ddpm_core::interval::CONFIDENCE;
use ddpm_data::Split;

pub(super) fn add_to(page: &mut Page, report: &ClassicalReport, error: Option<&DenoisingError>) {
    let section = page.section("The three classical error terms");
    section.paragraph(classical_terms::INTRODUCTION);
    let images = match report.split {
        Split::Train => Images::Train,
        Split::HeldOut => Images::HeldOut,
    };
    let training = report.training.interval(CONFIDENCE);
    section.table(classical_terms::table(&report.terms, training.into(), Some(images.in_words())));
    initialization(section, report);
    training_term(section, report, error);
    discretization(section, report);
}

fn initialization(section: &mut Section, report: &ClassicalReport) {
    section.subheading("Initialization");
    let start = report.levels.first().map_or_else(String::new, |level| {
        format!(
            " Here σ = {}, and the length of the mean image alone is {}.",
            number::number(level.snr.sqrt().recip()),
            number::number(report.mean_norm)
        )
    });
    let formula = match report.terms.w2_init_kind {
        InitializationKind::Exact => "It is the exact distance of the two laws.".to_string(),
        InitializationKind::GaussianMoments | InitializationKind::Coupling => format!(
            "It is computed for Gaussian data with the mean m and covariance of {} training images: √(|m|² + Σ (√(λ + σ²) − √(1 + σ²))²) over the \
             eigenvalues λ of the covariance.",
            number::count(report.moments_of)
        ),
    };
    section.paragraph(format!(
        "W₂ between the images at the highest noise level σ and the normal law N(0, σ² + 1) from which the sampler starts. {formula}{start}"
    ));
}

fn training_term(section: &mut Section, report: &ClassicalReport, error: Option<&DenoisingError>) {
    section.subheading("Training");
    let text = format!(
        "The squared distance between an image and the network’s reconstruction of it from xₜ, summed over the {} levels that the sampler visits",
        number::count(report.levels.len() as u64)
    );
    let interpolated = match error.map(measured_levels) {
        Some(measured) if measured > 0 && report.levels.len() > measured => {
            format!(" ({measured} measured, the others interpolated)")
        }
        _ => String::new(),
    };
    let irreducible = if report.terms.mmse_sum.is_some() {
        "The irreducible part is the same sum for the empirical (memorizing) denoiser: the exact denoiser of the training images, which has the least \
         error on them."
    } else {
        "It contains a part that no denoiser could remove, because xₜ does not determine the image; that part is not known here."
    };
    section.paragraph(format!("{text}{interpolated}. {irreducible}"));
}

/// Levels measured on one split.
fn measured_levels(error: &DenoisingError) -> usize {
    let first = error.levels.first().map(|level| level.split);
    error.levels.iter().filter(|level| Some(level.split) == first).count()
}

fn discretization(section: &mut Section, report: &ClassicalReport) {
    section.subheading("Discretization");
    let steps: Vec<(&ClassicalLevel, f64)> =
        report.levels.iter().filter_map(|level| Some((level, level.discretization_ratio?))).collect();
    let largest = steps.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(level, _)| match level.t {
        Some(t) => format!(" The largest step is the one from t = {t}."),
        None => {
            format!(" The largest step starts at a signal-to-noise ratio of {}.", number::number(level.snr))
        }
    });
    section.paragraph(format!(
        "The share 1 − σₛ²/σₜ² of the noise variance that the step from t to the next visited level s removes; the term is the largest one. The last \
         step, to the image itself, always has the share 1 and is left out.{}",
        largest.unwrap_or_default()
    ));
    if steps.len() < 2 {
        return;
    }
    let by_t = steps.iter().all(|(level, _)| level.t.is_some());
    let axis = if by_t {
        "level t from which the step starts"
    } else {
        "signal-to-noise ratio from which the step starts"
    };
    let points: Vec<(f64, f64)> = steps
        .iter()
        .map(|(level, ratio)| (level.t.filter(|_| by_t).map_or(level.snr, f64::from), *ratio))
        .collect();
    section.plot(
        Plot::new("Relative size of each step", Axis::log(axis), Axis::log("1 − σₛ²/σₜ²"))
            .description("The share of the noise variance that each step removes.")
            .series(Series::line("1 − σₛ²/σₜ²", points)),
        "The share of the noise variance that each step removes.",
    );
}
