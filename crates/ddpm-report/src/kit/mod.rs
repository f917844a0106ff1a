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
