//! Pages, plots and tables: one HTML file without external resources, SVG files, and text for a terminal.
//!
//! A [`Page`] is filled from top to bottom and rendered as HTML or as terminal text. A [`Plot`] is data that a page draws, or that becomes
//! an SVG text. A [`Table`] is HTML on a page and aligned columns on a terminal. The page contains its style, its script and its pictures,
//! and its content policy forbids the browser to fetch anything.
//!
//! Text is escaped where it is rendered. [`number`] is the one place where numbers become text.

mod decimate;
mod describe;
mod image;
mod measure;
pub mod number;
mod page;
mod palette;
mod plot;
mod prepare;
mod prepared;
mod stack;
mod svg;
mod table;
mod terminal;
mod text;
mod tick;

pub use image::Image;
pub use page::{Page, Section};
pub use plot::{Axis, ErrorStyle, Plot, Point, Reference, Scale, Series, Style};
pub use table::{Cell, Table};
pub(crate) use text::capitalized;
pub use text::{Text, listed};
