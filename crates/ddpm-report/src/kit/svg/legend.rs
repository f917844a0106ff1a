//! The legend: the names of the series and of the marked values, each beside a sample of its style.

use maud::{Markup, html};

use super::{
    mark_shapes::{MARK_SIZE, mark},
    pixels::{TEXT_SIZE, px},
};
use crate::kit::{measure, palette, plot::Style, prepared::Prepared};

const ROW_HEIGHT: f64 = 18.0;
/// The length of a line's sample.
const LINE: f64 = 24.0;
/// The width of the other samples: a mark, or a patch of colour.
const PATCH: f64 = 12.0;
/// Between a sample and its name.
const GAP: f64 = 6.0;
/// Between a name and the next sample.
const ITEM_GAP: f64 = 18.0;

/// One entry, at its place.
pub(super) struct Item {
    x: f64,
    /// The middle of the row.
    y: f64,
    name: String,
    /// The series; none for a marked value.
    series: Option<usize>,
}

/// Fills rows of `width` from `top` on; returns where they end. A single series needs no legend: the axis names it.
pub(super) fn place(prepared: &Prepared<'_>, width: f64, top: f64) -> (Vec<Item>, f64) {
    let mut items: Vec<Item> = Vec::new();
    if prepared.series.len() + prepared.references.len() < 2 {
        return (items, top);
    }
    let series = prepared.series.iter().enumerate().map(|(k, s)| (s.source.name.as_str(), Some(k)));
    let marked = prepared.references.iter().map(|reference| (reference.label.as_str(), None));
    let (mut x, mut y) = (0.0, top + ROW_HEIGHT / 2.0);
    for (name, series) in series.chain(marked).filter(|(name, _)| !name.is_empty()) {
        let sample = sample_width(prepared, series);
        let name = measure::shorten(name, TEXT_SIZE, width - sample - GAP);
        let item_width = sample + GAP + measure::width(&name, TEXT_SIZE);
        if x > 0.0 && x + item_width > width {
            (x, y) = (0.0, y + ROW_HEIGHT);
        }
        items.push(Item { x, y, name, series });
        x += item_width + ITEM_GAP;
    }
    let bottom = if items.is_empty() { top } else { y + ROW_HEIGHT / 2.0 };
    (items, bottom)
}

pub(super) fn draw(prepared: &Prepared<'_>, items: &[Item]) -> Markup {
    html! {
        g class="legend" {
            @for item in items {
                (sample(prepared, item))
                text x=(px(item.x + sample_width(prepared, item.series) + GAP)) y=(px(item.y + 4.0)) { (item.name) }
            }
        }
    }
}

fn sample_width(prepared: &Prepared<'_>, series: Option<usize>) -> f64 {
    match series.map(|series| prepared.series[series].source.style) {
        Some(Style::Bars | Style::StackedBars | Style::Points) => PATCH,
        _ => LINE,
    }
}

fn sample(prepared: &Prepared<'_>, item: &Item) -> Markup {
    let line = format!("M{} {}h{}", px(item.x), px(item.y), px(LINE));
    let Some(series) = item.series.map(|series| &prepared.series[series]) else {
        return html! { g class="reference" { path d=(line) fill="none" {} } };
    };
    let style = series.source.style;
    let place = series.place.unwrap_or(0);
    let class = series.place.map_or_else(|| "guide".to_owned(), palette::class);
    let centre = (item.x + sample_width(prepared, item.series) / 2.0, item.y);
    html! {
        g class=(class) {
            @match style {
                Style::Bars | Style::StackedBars => {
                    rect class="fill" x=(px(item.x)) y=(px(item.y - 6.0)) width=(px(PATCH)) height="12" fill="currentColor" {}
                }
                Style::Points => path class="mark" d=(mark(place, centre.0, centre.1, MARK_SIZE)) fill="currentColor" {},
                Style::Faint => path class="line faint" d=(line) fill="none" stroke="currentColor" {},
                Style::Guide => path class="line" d=(line) fill="none" stroke="currentColor" {},
                Style::Line => {
                    path class="line" d=(line) fill="none" stroke="currentColor"
                        stroke-dasharray=(palette::DASHES[place % palette::DASHES.len()]) {}
                }
                Style::LineAndPoints => {
                    path class="line" d=(line) fill="none" stroke="currentColor" {}
                    path class="mark" d=(mark(place, centre.0, centre.1, MARK_SIZE)) fill="currentColor" {}
                }
            }
        }
    }
}
