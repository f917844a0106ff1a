//! A table of published figures beside those of a run.

use crate::kit::{Cell, Page, Table, Text, number};
use ddpm_core::interval::Interval;

/// A figure of this run.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// A value.
    Value(f64),
    /// A value with its 95 % confidence interval.
    WithInterval(Interval),
    /// A whole number.
    Count(u64),
    /// It was not measured, and why or how to.
    Not(String),
}

/// One figure, published and measured.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperRow {
    /// The quantity with its unit.
    pub quantity: String,
    /// What was published.
    pub published: String,
    /// What this run has.
    pub measured: Measured,
}

/// A table of published and measured figures.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperComparison {
    /// The publication.
    pub source: String,
    /// Its address.
    pub address: String,
    /// Under which conditions the published figures hold.
    pub conditions: String,
    /// The figures.
    pub rows: Vec<PaperRow>,
}

impl PaperComparison {
    /// Ho et al. 2020 on CIFAR-10 (tables 1 and 2; recipe in appendix B and the authors' code).
    pub fn ho2020_cifar10(
        parameters: u64,
        steps: u64,
        batch_size: usize,
        inception_score: Measured,
        fid: Measured,
        nll_bits_per_dim: Measured,
    ) -> Self {
        let row = |quantity: &str, published: &str, measured: Measured| PaperRow {
            quantity: quantity.to_string(),
            published: published.to_string(),
            measured,
        };
        let count = |quantity: &str, published: u64, measured: u64| {
            row(quantity, &number::count(published), Measured::Count(measured))
        };
        PaperComparison {
            source: "Ho et al. 2020".to_string(),
            address: "https://arxiv.org/abs/2006.11239".to_string(),
            conditions: "CIFAR-10 without labels, averaged weights, 50\u{202f}000 samples of 1000 steps, compared with the training set".to_string(),
            rows: vec![
                count("Parameters", 35_746_307, parameters),
                count("Optimizer steps", 800_000, steps),
                count("Batch size", 128, batch_size as u64),
                row("Inception score", "9.46 ± 0.11", inception_score),
                row("FID", "3.17", fid),
                row("Negative log-likelihood (bits/dim)", "≤ 3.75", nll_bits_per_dim),
            ],
        }
    }

    pub(super) fn add_to(&self, page: &mut Page) {
        let section = page.section("Comparison with the paper");
        section.paragraph(
            Text::new("The published figures of ")
                .link(&self.source, &self.address)
                .plain(format!(" ({}) beside those of this run.", self.conditions)),
        );
        let mut table = Table::new(
            "Published figures and those of this run.",
            ["quantity", self.source.as_str(), "this run"],
        );
        for row in &self.rows {
            let measured = match &row.measured {
                Measured::Value(value) => Cell::Number(*value),
                Measured::WithInterval(interval) => Cell::Measured(*interval),
                Measured::Count(count) => Cell::Count(*count),
                Measured::Not(why) if why.is_empty() => "not measured".into(),
                Measured::Not(why) => format!("not measured: {why}").into(),
            };
            table.push([row.quantity.as_str().into(), row.published.as_str().into(), measured]);
        }
        section.table(table);
    }
}
