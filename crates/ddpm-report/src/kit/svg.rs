//! Plots as SVG.
//!
//! A page shows the same plot laid out twice, for wide and for narrow columns, since scaling one picture to a phone would
//! leave its text unreadable. Colours are classes, so that the style sheet can change them for dark mode and print.

mod frame;
mod legend;
mod mark_shapes;
mod marks;
mod pixels;

use maud::{Markup, PreEscaped, html};

use super::{describe, palette, plot::Plot, prepare::prepare, prepared::Prepared};
use frame::Frame;
pub(super) use pixels::Width;
use pixels::px;

/// Room around a plot that is a file of its own.
const MARGIN: f64 = 12.0;

impl Plot {
    /// The plot as an SVG file of its own.
    pub fn to_svg(&self) -> String {
        let prepared = prepare(self);
        let frame = Frame::new(&prepared, Width::Wide);
        let (width, height) = (px(frame.width + 2.0 * MARGIN), px(frame.height + 2.0 * MARGIN));
        let corner = px(-MARGIN);
        let markup = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
                viewBox={ (corner) " " (corner) " " (width) " " (height) }
                class="plot-svg" role="img" aria-labelledby="plot-title plot-desc" {
                title id="plot-title" { (self.title) }
                desc id="plot-desc" { (describe::summary(&prepared)) }
                style { (PreEscaped(style())) }
                rect class="page" x=(corner) y=(corner) width=(width) height=(height) fill=(palette::BACKGROUND[0]) {}
                (body(&prepared, &frame, "plot"))
            }
        };
        let mut text = printable(markup.into_string());
        text.push('\n');
        text
    }
}

/// A picture within a page, whose ids begin with `id`.
pub(super) fn embedded(prepared: &Prepared<'_>, width: Width, id: &str) -> Markup {
    let frame = Frame::new(prepared, width);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (px(frame.width)) " " (px(frame.height)) }
            class={ "plot-svg " (width.class()) } role="img" aria-labelledby={ (id) "-title " (id) "-desc" }
            data-x=(frame.x.describe()) data-y=(frame.y.describe()) {
            title id={ (id) "-title" } { (prepared.plot.title) }
            desc id={ (id) "-desc" } { (describe::summary(prepared)) }
            (body(prepared, &frame, id))
        }
    }
}

fn body(prepared: &Prepared<'_>, frame: &Frame, id: &str) -> Markup {
    html! {
        (frame.draw_ground())
        (legend::draw(prepared, &frame.legend))
        (marks::draw(prepared, frame, id))
        (frame.draw_axes())
        (marks::references(prepared, frame))
    }
}

/// The style of plots: rules of their own, the colours of series on light pages, and on dark screens.
pub(super) fn style() -> String {
    let (light, dark) = (palette::rules(&palette::LIGHT), palette::rules(&palette::DARK));
    include_str!("plot.css").replace("/*light*/", &light).replace("/*dark*/", &dark)
}

/// Without the control characters that XML cannot hold in any form.
pub(super) fn printable(mut text: String) -> String {
    text.retain(
        |c| !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}'),
    );
    text
}
