//! A plot as a description for screen readers, as tables of its values, and as data for the pointer script.

use std::collections::BTreeSet;

use ddpm_core::interval::Interval;
use maud::{Markup, html};
use serde::Serialize;

use super::{
    decimate, number, palette,
    plot::{Scale, Style},
    prepared::{Prepared, PreparedPoint, PreparedSeries},
};

/// Rows of a data table; longer series are thinned evenly.
const TABLE_ROWS: usize = 200;
/// Runs into which a long series is cut for the pointer, four points each.
const POINTER_RUNS: usize = 500;

/// What the plot says, for its `desc`.
pub(super) fn summary(prepared: &Prepared<'_>) -> String {
    let plot = prepared.plot;
    let mut sentences = Vec::new();
    if !plot.description.is_empty() {
        sentences.push(plot.description.clone());
    }
    let kind = |log: bool| if log { " (logarithmic)" } else { "" };
    let y = [plot.y.label.as_str(), kind(prepared.y.log)].concat();
    let x = [plot.x.label.as_str(), kind(prepared.x.log)].concat();
    sentences.push(format!("{y} against {x}."));
    for series in &prepared.series {
        sentences.push(extent(prepared, series));
    }
    for reference in &prepared.references {
        sentences.push(format!("Marked: {} at {}.", reference.label, number::number(reference.value)));
    }
    sentences.extend(prepared.notes.iter().cloned());
    sentences.join(" ")
}

fn extent(prepared: &Prepared<'_>, series: &PreparedSeries<'_>) -> String {
    let by_value = |a: &&PreparedPoint, b: &&PreparedPoint| a.value.total_cmp(&b.value);
    let points = &series.points;
    let name = if series.source.name.is_empty() { "The series" } else { &series.source.name };
    match (points.iter().min_by(by_value), points.iter().max_by(by_value), points.last()) {
        (Some(lowest), Some(highest), Some(last)) => {
            let say = |p: &PreparedPoint| format!("{} at {}", number::number(p.value), x_text(prepared, p.x));
            format!(
                "{name}: {} points, lowest {}, highest {}, last {}.",
                number::count(points.len() as u64),
                say(lowest),
                say(highest),
                say(last)
            )
        }
        _ => format!("{name}: no data."),
    }
}

/// A place on the horizontal axis: the category's name, or the number.
fn x_text(prepared: &Prepared<'_>, x: f64) -> String {
    match &prepared.plot.x.scale {
        Scale::Categories(names) if x >= 0.0 && x.fract() == 0.0 => {
            names.get(x as usize).cloned().unwrap_or_else(|| number::coordinate(x))
        }
        _ => number::typeset(&number::coordinate(x)),
    }
}

/// The value with its interval.
fn value_text(point: &PreparedPoint) -> String {
    let Some((low, high)) = point.interval else { return number::number(point.value) };
    // In a stack the interval lies around the top of the piece.
    let shift = point.value - point.top;
    number::interval(&Interval { value: point.value, low: low + shift, high: high + shift })
}

fn same_places(a: &PreparedSeries<'_>, b: &PreparedSeries<'_>) -> bool {
    a.points.len() == b.points.len() && a.points.iter().zip(&b.points).all(|(a, b)| a.x == b.x)
}

/// The values as tables; series at the same places share one.
pub(super) fn table(prepared: &Prepared<'_>) -> Markup {
    let drawn: Vec<&PreparedSeries<'_>> = prepared.series.iter().filter(|s| !s.points.is_empty()).collect();
    html! {
        @for group in drawn.chunk_by(|a, b| same_places(a, b)) {
            @let rows = group.first().map_or(0, |series| series.points.len());
            @let stride = rows.div_ceil(TABLE_ROWS).max(1);
            @if stride > 1 {
                p { "Every " (number::count(stride as u64)) "th of " (number::count(rows as u64)) " points, and the last." }
            }
            div class="scroll" tabindex="0" role="region" aria-label={ "Data of “" (prepared.plot.title) "”" } {
                table {
                    thead {
                        tr {
                            th scope="col" { (prepared.plot.x.label) }
                            @for series in group {
                                th scope="col" { @if series.source.name.is_empty() { (prepared.plot.y.label) } @else { (series.source.name) } }
                            }
                        }
                    }
                    tbody {
                        @for row in (0..rows).filter(|row| row % stride == 0 || row + 1 == rows) {
                            tr {
                                td { (group.first().map_or_else(String::new, |s| x_text(prepared, s.points[row].x))) }
                                @for series in group {
                                    td { (value_text(&series.points[row])) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What the script needs to show values at the pointer.
#[derive(Serialize)]
struct PointerData<'a> {
    x_label: &'a str,
    /// Whether the nearest point is sought in both directions, as among scattered points.
    scattered: bool,
    series: Vec<PointerSeries<'a>>,
}

/// Lists are joined by [`SEPARATOR`].
#[derive(Serialize)]
struct PointerSeries<'a> {
    name: &'a str,
    class: String,
    /// Whether a dot marks the point at the cursor; bars and areas have none.
    dot: bool,
    x: String,
    y: String,
    /// How the numbers of `x` are shown, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    x_text: Option<String>,
    /// How the numbers of `y` are shown, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    y_text: Option<String>,
}

/// Parts numbers in [`PointerSeries`], and appears in none of them.
const SEPARATOR: &str = "|";

/// The pointer's data as JSON that can stand within a `script` element.
pub(super) fn pointer_json(prepared: &Prepared<'_>) -> String {
    let drawn: Vec<&PreparedSeries<'_>> = prepared.series.iter().filter(|s| !s.points.is_empty()).collect();
    let data = PointerData {
        x_label: &prepared.plot.x.label,
        scattered: prepared.series.iter().all(|s| matches!(s.source.style, Style::Points)),
        series: drawn.iter().map(|series| pointer_series(prepared, series, &drawn)).collect(),
    };
    // Text and numbers always serialize; an empty object makes the script leave the plot alone.
    let json = serde_json::to_string(&data).unwrap_or_else(|_| "{}".to_owned());
    // Neither `</script>` nor `<!--` may appear within the element.
    json.replace('<', "\\u003c")
}

fn pointer_series<'a>(
    prepared: &'a Prepared<'_>,
    series: &PreparedSeries<'a>,
    drawn: &[&PreparedSeries<'_>],
) -> PointerSeries<'a> {
    // Series at the same places keep the same ones, so that the cursor finds a value of each.
    let kept: BTreeSet<usize> = drawn
        .iter()
        .filter(|other| same_places(series, other))
        .flat_map(|other| {
            let tops: Vec<f64> = other.points.iter().map(|point| point.top).collect();
            decimate::selection(&tops, POINTER_RUNS)
        })
        .collect();
    let join = |text: &dyn Fn(&PreparedPoint) -> String| {
        let texts: Vec<String> = kept.iter().map(|&i| text(&series.points[i])).collect();
        texts.join(SEPARATOR)
    };
    let x = join(&|p| number::coordinate(p.x));
    let y = join(&|p| number::plain(p.value, number::DIGITS));
    let x_text = join(&|p| x_text(prepared, p.x).replace(SEPARATOR, "/"));
    let y_text = join(&value_text);
    let name = if series.source.name.is_empty() { &prepared.plot.y.label } else { &series.source.name };
    PointerSeries {
        name,
        class: series.place.map_or_else(|| "guide".to_owned(), palette::class),
        dot: !(series.source.style.is_bars() || series.source.style.is_stacked()),
        x_text: (x_text != x).then_some(x_text),
        y_text: (y_text != y).then_some(y_text),
        x,
        y,
    }
}
