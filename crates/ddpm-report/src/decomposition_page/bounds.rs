//! The variational bound and its parts, by every floor; and the checks that they add up.

use super::DecompositionReport;
use crate::kit::{Cell, Page, Section, Table, Text, number};
use crate::results::{BoundReport, Floor, FloorReport, Images, NetworkReport};
use ddpm_core::interval::Interval;

pub(super) fn add_to(page: &mut Page, report: &DecompositionReport) {
    let Some(network) = &report.result.network else { return };
    let section = page.section("The bound and its parts");
    section.paragraph(
        "The variational bound is the code length of an image under the model. Whatever stands for the ideal denoiser (the floor), it is exactly \
         L_T + discretization + training + information + L_0: floors only move nats between the parts. Information and most of L_0 are the \
         images’ own and no error.",
    );
    section.table(parts(network));
    for floor in &network.floors {
        section.paragraph(
            Text::default().strong(floor_name(floor.floor)).plain(": ").plain(meaning(floor.floor)),
        );
    }
    section.table(bounds(network));
    section.paragraph(
        "The continuum gap is what infinitely many steps would change in the bound. It has a sign and is not the discretization error: with an \
         imperfect denoiser, more steps can make the bound worse.",
    );
    checks(section, network);
}

fn floor_name(floor: Floor) -> &'static str {
    match floor {
        Floor::EmpiricalTraining => "by heart, training images",
        Floor::Reference => "reference, held-out images",
        Floor::EmpiricalLowerBound => "lower bound, held-out images",
    }
}

fn meaning(floor: Floor) -> &'static str {
    match floor {
        Floor::EmpiricalTraining => {
            "the exact denoiser of the training images as a finite set. The terms are exact for a sampler that should reproduce this very set, so \
             that training counts as error that the network does not know them by heart."
        }
        Floor::Reference => "a better network. Training is what that network would remove.",
        Floor::EmpiricalLowerBound => {
            "the by-heart error on training images against the network on held-out ones. No denoiser of the population does better in expectation, \
             so that training is an upper bound."
        }
    }
}

fn images(images: Images) -> &'static str {
    match images {
        Images::Train => "training images",
        Images::HeldOut => "held-out images",
    }
}

fn with_interval(interval: &Interval) -> Cell {
    let half = 0.5 * (interval.high - interval.low);
    (interval.value, half).into()
}

fn parts(network: &NetworkReport) -> Table {
    let mut columns = vec!["part (nats)".to_string()];
    columns.extend(network.floors.iter().map(|floor| floor_name(floor.floor).to_string()));
    let mut table = Table::new(
        Text::new("Parts of the bound by floor, ± half the width of the interval.").footnote(
            "Intervals are over images, each with its own noise and its whole sum over levels. They hold neither the quadrature error nor what \
             another training run would change.",
        ),
        columns,
    );
    type Part = (&'static str, fn(&FloorReport) -> Cell);
    let rows: [Part; 8] = [
        ("L_T", |floor| with_interval(&floor.l_t_nats)),
        ("discretization", |floor| with_interval(&floor.discretization_nats)),
        ("training", |floor| with_interval(&floor.training_nats)),
        ("information (no error)", |floor| with_interval(&floor.info_nats)),
        ("L_0", |floor| with_interval(&floor.l_0_nats)),
        ("variational bound", |floor| with_interval(&floor.vlb_nats)),
        ("bound less its parts", |floor| floor.residual_nats.into()),
        ("quadrature error", |floor| floor.quadrature_error_nats.into()),
    ];
    for (name, of) in rows {
        table.push(std::iter::once(Cell::from(name)).chain(network.floors.iter().map(of)));
    }
    table
}

fn bounds(network: &NetworkReport) -> Table {
    let mut columns = vec![String::new()];
    columns.extend(network.bounds.iter().map(|bound| images(bound.images).to_string()));
    let mut table = Table::new("The bound on each kind of images.", columns);
    type Row = (&'static str, fn(&BoundReport) -> Cell);
    let rows: [Row; 4] = [
        ("bits a dimension", |bound| with_interval(&bound.vlb_bits_per_dim)),
        ("nats", |bound| with_interval(&bound.vlb_nats)),
        ("the network’s error in nats", |bound| with_interval(&bound.error_nats)),
        ("continuum gap (nats, signed)", |bound| with_interval(&bound.continuum_gap_nats)),
    ];
    for (name, of) in rows {
        table.push(std::iter::once(Cell::from(name)).chain(network.bounds.iter().map(of)));
    }
    table
}

fn checks(section: &mut Section, network: &NetworkReport) {
    let checks = &network.checks;
    section.subheading("What must hold");
    let information = &checks.empirical_information_nats;
    let cross = &checks.cross_term_nats;
    section.key_values([
        (
            "The parts add up",
            Cell::from(format!(
                "to {} of the bound, rounding",
                number::number(checks.largest_relative_residual)
            )),
        ),
        (
            "Information of the training images",
            Cell::from(format!(
                "{} nats, at most log n = {}: {}",
                number::number(information.value),
                number::number(checks.log_n_nats),
                if information.low <= checks.log_n_nats { "holds" } else { "does NOT hold" }
            )),
        ),
        (
            "Training error measured directly and as a difference",
            Cell::from(format!(
                "differ by {} nats ({} to {}): {}",
                number::number(cross.value),
                number::number(cross.low),
                number::number(cross.high),
                if cross.low <= 0.0 && cross.high >= 0.0 {
                    "no more than chance"
                } else {
                    "more than chance"
                }
            )),
        ),
    ]);
}
