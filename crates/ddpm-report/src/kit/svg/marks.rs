//! Drawing of lines, marks, bars, intervals and reference lines.

use std::{collections::HashSet, fmt::Write};

use maud::{Markup, html};

use super::{
    frame::{AxisMap, Frame},
    mark_shapes::{MARK_SIZE, mark},
    pixels::px,
};
use crate::kit::{
    decimate::{self, Place},
    palette,
    plot::{ErrorStyle, Reference, Style},
    prepared::{Prepared, PreparedPoint, PreparedSeries},
};

/// How much of the distance between neighbours a group of bars fills.
const BAR_SHARE: f64 = 0.8;
/// Half the length of the caps of an error bar, in pixels.
const CAP: f64 = 3.0;

pub(super) fn draw(prepared: &Prepared<'_>, frame: &Frame, id: &str) -> Markup {
    let (left, right, top, bottom) = (frame.x.start, frame.x.end, frame.y.end, frame.y.start);
    let bar_groups =
        |series: &[PreparedSeries<'_>]| series.iter().filter(|s| s.source.style == Style::Bars).count();
    let groups = bar_groups(&prepared.series);
    html! {
        clipPath id={ (id) "-clip" } {
            // Marks at the very edge are shown whole.
            rect x=(px(left - 5.0)) y=(px(top - 5.0)) width=(px(right - left + 10.0)) height=(px(bottom - top + 10.0)) {}
        }
        g clip-path={ "url(#" (id) "-clip)" } {
            @for (i, series) in prepared.series.iter().enumerate() {
                @let side_by_side = series.source.style == Style::Bars;
                @let (group, groups) = if side_by_side { (bar_groups(&prepared.series[..i]), groups) } else { (0, 1) };
                g class=(series.place.map_or_else(|| "guide".to_owned(), palette::class)) {
                    (draw_series(series, frame, group, groups))
                }
            }
        }
    }
}

fn draw_series(series: &PreparedSeries<'_>, frame: &Frame, group: usize, groups: usize) -> Markup {
    let place = series.place.unwrap_or(0);
    let style = series.source.style;
    let dash = if style == Style::Line { palette::DASHES[place % palette::DASHES.len()] } else { "" };
    let bars = style.is_bars().then(|| Bars::new(&series.points, &frame.x, group, groups));
    let centre = |i: usize, p: &PreparedPoint| {
        bars.as_ref().map_or_else(|| frame.x.position(p.x), |bars| bars.centre(i))
    };
    html! {
        @if series.source.error == ErrorStyle::Band {
            path class="band" d=(band(&series.points, frame)) fill="currentColor" {}
        }
        @match style {
            Style::Line | Style::Guide => {
                path class="line" d=(line(&series.points, frame)) fill="none" stroke="currentColor" stroke-dasharray=[(!dash.is_empty()).then_some(dash)] {}
            }
            Style::Faint => path class="line faint" d=(line(&series.points, frame)) fill="none" stroke="currentColor" {},
            Style::LineAndPoints => {
                path class="line" d=(line(&series.points, frame)) fill="none" stroke="currentColor" {}
                path class="mark" d=(scatter(&series.points, frame, place)) fill="currentColor" {}
            }
            Style::Points => path class="mark" d=(scatter(&series.points, frame, place)) fill="currentColor" {},
            Style::Bars | Style::StackedBars => {
                @if let Some(bars) = &bars {
                    path class="fill" d=(bars.path(&series.points, &frame.y)) fill="currentColor" {}
                }
            }
        }
        @if series.source.error == ErrorStyle::Bars {
            path class={ "error" @if style.is_bars() { " over" } } fill="none" stroke="currentColor"
                d=(error_bars(&series.points, &frame.y, centre)) {}
        }
    }
}

fn line(points: &[PreparedPoint], frame: &Frame) -> String {
    let places: Vec<Place> = points
        .iter()
        .map(|p| Place { x: frame.x.position(p.x), y: frame.y.position(p.top), gap: p.gap })
        .collect();
    let places = decimate::line(&places);
    let mut path = String::new();
    for (i, place) in places.iter().enumerate() {
        let command = if place.gap || i == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{} {}", px(place.x), px(place.y));
        let alone = place.gap && places.get(i + 1).is_none_or(|next| next.gap);
        if alone {
            // A line of no length with round ends is a dot.
            path.push_str("h0");
        }
    }
    path
}

/// The region between the lower and upper ends of the intervals; broken where a point has none.
fn band(points: &[PreparedPoint], frame: &Frame) -> String {
    let mut path = String::new();
    for run in points.chunk_by(|_, next| !next.gap && next.interval.is_some()) {
        let edge = |end: fn((f64, f64)) -> f64| -> Vec<Place> {
            run.iter()
                .filter_map(|p| p.interval.map(|interval| (p.x, end(interval))))
                .map(|(x, y)| Place { x: frame.x.position(x), y: frame.y.position(y), gap: false })
                .collect()
        };
        outline(&mut path, &decimate::line(&edge(|i| i.1)), &decimate::line(&edge(|i| i.0)));
    }
    path
}

/// Along `upper` and back along `lower`.
fn outline(path: &mut String, upper: &[Place], lower: &[Place]) {
    for (i, place) in upper.iter().chain(lower.iter().rev()).enumerate() {
        let _ = write!(path, "{}{} {}", if i == 0 { 'M' } else { 'L' }, px(place.x), px(place.y));
    }
    if !upper.is_empty() {
        path.push('Z');
    }
}

/// One mark at each distinct place.
fn scatter(points: &[PreparedPoint], frame: &Frame, place: usize) -> String {
    let mut seen = HashSet::new();
    points
        .iter()
        .map(|p| (frame.x.position(p.x), frame.y.position(p.top)))
        .filter(|&(x, y)| seen.insert(((x * 2.0).round() as i64, (y * 2.0).round() as i64)))
        .map(|(x, y)| mark(place, x, y, MARK_SIZE))
        .collect()
}

/// Where the bars of a series stand. Each is as wide as the distance to its nearer neighbour allows.
struct Bars {
    /// Left edge and width, in pixels.
    extents: Vec<(f64, f64)>,
}

impl Bars {
    fn new(points: &[PreparedPoint], x: &AxisMap, group: usize, groups: usize) -> Self {
        let centres: Vec<f64> = points.iter().map(|p| x.position(p.x)).collect();
        let mut sorted = centres.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        let room = |centre: f64| {
            let i = sorted.partition_point(|&other| other < centre);
            let before = i.checked_sub(1).and_then(|j| sorted.get(j)).map(|other| centre - other);
            let after = sorted.get(i + 1).map(|other| other - centre);
            let nearest = before.into_iter().chain(after).fold(f64::INFINITY, f64::min);
            nearest.min(0.5 * (x.end - x.start))
        };
        let extents = centres.iter().map(|&centre| {
            let all = BAR_SHARE * room(centre);
            let width = (all / groups.max(1) as f64).max(0.5);
            (centre - all / 2.0 + width * group as f64, width)
        });
        Self { extents: extents.collect() }
    }

    fn centre(&self, i: usize) -> f64 {
        self.extents.get(i).map_or(0.0, |(left, width)| left + width / 2.0)
    }

    fn path(&self, points: &[PreparedPoint], y: &AxisMap) -> String {
        let mut path = String::new();
        for (p, (left, width)) in points.iter().zip(&self.extents) {
            let (top, base) = (y.position(p.top), p.base.map_or(y.start, |base| y.position(base)));
            let _ = write!(path, "M{} {}h{}V{}h-{}Z", px(*left), px(base), px(*width), px(top), px(*width));
        }
        path
    }
}

fn error_bars(
    points: &[PreparedPoint],
    y: &AxisMap,
    centre: impl Fn(usize, &PreparedPoint) -> f64,
) -> String {
    let mut path = String::new();
    for (i, p) in points.iter().enumerate() {
        let Some((low, high)) = p.interval else { continue };
        let (x, low, high) = (centre(i, p), y.position(low), y.position(high));
        let caps = px(2.0 * CAP);
        let _ =
            write!(path, "M{0} {1}V{2}M{3} {1}h{caps}M{3} {2}h{caps}", px(x), px(low), px(high), px(x - CAP));
    }
    path
}

/// Lines across the plot at marked values; the legend names them, since a label in the plot would cover what is drawn.
pub(super) fn references(prepared: &Prepared<'_>, frame: &Frame) -> Markup {
    let (left, right) = (frame.x.start, frame.x.end);
    html! {
        g class="reference" {
            @for Reference { value, .. } in &prepared.references {
                path d={ "M" (px(left)) " " (px(frame.y.position(*value))) "H" (px(right)) } fill="none" {}
            }
        }
    }
}
