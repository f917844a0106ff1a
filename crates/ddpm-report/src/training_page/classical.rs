//! The three classical error terms.

use crate::kit::{Axis, Cell, Page, Plot, Section, Series, Table, Text, number};
use crate::results::DenoisingError;
use crate::results::{ClassicalLevel, ClassicalReport};
use ddpm_core::classical::InitializationKind;
use ddpm_data::Split;

pub(super) fn add_to(page: &mut Page, report: &ClassicalReport, error: Option<&DenoisingError>) {
    let section = page.section("The three classical error terms");
    section.paragraph(
        "Theorems bound the distance between the law of the samples and that of the data by three terms, each up to a constant that they do not \
         name. The terms can therefore be compared from run to run, but neither added up nor weighed against each other. All are taken in the view \
         in which the image keeps its size and the noise grows, x₀ + σₜ ε.",
    );
    let images = match report.split {
        Split::Train => "training images",
        Split::HeldOut => "held-out images",
    };
    let mut table = Table::new("The classical terms of this run.", ["term", "value", "quantity"])
        .row([
            Cell::from("initialization"),
            report.terms.w2_init.into(),
            "W₂ distance at the start, in units of x₀".into(),
        ])
        .row([
            Cell::from("training"),
            (report.training.mean, report.training.stderr).into(),
            format!("sum of squared errors over the levels, {images}").into(),
        ]);
    if let Some(irreducible) = report.terms.mmse_sum {
        table.push([
            Cell::from("of which irreducible"),
            irreducible.into(),
            "the same sum for the best denoiser of the training images".into(),
        ]);
    }
    table.push([
        Cell::from("discretization"),
        report.terms.discretization_max.into(),
        "largest relative step in σ²".into(),
    ]);
    section.table(table);
    initialization(section, report);
    training(section, report, error);
    discretization(section, report);
}

fn initialization(section: &mut Section, report: &ClassicalReport) {
    section.subheading("Initialization: the sampler does not start where the noised data end");
    let start = report.levels.first().map_or_else(String::new, |level| {
        format!(
            " Here σ = {}, and the length of the mean image alone is {}.",
            number::number(level.snr.sqrt().recip()),
            number::number(report.mean_norm)
        )
    });
    let formula = match report.terms.w2_init_kind {
        InitializationKind::Exact => "It is the exact distance of the two laws.".to_string(),
        InitializationKind::GaussianMoments => format!(
            "It is computed as if the data were Gaussian, from the mean and covariance of {} training images: the square root of the mean image’s squared \
             length plus, over the eigenvalues λ of the covariance, the squared differences of √(λ + σ²) and √(1 + σ²).",
            number::count(report.moments_of)
        ),
    };
    section.paragraph(format!(
        "The distance (W₂, the root of the least mean squared displacement) between the images at the highest noise level σ and the normal law N(0, σ² + 1) \
         from which the sampler starts. {formula}{start}"
    ));
}

fn training(section: &mut Section, report: &ClassicalReport, error: Option<&DenoisingError>) {
    section.subheading("Training: the network is not the ideal denoiser");
    let text = format!(
        "The mean squared distance between an image and the network’s reconstruction of it from xₜ, summed over the {} levels that the sampler visits",
        number::count(report.levels.len() as u64)
    );
    let interpolated = match error {
        Some(error) if !error.levels.is_empty() && report.levels.len() > measured_levels(error) => {
            format!(" ({} measured, the others interpolated)", measured_levels(error))
        }
        _ => String::new(),
    };
    let irreducible = if report.terms.mmse_sum.is_some() {
        "The part called irreducible remains for the denoiser that knows the training images by heart, which no other can beat on them."
    } else {
        "It contains a part that no denoiser could remove, because xₜ does not determine the image; that part is not known here."
    };
    section.paragraph(format!("{text}{interpolated}. {irreducible}"));
}

fn measured_levels(error: &DenoisingError) -> usize {
    error
        .levels
        .iter()
        .filter(|level| Some(level.split) == error.levels.first().map(|first| first.split))
        .count()
}

fn discretization(section: &mut Section, report: &ClassicalReport) {
    section.subheading("Discretization: steps are not infinitely small");
    let steps: Vec<(&ClassicalLevel, f64)> =
        report.levels.iter().filter_map(|level| Some((level, level.discretization_ratio?))).collect();
    let largest = steps.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(level, _)| match level.t {
        Some(t) => format!(" The largest step is the one from t = {t}."),
        None => {
            format!(" The largest step starts at a signal-to-noise ratio of {}.", number::number(level.snr))
        }
    });
    section.paragraph(format!(
        "For neighbouring visited levels s < t, the share 1 − σₛ²/σₜ² of the noise variance that the step from t to s removes; what counts is its \
         maximum. The last step, to the image itself, would always count 1 and is left out.{}",
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
        Text::new("The discretization term of each step."),
    );
}
