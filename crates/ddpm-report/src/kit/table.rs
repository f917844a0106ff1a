//! Tables of names, numbers and intervals, as HTML and as text for a terminal.

use maud::{Markup, html};

use crate::ReportError;
use crate::confidence::interval_of;
use ddpm_core::interval::Interval;

use super::{
    number,
    terminal::{Column, aligned},
    text::{Footnotes, Text},
};

/// A table with headings. Cells may be strings, [`Text`], whole numbers, numbers, or intervals.
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
    /// A value with its 95 % confidence interval.
    Measured(Interval),
    /// The same of a quantity that is never negative: the interval is cut at 0.
    AtLeastZero(Interval),
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

    /// The caption and the rows in aligned columns, at most `width` characters wide where its longest words and numbers allow that.
    pub fn to_text(&self, width: usize) -> Result<String, ReportError> {
        self.check()?;
        let columns = self.columns.iter().enumerate().map(|(k, heading)| Column {
            heading: heading.to_string(),
            cells: self.rows.iter().map(|row| row[k].to_string()).collect(),
            right: self.is_numeric(k),
        });
        Ok(format!(
            "{}\n{}",
            super::terminal::wrapped(&self.caption.to_string(), width),
            aligned(&columns.collect::<Vec<_>>(), width)
        ))
    }

    /// Whether some cell has an interval.
    pub(super) fn has_intervals(&self) -> bool {
        self.rows.iter().flatten().any(Cell::has_interval)
    }

    /// Every row must have a cell for each column.
    fn check(&self) -> Result<(), ReportError> {
        let expected = self.columns.len();
        match self.rows.iter().enumerate().find(|(_, cells)| cells.len() != expected) {
            None => Ok(()),
            Some((row, cells)) => {
                let table = self.caption.to_string();
                Err(ReportError::RowLength { table, row, expected, got: cells.len() })
            }
        }
    }

    pub(super) fn render(&self, number: usize, notes: &mut Footnotes) -> Result<Markup, ReportError> {
        self.check()?;
        let numeric: Vec<bool> = (0..self.columns.len()).map(|column| self.is_numeric(column)).collect();
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

    pub(super) fn has_interval(&self) -> bool {
        matches!(self, Self::Measured(interval) | Self::AtLeastZero(interval) if interval.high > interval.low)
    }

    /// A value with a standard error, as its 95 % interval for a normal law.
    pub fn with_stderr(value: f64, stderr: f64) -> Self {
        Self::Measured(interval_of(value, stderr))
    }

    pub(super) fn render(&self, notes: &mut Footnotes) -> Markup {
        match self {
            Self::Text(text) | Self::Numeral(text) => text.render(notes),
            Self::Empty => html! { span class="none" aria-label="none" { (self) } },
            _ => html! { (self) },
        }
    }
}

/// The cell as plain text.
impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) | Self::Numeral(text) => text.fmt(f),
            Self::Count(count) => f.write_str(&number::count(*count)),
            Self::Number(value) => f.write_str(&number::number(*value)),
            Self::Percent(share) => f.write_str(&number::percent(*share)),
            Self::Measured(interval) => f.write_str(&number::interval(interval)),
            Self::AtLeastZero(interval) => f.write_str(&number::at_least_zero(interval)),
            Self::Empty => f.write_str("–"),
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

/// A value and half the width of its 95 % confidence interval.
impl From<(f64, f64)> for Cell {
    fn from((value, half): (f64, f64)) -> Self {
        Self::Measured(Interval::around(value, half))
    }
}

impl From<Interval> for Cell {
    fn from(interval: Interval) -> Self {
        Self::Measured(interval)
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
    fn text_has_aligned_columns_within_its_width() {
        let table = Table::new("Terms in nats", ["term", "nats", "what it means"])
            .row([Cell::from("initialization"), Cell::from((0.5, 0.01)), "sampling starts at N(0, I)".into()])
            .row([Cell::from("training"), Cell::AtLeastZero(Interval::around(-2.0, 4.0)), "".into()]);
        let wide = table.to_text(80).unwrap();
        let lines: Vec<&str> = wide.lines().collect();
        assert_eq!(lines[0], "Terms in nats");
        let column = lines[1].find("what it means").unwrap();
        assert_eq!(lines[2][lines[2].find("sampling").unwrap()..].trim_end(), "sampling starts at N(0, I)");
        // The columns of a line begin at the same character.
        let characters = |line: &str, at: usize| line[..at].chars().count();
        assert_eq!(characters(lines[2], lines[2].find("sampling").unwrap()), characters(lines[1], column));
        assert!(wide.contains("0 to 2.000 (consistent with 0)"), "{wide}");
        for width in [40, 60, 80] {
            let text = table.to_text(width).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= width.max(58)), "{width}\n{text}");
            for word in ["term", "nats", "what", "means", "initialization", "sampling", "N(0,"] {
                assert!(text.contains(word), "{word} at {width}\n{text}");
            }
        }
        assert!(Table::new("t", ["a", "b"]).row([1.0]).to_text(80).is_err());
    }

    #[test]
    fn a_row_of_another_length_is_an_error() {
        let table = Table::new("Errors", ["a", "b"]).row([1.0, 2.0]).row([1.0]);
        let error = table.render(1, &mut Footnotes::default()).unwrap_err().to_string();
        assert_eq!(error, "row 1 of the table “Errors” has 1 cells; expected 2, one a column");
    }
}
