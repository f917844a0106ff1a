//! The variational bound and its parts by floor, and consistency checks.

use crate::kit::{Cell, Page, Section, Table, Text, number};
use crate::results::{BoundReport, DecomposeReport, Floor, FloorReport, NetworkReport};

pub(super) fn add_to(page: &mut Page, result: &DecomposeReport) {
    let Some(network) = &result.network else { return };
    let section = page.section("Variational bound and its parts");
    section.paragraph(
        "The variational bound (VLB) is the code length of an image under the model. For every floor it is exactly L_T + discretization + training \
         + information + L_0. Another floor moves nats between the parts and leaves the bound as it is. Information and most of L_0 belong to the \
         images and are no error.",
    );
    section.table(parts(network));
    for floor in &network.floors {
        section.paragraph(
            Text::default().strong(floor.floor.to_string()).plain(": ").plain(floor.floor.meaning()),
        );
    }
    section.table(bounds(network));
    section.paragraph(
        "The continuum gap is the bound minus that of infinitely many steps. It has a sign and is not the discretization error: with an imperfect \
         denoiser, more steps can raise the bound.",
    );
    checks(section, network);
}

/// The parts of the bound, a column for each floor.
pub(super) fn parts(network: &NetworkReport) -> Table {
    let caption = Text::new("Parts of the variational bound by floor.").footnote(
        "Intervals are over images: each image has its own noise, and its errors are summed over the levels first. They contain neither the \
         quadrature error nor the variance between training runs.",
    );
    let rows: [Row<FloorReport>; 7] = [
        ("L_T", |floor| floor.l_t_nats.into()),
        ("discretization", |floor| floor.discretization_nats.into()),
        ("training", |floor| floor.training_nats.into()),
        ("information (no error)", |floor| floor.info_nats.into()),
        ("L_0", |floor| floor.l_0_nats.into()),
        ("variational bound", |floor| floor.vlb_nats.into()),
        ("quadrature error", |floor| floor.quadrature_error_nats.into()),
    ];
    by_column(caption, "part (nats)", &network.floors, |floor| floor.floor.into(), &rows)
}

/// The bound, a column for each kind of images.
pub(super) fn bounds(network: &NetworkReport) -> Table {
    let name = |bound: &BoundReport| bound.images.in_words();
    let rows: [Row<BoundReport>; 8] = [
        ("bits/dim", |bound| bound.vlb_bits_per_dim.into()),
        ("nats", |bound| bound.vlb_nats.into()),
        ("L_T (nats)", |bound| bound.l_t_nats.into()),
        ("sum of L_t-1 (nats)", |bound| bound.denoising_nats.into()),
        ("L_0 (nats)", |bound| bound.l_0_nats.into()),
        ("the network’s error (nats)", |bound| bound.error_nats.into()),
        ("continuum gap (nats, signed)", |bound| bound.continuum_gap_nats.into()),
        ("error of interpolating between levels (nats)", |bound| bound.quadrature_error_nats.into()),
    ];
    by_column("The variational bound.".into(), "quantity", &network.bounds, name, &rows)
}

/// A quantity and how to read it from an item.
type Row<T> = (&'static str, fn(&T) -> Cell);

/// A table with a row for each quantity and a column for each item.
fn by_column<T>(
    caption: Text,
    quantity: &'static str,
    items: &[T],
    name: impl Fn(&T) -> &'static str,
    rows: &[Row<T>],
) -> Table {
    let mut table = Table::new(caption, std::iter::once(quantity).chain(items.iter().map(name)));
    for (quantity, of) in rows {
        table.push(std::iter::once(Cell::from(*quantity)).chain(items.iter().map(of)));
    }
    table
}

/// Two inequalities that hold for every network.
pub(super) fn checks(section: &mut Section, network: &NetworkReport) {
    let checks = &network.checks;
    let (information, cross) = (&checks.empirical_information_nats, &checks.cross_term_nats);
    let chance = cross.contains(0.0);
    section.subheading("Consistency checks");
    section.key_values([
        (
            "Information of the training images",
            format!(
                "{} nats, at most log n = {}: {}",
                number::interval(information),
                number::number(checks.log_n_nats),
                if information.low <= checks.log_n_nats { "holds" } else { "DOES NOT HOLD" }
            ),
        ),
        (
            "Training error measured directly and as a difference",
            format!(
                "the two differ by {} nats: {}",
                number::interval(cross),
                if chance { "consistent with 0" } else { "NOT consistent with 0" }
            ),
        ),
    ]);
}

impl Floor {
    /// What the floor is, in a sentence or two.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Floor::EmpiricalTraining => {
                "the exact denoiser of the training images as a finite set (the empirical, memorizing denoiser), on training images. The terms are \
                 exact for a sampler that should reproduce this very set: training is the distance from memorizing it. With --reference BETTER it is what a \
                 better network would remove."
            }
            Floor::Reference => {
                "a better network, on held-out images. Training is what that network would remove."
            }
            Floor::EmpiricalLowerBound => {
                "the error of the empirical denoiser on training images, against the network on held-out images. No denoiser of the population has a \
                 smaller error in expectation, so that training is an upper bound."
            }
        }
    }
}
