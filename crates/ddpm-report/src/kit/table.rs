//! Tables of names, numbers and measured values.

use maud::{Markup, html};

use crate::ReportError;

use super::{
    number,
    text::{Footnotes, Text},
};

/// A table with headings. Cells may be strings, [`Text`], whole numbers, numbers, or `(value, standard error)`.
///
/// ```
/// # use ddpm_report::kit::{Cell, Table};
/// let table = Table::new("Error by sampler", ["sampler", "evaluations", "KL (nats)"])
///     .row([Cell::from("ddpm"), Cell::from(1000_u64), Cell::from((0.003124, 0.00012))])
///     .row([Cell::from("heun"), Cell::from(39_u64), Cell::Empty]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    caption: Text,
    columns: Vec<Text>,
    rows: Vec<Vec<Cell>>,
}

/// One entry of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(Text),
    /// A whole number, written in full.
    Count(u64),
    /// A number with four significant digits.
    Number(f64),
    /// A value with its standard error.
    Measured {
        /// The value.
        value: f64,
        /// Its standard error.
        stderr: f64,
    },
    /// A share of a whole, written in per cent.
    Percent(f64),
    /// A number that was put into words elsewhere, such as one that stands out; aligned like the others.
    Numeral(Text),
    /// Nothing: not measured, or it does not apply.
    Empty,
}

impl Table {
    /// A table without rows. Units belong into the headings: `KL (nats)`.
    pub fn new<H: Into<Text>>(caption: impl Into<Text>, columns: impl IntoIterator<Item = H>) -> Self {
        Self {
            caption: caption.into(),
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, a cell for each column.
    #[must_use]
    pub fn row<C: Into<Cell>>(mut self, cells: impl IntoIterator<Item = C>) -> Self {
        self.push(cells);
        self
    }

    /// Adds a row, a cell for each column.
    pub fn push<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(super) fn render(&self, number: usize, notes: &mut Footnotes) -> Result<Markup, ReportError> {
        let expected = self.columns.len();
        if let Some((row, cells)) = self.rows.iter().enumerate().find(|(_, cells)| cells.len() != expected) {
            let table = self.caption.to_string();
            return Err(ReportError::RowLength { table, row, expected, got: cells.len() });
        }
        let numeric: Vec<bool> = (0..expected).map(|column| self.is_numeric(column)).collect();
        let class = |column: usize| numeric[column].then_some("number");
        Ok(html! {
            div class="scroll" tabindex="0" role="region" aria-label={ "Table " (number) } {
                table {
                    caption { b { "Table " (number) "." } " " (self.caption.render(notes)) }
                    thead {
                        tr {
                            @for (i, heading) in self.columns.iter().enumerate() {
                                th scope="col" class=[class(i)] { (heading.render(notes)) }
                            }
                        }
                    }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                @for (i, cell) in row.iter().enumerate() {
                                    td class=[class(i)] { (cell.render(notes)) }
                                }
                            }
                        }
                    }
                }
            }
        })
    }

    /// Whether a column holds numbers, which stand flush right.
    fn is_numeric(&self, column: usize) -> bool {
        let mut cells =
            self.rows.iter().filter_map(|row| row.get(column)).filter(|cell| **cell != Cell::Empty);
        cells.next().is_some_and(Cell::is_numeric) && cells.all(Cell::is_numeric)
    }
}

impl Cell {
    fn is_numeric(&self) -> bool {
        !matches!(self, Self::Text(_) | Self::Empty)
    }

    pub(super) fn render(&self, notes: &mut Footnotes) -> Markup {
        match self {
            Self::Text(text) | Self::Numeral(text) => text.render(notes),
            Self::Count(count) => html! { (number::count(*count)) },
            Self::Number(value) => html! { (number::number(*value)) },
            Self::Percent(share) => html! { (number::percent(*share)) },
            Self::Measured { value, stderr } => html! { (number::measured(*value, *stderr)) },
            Self::Empty => html! { span class="none" aria-label="none" { "–" } },
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Text> for Cell {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

/// A value and its standard error.
impl From<(f64, f64)> for Cell {
    fn from((value, stderr): (f64, f64)) -> Self {
        Self::Measured { value, stderr }
    }
}

/// A number that may be missing.
impl From<Option<f64>> for Cell {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Empty, Self::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_cells_are_formatted() {
        let table = Table::new("T & U", ["name", "n", "v"])
            .row([Cell::from("<a>"), Cell::from(12_345_u64), Cell::from((0.5, 0.01))])
            .row([Cell::from("b"), Cell::Empty, Cell::from(1e-7)])
            .row([Cell::from("c"), Cell::Numeral(Text::default().strong("7")), Cell::Empty]);
        let html = table.render(3, &mut Footnotes::default()).unwrap().into_string();
        assert!(html.contains("<b>Table 3.</b> T &amp; U"), "{html}");
        assert!(html.contains("<td>&lt;a&gt;</td><td class=\"number\">12\u{202f}345</td>"), "{html}");
        assert!(html.contains("<td class=\"number\">0.500 ± 0.010</td>"), "{html}");
        assert!(html.contains("1.000×10⁻⁷"), "{html}");
        assert!(html.contains("<td class=\"number\"><strong>7</strong></td>"), "{html}");
    }

    #[test]
    fn a_row_of_another_length_is_an_error() {
        let table = Table::new("Errors", ["a", "b"]).row([1.0, 2.0]).row([1.0]);
        let error = table.render(1, &mut Footnotes::default()).unwrap_err().to_string();
        assert_eq!(error, "row 1 of the table “Errors” has 1 cells; expected 2, one a column");
    }
}
