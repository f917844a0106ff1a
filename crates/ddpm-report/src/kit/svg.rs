//! Plots as SVG.
//!
//! A page shows the same plot laid out twice, for wide and for narrow columns, since scaling one picture to a phone would
//! leave its text unreadable. Colours are classes, so that the style sheet can change them for dark mode and print.

mod frame;
mod legend;
mod marks;

use maud::{Markup, PreEscaped, html};

use super::{
    describe, palette,
    plot::Plot,
    prepare::{Prepared, prepare},
};
use frame::Frame;

/// Room around a plot that is a file of its own.
const MARGIN: f64 = 12.0;

/// The width of a plot's own coordinate system, in pixels at full size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Wide,
    Narrow,
}

impl Width {
    fn pixels(self) -> f64 {
        match self {
            Self::Wide => 736.0,
            Self::Narrow => 360.0,
        }
    }

    fn plot_height(self) -> f64 {
        match self {
            Self::Wide => 280.0,
            Self::Narrow => 220.0,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }
}

/// A file of its own.
pub(super) fn standalone(plot: &Plot) -> String {
    let prepared = prepare(plot);
    let frame = Frame::new(&prepared, Width::Wide);
    let (width, height) = (px(frame.width + 2.0 * MARGIN), px(frame.height + 2.0 * MARGIN));
    let corner = px(-MARGIN);
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
            viewBox={ (corner) " " (corner) " " (width) " " (height) }
            class="plot-svg" role="img" aria-labelledby="plot-title plot-desc" {
            title id="plot-title" { (plot.title) }
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

/// A coordinate in an attribute: tenths of a pixel are enough.
pub(super) fn px(value: f64) -> String {
    // Far outside the picture is as good as anywhere outside, and keeps renderers from overflowing.
    let rounded = (value.clamp(-1e5, 1e5) * 10.0).round() / 10.0 + 0.0;
    rounded.to_string()
}

/// Without the control characters that XML cannot hold in any form.
pub(super) fn printable(mut text: String) -> String {
    text.retain(
        |c| !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}'),
    );
    text
}
