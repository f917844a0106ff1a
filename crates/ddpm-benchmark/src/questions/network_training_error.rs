//! How much of the error of a trained network is its training error, and at how many steps does discretization become the smaller part?

use super::words::short;
use crate::networks::{FloorTerms, MeasuredNetwork, NetworkTerms};
use crate::report_section::{Block, ReportSection};
use ddpm_core::interval::Interval;
use ddpm_report::kit::{Axis, Cell as TableCell, Plot, Point, Series, Table, Text, listed, number};
use serde_json::json;

/// The section on the networks of the run; none without any.
pub(crate) fn section(networks: &[MeasuredNetwork]) -> Option<ReportSection> {
    if networks.is_empty() {
        return None;
    }
    let mut blocks = vec![Block::Paragraph(Text::new(
        "The ideal denoiser of the true data is not known for real images. The terms below are measured against the exact denoiser of the training images, on training images. \
         For that law they are exact but for the choice of images, for which the 95 % intervals account. A network that memorized the training images would have no training \
         error by this measure; the bracket below each table says what is known of the error on the true distribution.",
    ))];
    for network in networks {
        blocks.push(Block::Subheading(title(network)));
        blocks.push(Block::Table(terms(network)));
        blocks.push(plot(network));
        blocks.push(Block::Table(variances(network)));
        blocks.extend(population(network).map(Block::Paragraph));
    }
    let in_words = |of: fn(&MeasuredNetwork) -> Option<String>| {
        networks.iter().filter_map(of).collect::<Vec<_>>().join(" ")
    };
    Some(ReportSection {
        name: "training",
        question: "How much is training error, and when do more steps stop helping?",
        verdict: in_words(sentence),
        detail: in_words(detail),
        blocks,
        figures: json!({"networks": networks}),
    })
}

fn title(network: &MeasuredNetwork) -> String {
    format!(
        "The network trained on {}: {} parameters, {} training steps, {} images",
        network.name.data(),
        number::count(network.parameters),
        number::count(network.trained),
        number::count(network.training_images as u64)
    )
}

/// The terms against the empirical denoiser, by number of steps.
fn by_steps(network: &MeasuredNetwork) -> impl Iterator<Item = (&NetworkTerms, &FloorTerms)> {
    network.studies.iter().filter_map(|study| Some((study, study.empirical()?)))
}

/// The first number of steps from which on the interval of discretization lies below that of training.
fn crossing(network: &MeasuredNetwork) -> Option<usize> {
    let below = |terms: &FloorTerms| terms.discretization.high <= terms.training.low;
    by_steps(network).find(|(_, terms)| below(terms)).map(|(study, _)| study.steps)
}

fn sentence(network: &MeasuredNetwork) -> Option<String> {
    let (longest, terms) = by_steps(network).last()?;
    let steps = match crossing(network) {
        Some(steps) if network.studies.first().is_some_and(|study| study.steps == steps) => format!(
            "discretization is the smaller part from {steps} steps on already, so that more steps hardly help"
        ),
        Some(steps) => {
            format!("from {steps} steps on discretization is the smaller part and more steps hardly help")
        }
        None if terms.training.high <= terms.discretization.low => {
            format!("discretization is the larger part even with all {} steps", longest.steps)
        }
        None => format!(
            "with {} steps the 95 % intervals of discretization and training overlap, so that neither is the larger part",
            longest.steps
        ),
    };
    Some(format!(
        "On {} training costs {} nats of {} with {} steps; {steps}.",
        network.name.data(),
        interval(&terms.training),
        interval(&terms.total),
        longest.steps
    ))
}

fn detail(network: &MeasuredNetwork) -> Option<String> {
    let share = |(study, terms): (&NetworkTerms, &FloorTerms)| {
        format!("{} at {}", number::percent(terms.training.value / terms.total.value), study.steps)
    };
    let shares: Vec<String> = by_steps(network).map(share).collect();
    let enough = network.studies.last()?.enough_steps;
    let best = enough.map_or(String::new(), |steps| {
        format!(" With the best variance the estimate of discretization falls below that of the training error at {steps} steps.")
    });
    Some(format!(
        "Training’s share of the divergence on {} is {} steps.{best}",
        network.name.data(),
        listed(&shares)
    ))
}

/// `1.23 (1.10 to 1.36)`.
fn interval(interval: &Interval) -> String {
    format!("{} ({} to {})", short(interval.value, 3), short(interval.low, 3), short(interval.high, 3))
}

fn terms(network: &MeasuredNetwork) -> Table {
    let images = network.studies.first().map_or(0, |study| study.images);
    let mut table = Table::new(
        format!(
            "Where the divergence comes from, in nats, by the number of evenly spaced levels visited; variance fixed-large; 95 % intervals over {images} images in brackets; \
             initialization is a lower bound, exact for Gaussian data."
        ),
        ["steps", "initialization", "discretization", "training", "total", "share of training"],
    );
    let numeral = |value: &Interval| TableCell::Numeral(interval(value).into());
    for (study, terms) in by_steps(network) {
        table.push([
            TableCell::from(study.steps),
            study.initialization.lower_nats.into(),
            numeral(&terms.discretization),
            numeral(&terms.training),
            numeral(&terms.total),
            TableCell::Percent(terms.training.value / terms.total.value),
        ]);
    }
    table
}

fn variances(network: &MeasuredNetwork) -> Table {
    let reports = network.studies.first().map_or(&[][..], |study| &study.by_variance);
    let names = reports.iter().map(|report| report.variance.to_string());
    let mut table = Table::new(
        "Discretization and training together by variance, in nats: estimates from the same measurement, without intervals, so that small differences do not rank the variances.",
        std::iter::once("steps".to_owned()).chain(names),
    );
    for study in &network.studies {
        let sums = study.by_variance.iter().map(|report| {
            TableCell::Numeral(short(report.discretization_nats + report.training_nats, 3).into())
        });
        table.push(std::iter::once(TableCell::from(study.steps)).chain(sums));
    }
    table
}

fn population(network: &MeasuredNetwork) -> Option<Text> {
    let study = network.studies.last()?;
    let mut sentences = Vec::new();
    if let Some(bracket) = &study.training {
        sentences.push(format!(
            "On the true distribution the training error with {} steps lies between {} and {} nats.",
            study.steps,
            interval(&bracket.lower_nats),
            interval(&bracket.upper_nats)
        ));
    }
    if let Some(memorization) = &study.memorization {
        sentences.push(format!(
            "Memorization: on held-out images the network’s error is larger by {} nats, where that of the empirical (memorizing) denoiser is larger by {}.",
            interval(&memorization.nats),
            interval(&memorization.memorizer_nats)
        ));
    }
    if let Some(bits) = &study.vlb_bits_per_dim {
        sentences.push(format!(
            "The variational bound on the code length of held-out images is {} bits per dimension.",
            interval(bits)
        ));
    }
    (!sentences.is_empty()).then(|| sentences.join(" ").into())
}

fn plot(network: &MeasuredNetwork) -> Block {
    let series = |name: &str, part: fn(&FloorTerms) -> Interval| {
        let points = by_steps(network).map(|(study, terms)| {
            let Interval { value, low, high } = part(terms);
            Point::with_interval(study.steps as f64, value, low, high)
        });
        Series::line_and_points(name, points)
    };
    let plot = Plot::new(
        format!("Discretization and training error, {}", network.name.data()),
        Axis::log("steps N"),
        Axis::log("nats"),
    )
    .series(series("discretization", |terms| terms.discretization))
    .series(series("training", |terms| terms.training));
    let caption =
        "Where discretization lies below training, more steps hardly help. Bars are 95 % intervals.";
    Block::Plot(Box::new(plot), caption.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::NetworkName;
    use ddpm_report::results::{Floor, InitializationBracket};

    fn around(value: f64) -> Interval {
        Interval { value, low: 0.9 * value, high: 1.1 * value }
    }

    /// Discretization c/N against a constant training error.
    fn study(steps: usize, constant: f64, training: f64) -> NetworkTerms {
        let discretization = constant / steps as f64;
        let parts = FloorTerms {
            floor: Floor::EmpiricalTraining,
            discretization: around(discretization),
            training: around(training),
            total: around(discretization + training),
            quadrature_error: 0.0,
        };
        NetworkTerms {
            steps,
            dim: 4,
            images: 9,
            initialization: InitializationBracket { lower_nats: 1e-5, upper_nats: 1e-4 },
            parts: vec![parts],
            training: None,
            memorization: None,
            vlb_bits_per_dim: None,
            by_variance: Vec::new(),
            enough_steps: None,
            discretization_of_all: 0.0,
        }
    }

    fn network(constant: f64) -> MeasuredNetwork {
        MeasuredNetwork {
            name: NetworkName::DigitsNetwork,
            trained: 500,
            parameters: 12,
            training_images: 1500,
            weights_sha256: String::new(),
            studies: [10, 50, 250, 1000].map(|steps| study(steps, constant, 2.0)).to_vec(),
        }
    }

    #[test]
    fn the_verdict_names_where_more_steps_stop_helping() {
        let verdict = |constant| section(&[network(constant)]).unwrap().verdict;
        // c/N = 2 at N = c/2.
        assert!(
            verdict(400.0).contains("from 250 steps on discretization is the smaller part"),
            "{}",
            verdict(400.0)
        );
        assert!(verdict(10.0).contains("from 10 steps on already"), "{}", verdict(10.0));
        assert!(verdict(1e4).contains("larger part even with all 1000 steps"), "{}", verdict(1e4));
        // At 200 steps of 2/N both are 2.0: with all 1000 steps the intervals overlap.
        assert!(verdict(2000.0).contains("with 1000 steps the 95 % intervals"), "{}", verdict(2000.0));
        let cost = "training costs 2.00 (1.80 to 2.20) nats of 2.40 (2.16 to 2.64) with 1000 steps";
        assert!(verdict(400.0).contains(cost), "{}", verdict(400.0));
        assert!(section(&[]).is_none());
    }
}
