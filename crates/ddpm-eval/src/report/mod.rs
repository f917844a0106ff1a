//! Reports: pages of text, tables, pictures and plots in one HTML file that needs nothing else.
//!
//! A [`Page`] is filled from top to bottom and written once; a [`Plot`] is data that a page draws, or that becomes an SVG
//! file of its own. Neither knows what is reported, and neither touches the network: the page carries its style, its one
//! small script and its pictures, and its content policy forbids the browser to fetch anything.
//!
//! Text is escaped where it enters; [`number`] is the one place where numbers become text.

mod decimate;
mod describe;
mod image;
mod measure;
pub mod number;
mod page;
mod palette;
mod plot;
mod prepare;
mod stack;
mod svg;
mod table;
mod text;
mod tick;

pub use image::Image;
pub use page::{Page, Section};
pub use plot::{Axis, ErrorStyle, Plot, Point, Reference, Scale, Series, Style};
pub use table::{Cell, Table};
pub use text::Text;

/// What can go wrong while a report is made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] ddpm_data::DataError),
    /// The bytes of a picture are neither PNG nor GIF.
    #[error("the picture “{alt}” cannot be shown: expected a PNG or GIF file, got {got}")]
    Image {
        /// What the picture shows.
        alt: String,
        /// What is wrong with its bytes.
        got: String,
    },
    /// A row of a table does not fit its columns.
    #[error("row {row} of the table “{table}” has {got} cells; expected {expected}, one a column")]
    RowLength {
        /// The table's caption.
        table: String,
        /// The row, counted from 0.
        row: usize,
        /// The number of columns.
        expected: usize,
        /// The number of cells.
        got: usize,
    },
}
