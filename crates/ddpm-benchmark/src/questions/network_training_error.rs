//! How much is the training error of a real network, and when do more steps stop helping?

use crate::comparison::join;
use crate::networks::{MeasuredNetwork, NetworkTerms};
use crate::report_section::{Block, ReportSection};
use anyhow::Result;
use ddpm_core::Variance;
use ddpm_core::interval::Interval;
use ddpm_report::kit::{Axis, Cell as TableCell, Plot, Point, Series, Table, Text, number};
use serde_json::json;

/// The answer from the networks that were studied; none without any.
pub(crate) fn answer(networks: &[MeasuredNetwork]) -> Result<Option<ReportSection>> {
    if networks.is_empty() {
        return Ok(None);
    }
    let mut blocks = vec![Block::Paragraph(Text::new(
        "The ideal denoiser of the true data is not known for real images. The terms below are measured against the exact denoiser of the training images, on training \
         images: for that law they are exact but for the choice of images, which the 95 % intervals (±) account for. Whoever learnt the training images by heart would have \
         no training error by this measure; the bracket says what is known of the error on the true distribution.",
    ))];
    for network in networks {
        blocks.push(Block::Subheading(title(network)));
        blocks.push(Block::Table(terms(network)));
        blocks.extend(plot(network));
        blocks.push(Block::Table(variances(network)));
        blocks.extend(population(network).map(Block::Paragraph));
    }
    let sentences: Vec<String> = networks.iter().filter_map(sentence).collect();
    Ok(Some(ReportSection {
        name: "training",
        question: "How much is training error, and when do more steps stop helping?",
        verdict: sentences.join(" "),
        detail: networks.iter().filter_map(detail).collect::<Vec<_>>().join(" "),
        blocks,
        figures: json!({"networks": networks}),
    }))
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

/// The first number of steps at which discretization is below the training error.
fn crossing(network: &MeasuredNetwork) -> Option<usize> {
    let below = |study: &&NetworkTerms| {
        study.empirical().is_some_and(|parts| parts.discretization.value <= parts.training.value)
    };
    network.studies.iter().find(below).map(|study| study.steps)
}

fn sentence(network: &MeasuredNetwork) -> Option<String> {
    let longest = network.studies.last()?;
    let parts = longest.empirical()?;
    let steps = match crossing(network) {
        Some(steps) if Some(steps) == network.studies.first().map(|study| study.steps) => {
            format!(
                "discretization is the smaller part from {steps} steps on already, so that more steps hardly help"
            )
        }
        Some(steps) => {
            format!("from {steps} steps on discretization is the smaller part and more steps hardly help")
        }
        None => format!("discretization is the larger part even with all {} steps", longest.steps),
    };
    Some(format!(
        "On {} training costs {} nats of {} with {} steps; {steps}.",
        network.name.data(),
        interval(&parts.training),
        interval(&parts.total),
        longest.steps
    ))
}

fn detail(network: &MeasuredNetwork) -> Option<String> {
    let shares: Vec<String> = network
        .studies
        .iter()
        .filter_map(|study| {
            let parts = study.empirical()?;
            Some(format!("{} at {}", number::percent(parts.training.value / parts.total.value), study.steps))
        })
        .collect();
    let enough = network.studies.last()?.enough_steps;
    let best = enough.map_or(String::new(), |steps| {
        format!(" With the best variance discretization falls below the training error at {steps} steps.")
    });
    Some(format!(
        "Training’s share of the divergence on {} is {} steps.{best}",
        network.name.data(),
        join(&shares)
    ))
}

/// `1.23 (1.10 to 1.36)`.
fn interval(interval: &Interval) -> String {
    let short = |value: f64| number::typeset(&number::plain(value, 3));
    format!("{} ({} to {})", short(interval.value), short(interval.low), short(interval.high))
}

fn measured(interval: &Interval) -> TableCell {
    TableCell::Measured { value: interval.value, stderr: 0.5 * (interval.high - interval.low) }
}

fn terms(network: &MeasuredNetwork) -> Table {
    let images = network.studies.first().map_or(0, |study| study.images);
    let mut table = Table::new(
        format!(
            "Where the divergence comes from, in nats, by the number of evenly spaced levels visited; variance fixed-large. ± is half of the 95 % interval over {images} images; \
             initialization is a lower bound, exact for Gaussian data."
        ),
        ["steps", "initialization", "discretization", "training", "total", "share of training"],
    );
    for study in &network.studies {
        let Some(parts) = study.empirical() else { continue };
        table.push([
            TableCell::from(study.steps),
            study.initialization.lower_nats.into(),
            measured(&parts.discretization),
            measured(&parts.training),
            measured(&parts.total),
            TableCell::Percent(parts.training.value / parts.total.value),
        ]);
    }
    table
}

fn variances(network: &MeasuredNetwork) -> Table {
    let names: Vec<Variance> = network
        .studies
        .first()
        .map(|study| study.by_variance.iter().map(|report| report.variance).collect())
        .unwrap_or_default();
    let headings = std::iter::once("steps".to_owned()).chain(names.iter().map(ToString::to_string));
    let mut table = Table::new(
        "Discretization and training together by variance, in nats: estimates from the same measurement, without intervals. The least of a row stands out.",
        headings,
    );
    for study in &network.studies {
        let sums: Vec<f64> = study
            .by_variance
            .iter()
            .map(|report| report.discretization_nats + report.training_nats)
            .collect();
        let least = sums.iter().copied().fold(f64::INFINITY, f64::min);
        let cell = |sum: &f64| {
            let text = number::typeset(&number::plain(*sum, 3));
            TableCell::Numeral(if *sum == least { Text::default().strong(text) } else { text.into() })
        };
        table.push(std::iter::once(TableCell::from(study.steps)).chain(sums.iter().map(cell)));
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
            "On images that it never saw the network’s error is larger by {} nats, where a perfect memorizer’s would be larger by {}: the first over the second says how much \
             of its images it knows by heart.",
            interval(&memorization.nats),
            interval(&memorization.memorizer_nats)
        ));
    }
    if let Some(bits) = &study.vlb_bits_per_dim {
        sentences.push(format!(
            "The bound on the code length of such images is {} bits per dimension.",
            interval(bits)
        ));
    }
    (!sentences.is_empty()).then(|| sentences.join(" ").into())
}

fn plot(network: &MeasuredNetwork) -> Option<Block> {
    let of = |name: &str, part: fn(&NetworkTerms) -> Option<Interval>| {
        let points = network.studies.iter().filter_map(|study| {
            let interval = part(study)?;
            Some(Point::with_interval(study.steps as f64, interval.value, interval.low, interval.high))
        });
        Series::line_and_points(name, points.collect::<Vec<_>>())
    };
    let plot = Plot::new(
        format!("Discretization and training error, {}", network.name.data()),
        Axis::log("steps N"),
        Axis::log("nats"),
    )
    .series(of("discretization", |study| Some(study.empirical()?.discretization)))
    .series(of("training", |study| Some(study.empirical()?.training)));
    let caption =
        "Where the falling line passes below the other, more steps stop helping. Bars are 95 % intervals.";
    Some(Block::Plot(Box::new(plot), caption.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{FloorTerms, NetworkName};
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
        let verdict = |constant| answer(&[network(constant)]).unwrap().unwrap().verdict;
        // c/N = 2 at N = c/2.
        assert!(
            verdict(400.0).contains("from 250 steps on discretization is the smaller part"),
            "{}",
            verdict(400.0)
        );
        assert!(verdict(10.0).contains("from 10 steps on already"), "{}", verdict(10.0));
        assert!(verdict(1e4).contains("larger part even with all 1000 steps"), "{}", verdict(1e4));
        let cost = "training costs 2.00 (1.80 to 2.20) nats of 2.40 (2.16 to 2.64) with 1000 steps";
        assert!(verdict(400.0).contains(cost), "{}", verdict(400.0));
        assert!(answer(&[]).unwrap().is_none());
    }
}
