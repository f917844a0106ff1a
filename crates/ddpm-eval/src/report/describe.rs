//! A plot in words and numbers: for readers who do not see it, and for those who want the values.

use maud::{Markup, html};
use serde::Serialize;

use super::{
    decimate, number, palette,
    plot::{Scale, Style},
    prepare::{Prepared, PreparedPoint, PreparedSeries},
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

fn interval_text(point: &PreparedPoint) -> Option<String> {
    // Stacks hold their intervals shifted to where they are drawn.
    let shift = point.top - point.value;
    let (low, high) = point.interval?;
    Some(format!("{} to {}", number::number(low - shift), number::number(high - shift)))
}

/// The values as tables; series at the same places share one.
pub(super) fn table(prepared: &Prepared<'_>) -> Markup {
    let same_places = |a: &PreparedSeries<'_>, b: &PreparedSeries<'_>| {
        a.points.len() == b.points.len() && a.points.iter().zip(&b.points).all(|(a, b)| a.x == b.x)
    };
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
                                @if has_intervals(series) { th scope="col" { "interval" } }
                            }
                        }
                    }
                    tbody {
                        @for row in (0..rows).filter(|row| row % stride == 0 || row + 1 == rows) {
                            tr {
                                td { (group.first().map_or_else(String::new, |s| x_text(prepared, s.points[row].x))) }
                                @for series in group {
                                    td { (number::number(series.points[row].value)) }
                                    @if has_intervals(series) { td { (interval_text(&series.points[row]).unwrap_or_default()) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn has_intervals(series: &PreparedSeries<'_>) -> bool {
    series.points.iter().any(|point| point.interval.is_some())
}

/// What the script needs to show values at the pointer. Numbers travel as the text that is shown.
#[derive(Serialize)]
struct PointerData<'a> {
    x_label: &'a str,
    categories: Option<&'a [String]>,
    /// Whether the nearest point is sought in both directions, as among scattered points.
    scattered: bool,
    series: Vec<PointerSeries<'a>>,
}

#[derive(Serialize)]
struct PointerSeries<'a> {
    name: &'a str,
    class: String,
    /// Whether a dot marks the point at the cursor; bars and areas have none.
    dot: bool,
    x: Vec<String>,
    y: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<Vec<String>>,
}

/// The pointer's data as JSON that can stand within a `script` element.
pub(super) fn pointer_json(prepared: &Prepared<'_>) -> String {
    let series = prepared.series.iter().filter(|s| !s.points.is_empty()).map(|s| {
        let tops: Vec<f64> = s.points.iter().map(|p| p.top).collect();
        let points: Vec<&PreparedPoint> =
            decimate::selection(&tops, POINTER_RUNS).into_iter().map(|i| &s.points[i]).collect();
        PointerSeries {
            name: if s.source.name.is_empty() { &prepared.plot.y.label } else { &s.source.name },
            class: s.place.map_or_else(|| "guide".to_owned(), palette::class),
            dot: !(s.source.style.is_bars() || s.source.style.is_stacked()),
            x: points.iter().map(|p| number::coordinate(p.x)).collect(),
            y: points.iter().map(|p| number::plain(p.value, number::DIGITS)).collect(),
            interval: has_intervals(s)
                .then(|| points.iter().map(|p| interval_text(p).unwrap_or_default()).collect()),
        }
    });
    let data = PointerData {
        x_label: &prepared.plot.x.label,
        categories: match &prepared.plot.x.scale {
            Scale::Categories(names) => Some(names),
            _ => None,
        },
        scattered: prepared.series.iter().all(|s| matches!(s.source.style, Style::Points)),
        series: series.collect(),
    };
    // Text and numbers always serialize; an empty object makes the script leave the plot alone.
    let json = serde_json::to_string(&data).unwrap_or_else(|_| "{}".to_owned());
    // Neither `</script>` nor `<!--` may appear within the element.
    json.replace('<', "\\u003c")
}
