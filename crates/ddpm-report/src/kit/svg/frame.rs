//! Layout and drawing of title, axes, ticks and notes.

use maud::{Markup, html};

use super::legend;
use super::pixels::{NOTE_SIZE, TEXT_SIZE, TITLE_SIZE, Width, px};
use crate::kit::{
    measure,
    plot::Scale,
    prepared::{Domain, Prepared},
    tick::{self, Tick, Ticks},
};

const LINE_HEIGHT: f64 = 17.0;
/// Between groups: title, legend, axes, notes.
const GAP: f64 = 8.0;
const TICK_LENGTH: f64 = 5.0;
const MINOR_TICK_LENGTH: f64 = 3.0;
/// How far a name set at 45 degrees reaches to the left and downwards, per length.
const SLANT: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// Names of categories are cut beyond this length where they are set at an angle.
const MAX_SLANTED: f64 = 130.0;

/// Maps the values of an axis to pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct AxisMap {
    pub(super) domain: Domain,
    pub(super) start: f64,
    pub(super) end: f64,
}

impl AxisMap {
    pub(super) fn position(&self, value: f64) -> f64 {
        let Domain { log, min, max } = self.domain;
        let share = if log {
            if value <= 0.0 {
                return self.start;
            }
            (value.ln() - min.ln()) / (max.ln() - min.ln())
        } else {
            (value - min) / (max - min)
        };
        self.start + share * (self.end - self.start)
    }

    /// For the script that follows the pointer: scale, ends, and the pixels that they are at.
    pub(super) fn describe(&self) -> String {
        let Domain { log, min, max } = self.domain;
        let kind = if log { "log" } else { "linear" };
        format!("{kind} {min:e} {max:e} {} {}", px(self.start), px(self.end))
    }
}

/// Where everything of a plot goes.
pub(super) struct Frame {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: AxisMap,
    pub(super) y: AxisMap,
    pub(super) legend: Vec<legend::Item>,
    pub(super) empty: bool,
    title: Lines,
    y_label: Lines,
    x_label: Lines,
    notes: Lines,
    x_ticks: Ticks,
    y_ticks: Ticks,
    /// Names under the axis, where it has categories.
    categories: Option<Categories>,
}

/// Lines of text and the baseline of the first.
struct Lines {
    text: Vec<String>,
    baseline: f64,
}

impl Lines {
    /// Lines that begin at `top`, and where they end.
    fn place(text: Vec<String>, top: f64) -> (Self, f64) {
        let bottom = top + LINE_HEIGHT * text.len() as f64;
        (Self { text, baseline: top + 0.75 * LINE_HEIGHT }, bottom)
    }
}

enum Categories {
    /// Names that fit under their place, in one or more lines.
    Upright(Vec<(f64, Vec<String>)>),
    Slanted(Vec<(f64, String)>),
}

impl Frame {
    pub(super) fn new(prepared: &Prepared<'_>, size: Width) -> Self {
        let plot = prepared.plot;
        let (width, plot_height) = (size.pixels(), size.plot_height());
        let empty = prepared.series.iter().all(|series| series.points.is_empty());

        let (title, bottom) =
            Lines::place(measure::wrap(&plot.title, TITLE_SIZE * measure::BOLD, width), 0.0);
        let (legend, bottom) = legend::place(prepared, width, bottom + GAP / 2.0);
        let (y_label, bottom) =
            Lines::place(measure::wrap(&plot.y.label, TEXT_SIZE, width), bottom + GAP / 2.0);
        let top = bottom + GAP;

        let y_count = (plot_height / 45.0) as usize;
        let y_ticks = if empty { Ticks::default() } else { ticks(prepared.y, y_count) };
        let widest = y_ticks.major.iter().map(|t| measure::width(&t.label, TEXT_SIZE)).fold(0.0, f64::max);
        let left = (widest + TICK_LENGTH + 6.0).max(16.0);
        let y = AxisMap { domain: prepared.y, start: top + plot_height, end: top };

        let categories = matches!(plot.x.scale, Scale::Categories(_));
        let x_map = |right: f64| AxisMap { domain: prepared.x, start: left, end: width - right };
        let x_ticks =
            if empty || categories { Ticks::default() } else { ticks_that_fit(&x_map(12.0), width) };
        // The last label is centred on its tick, and may reach beyond the axis.
        let right = x_ticks.major.last().map_or(12.0, |last| {
            let reach = x_map(12.0).position(last.value) + measure::width(&last.label, TEXT_SIZE) / 2.0;
            12.0 + (reach - width).max(0.0)
        });
        let (x, names) = match &plot.x.scale {
            Scale::Categories(names) if !empty => {
                let (x, names) = place_categories(names, x_map(right));
                (x, Some(names))
            }
            _ => (x_map(right), None),
        };

        let below = match &names {
            None => LINE_HEIGHT,
            Some(Categories::Upright(names)) => {
                LINE_HEIGHT * names.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0) as f64
            }
            Some(Categories::Slanted(names)) => {
                let longest = names.iter().map(|(_, n)| measure::width(n, TEXT_SIZE)).fold(0.0, f64::max);
                longest * SLANT + LINE_HEIGHT
            }
        };
        let bottom = y.start + TICK_LENGTH + 2.0 + below;
        let (x_label, bottom) =
            Lines::place(measure::wrap(&plot.x.label, TEXT_SIZE, x.end - x.start), bottom + 3.0);
        let notes: Vec<String> =
            prepared.notes.iter().flat_map(|note| measure::wrap(note, NOTE_SIZE, width)).collect();
        let notes_top = bottom + if notes.is_empty() { 0.0 } else { GAP };
        let (notes, bottom) = Lines::place(notes, notes_top);
        let height = bottom + 4.0;
        Self {
            width,
            height,
            x,
            y,
            legend,
            empty,
            title,
            y_label,
            x_label,
            notes,
            x_ticks,
            y_ticks,
            categories: names,
        }
    }

    /// What lies behind the data, and the words around them.
    pub(super) fn draw_ground(&self) -> Markup {
        let (left, right, top, bottom) = (self.x.start, self.x.end, self.y.end, self.y.start);
        html! {
            (lines(&self.title, 0.0, "title", "start"))
            (lines(&self.y_label, 0.0, "label", "start"))
            (lines(&self.x_label, f64::midpoint(left, right), "label", "middle"))
            (lines(&self.notes, 0.0, "note", "start"))
            path class="grid" d=(ruler(&self.y_ticks.major, |v| {
                format!("M{} {}H{}", px(left), px(self.y.position(v)), px(right))
            })) {}
            g class="tick" text-anchor="end" {
                @for tick in &self.y_ticks.major {
                    text x=(px(left - TICK_LENGTH - 3.0)) y=(px(self.y.position(tick.value) + 4.0)) { (tick.label) }
                }
            }
            g class="tick" text-anchor="middle" {
                @for tick in &self.x_ticks.major {
                    text x=(px(self.x.position(tick.value))) y=(px(bottom + TICK_LENGTH + 13.0)) { (tick.label) }
                }
            }
            @if let Some(categories) = &self.categories { (category_names(categories, bottom)) }
            @if self.empty {
                text class="nothing" text-anchor="middle" x=(px(f64::midpoint(left, right)))
                    y=(px(f64::midpoint(top, bottom))) { "no data" }
            }
        }
    }

    /// The axes, to be drawn over what stands on them.
    pub(super) fn draw_axes(&self) -> Markup {
        let (left, right, top, bottom) = (self.x.start, self.x.end, self.y.end, self.y.start);
        let zero = self.y.domain.min < 0.0 && self.y.domain.max > 0.0 && !self.y.domain.log;
        html! {
            path class="axis" d={ "M" (px(left)) " " (px(top)) "V" (px(bottom)) "H" (px(right)) } {}
            path class="axis" d=(self.tick_marks()) {}
            @if zero {
                path class="axis" d={ "M" (px(left)) " " (px(self.y.position(0.0))) "H" (px(right)) } {}
            }
        }
    }

    fn tick_marks(&self) -> String {
        let (left, bottom) = (self.x.start, self.y.start);
        let on_x = |v: f64, length: f64| format!("M{} {}v{}", px(self.x.position(v)), px(bottom), px(length));
        let on_y = |v: f64, length: f64| format!("M{} {}h{}", px(left), px(self.y.position(v)), px(-length));
        let x_minor = self.x_ticks.minor.iter().map(|&v| on_x(v, MINOR_TICK_LENGTH));
        let y_minor = self.y_ticks.minor.iter().map(|&v| on_y(v, MINOR_TICK_LENGTH));
        let x_major = ruler(&self.x_ticks.major, |v| on_x(v, TICK_LENGTH));
        let y_major = ruler(&self.y_ticks.major, |v| on_y(v, TICK_LENGTH));
        [x_major, y_major].into_iter().chain(x_minor).chain(y_minor).collect()
    }
}

fn ruler(ticks: &[Tick], mark: impl Fn(f64) -> String) -> String {
    ticks.iter().map(|tick| mark(tick.value)).collect()
}

fn lines(lines: &Lines, x: f64, class: &str, anchor: &str) -> Markup {
    html! {
        @for (i, line) in lines.text.iter().enumerate() {
            text class=(class) x=(px(x)) y=(px(lines.baseline + LINE_HEIGHT * i as f64)) text-anchor=(anchor) {
                (line)
            }
        }
    }
}

fn ticks(domain: Domain, target: usize) -> Ticks {
    if domain.log {
        tick::log(domain.min, domain.max, target)
    } else {
        tick::linear(domain.min, domain.max, target)
    }
}

/// As many ticks as have room for their labels side by side.
fn ticks_that_fit(axis: &AxisMap, width: f64) -> Ticks {
    let widest = (width / 70.0) as usize;
    let fits = |ticks: &Ticks| {
        ticks.major.windows(2).all(|pair| {
            let room = axis.position(pair[1].value) - axis.position(pair[0].value);
            let half = |tick: &Tick| measure::width(&tick.label, TEXT_SIZE) / 2.0;
            half(&pair[0]) + half(&pair[1]) + 8.0 <= room
        })
    };
    let choices = || (2..=widest).rev().map(|target| ticks(axis.domain, target)).filter(fits);
    choices().find(|ticks| ticks.major.len() >= 2).or_else(|| choices().next()).unwrap_or_default()
}

/// Names under their places: upright where the longest word fits, otherwise at an angle. The axis begins further to the
/// right where the first name needs it.
fn place_categories(names: &[String], mut x: AxisMap) -> (AxisMap, Categories) {
    let slot = (x.end - x.start) / names.len().max(1) as f64 - 6.0;
    let longest_word = names
        .iter()
        .flat_map(|name| name.split_whitespace())
        .map(|word| measure::width(word, TEXT_SIZE))
        .fold(0.0, f64::max);
    if longest_word <= slot {
        let lines =
            |(i, name): (usize, &String)| (x.position(i as f64), measure::wrap(name, TEXT_SIZE, slot));
        return (x, Categories::Upright(names.iter().enumerate().map(lines).collect()));
    }
    let leftmost = |x: &AxisMap| {
        let start = |(i, name): (usize, &String)| {
            x.position(i as f64) - SLANT * measure::width(name, TEXT_SIZE).min(MAX_SLANTED)
        };
        names.iter().enumerate().map(start).fold(0.0, f64::min)
    };
    x.start -= leftmost(&x).max(-MAX_SLANTED / 2.0);
    let slanted = names.iter().enumerate().map(|(i, name)| {
        // What would still begin left of the picture is cut.
        let room = (x.position(i as f64) / SLANT).min(MAX_SLANTED);
        (x.position(i as f64), measure::shorten(name, TEXT_SIZE, room))
    });
    (x, Categories::Slanted(slanted.collect()))
}

fn category_names(categories: &Categories, bottom: f64) -> Markup {
    html! {
        @match categories {
            Categories::Upright(names) => {
                g class="tick" text-anchor="middle" {
                    @for (x, lines) in names {
                        @for (i, line) in lines.iter().enumerate() {
                            text x=(px(*x)) y=(px(bottom + TICK_LENGTH + 13.0 + LINE_HEIGHT * i as f64)) { (line) }
                        }
                    }
                }
            }
            Categories::Slanted(names) => {
                g class="tick" text-anchor="end" {
                    @for (x, name) in names {
                        text transform={ "translate(" (px(x + 4.0)) " " (px(bottom + TICK_LENGTH + 10.0)) ") rotate(-45)" } {
                            (name)
                        }
                    }
                }
            }
        }
    }
}
