//! What holds for every page and every plot, whatever is put into them.

#![allow(clippy::unwrap_used)] // Helpers of tests fail by panicking, as tests do.

use ddpm_report::kit::{
    Axis, Cell, ErrorStyle, Image, Page, Plot, Point, Reference, Scale, Series, Style, Table, Text,
};
use proptest::prelude::*;

/// Text that would break out of an element, an attribute, a script or XML itself.
const HOSTILE: &str = "a <b> & \"c\" 'd' </script><script>alert(1)</script> <!-- ]]> \u{0}\u{8}\u{ffff} é 水";

fn parse(svg: &str) -> roxmltree::Document<'_> {
    roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{error}\n{svg}"))
}

/// Every attribute that holds coordinates is made of finite numbers.
fn assert_coordinates_are_numbers(svg: &roxmltree::Document<'_>) {
    for node in svg.descendants().filter(roxmltree::Node::is_element) {
        for attribute in node.attributes() {
            if matches!(attribute.name(), "d" | "x" | "y" | "width" | "height" | "viewBox" | "transform") {
                let words = attribute.value().to_ascii_lowercase();
                let words = words.replace("translate", "").replace("rotate", "");
                assert!(!words.contains("nan") && !words.contains("inf"), "{attribute:?}");
            }
        }
    }
}

fn pictures(html: &str) -> Vec<&str> {
    html.match_indices("<svg ")
        .map(|(start, _)| &html[start..start + html[start..].find("</svg>").unwrap() + "</svg>".len()])
        .collect()
}

fn hostile_page() -> Page {
    let plot = Plot::new(HOSTILE, Axis::categories(HOSTILE, [HOSTILE, "b"]), Axis::linear(HOSTILE))
        .description(HOSTILE)
        .series(Series::new(HOSTILE, Style::Bars, [(0.0, 1.0), (1.0, f64::NAN)]))
        .series(Series::scatter(HOSTILE, [(0.0, 2.0, 0.1)]))
        .mark_y(0.5, HOSTILE);
    let mut png = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(2, 2).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let mut page = Page::new(HOSTILE);
    page.headline(HOSTILE);
    let text = Text::new(HOSTILE)
        .strong(HOSTILE)
        .code(HOSTILE)
        .footnote(HOSTILE)
        .link(HOSTILE, "https://arxiv.org/abs/2006.11239");
    page.section(HOSTILE)
        .subheading(HOSTILE)
        .paragraph(text)
        .key_values([(HOSTILE, HOSTILE)])
        .table(Table::new(HOSTILE, [HOSTILE]).row([HOSTILE]))
        .plot(plot, HOSTILE)
        .images([Image::from_encoded(png.into_inner(), HOSTILE).unwrap()], HOSTILE)
        .preformatted(HOSTILE, HOSTILE);
    page.section("Second").paragraph("p");
    page.section("Third").paragraph("p");
    page.footer(HOSTILE);
    page
}

#[test]
fn a_page_escapes_whatever_it_is_given() {
    let html = hostile_page().to_html().unwrap();
    assert!(!html.contains("<b> &") && !html.contains("</script><script>alert"), "unescaped text");
    assert!(!html.contains('\0') && !html.contains('\u{8}'), "control characters");
    // One script of the page's own and one block of data a plot.
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("</script>").count(), 2);
}

#[test]
fn the_pictures_of_a_page_are_well_formed_and_their_ids_unique() {
    let mut page = hostile_page();
    let plot =
        Plot::new("p", Axis::linear("x"), Axis::log("y")).series(Series::line("s", [(0.0, 1.0), (1.0, 2.0)]));
    page.section("More").plot(plot.clone(), "one").plot(plot, "two");
    let html = page.to_html().unwrap();
    let pictures = pictures(&html);
    assert_eq!(pictures.len(), 6, "each plot is laid out for wide and for narrow columns");
    for picture in pictures {
        let svg = parse(picture);
        let root = svg.root_element();
        assert_eq!(root.attribute("role"), Some("img"));
        let named: Vec<&str> = root.attribute("aria-labelledby").unwrap().split(' ').collect();
        for id in named {
            let node = svg.descendants().find(|node| node.attribute("id") == Some(id)).unwrap();
            assert!(matches!(node.tag_name().name(), "title" | "desc") && node.text().is_some());
        }
    }
    let mut ids: Vec<&str> =
        html.match_indices(" id=\"").map(|(at, _)| html[at + 5..].split('"').next().unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
}

#[test]
fn a_page_refers_to_nothing_outside_itself_but_by_plain_links() {
    let html = hostile_page().to_html().unwrap();
    assert!(html.contains(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
    ));
    let allowed = [
        "xmlns=\"http://www.w3.org/2000/svg\"",
        "'http://www.w3.org/2000/svg'",
        "<a href=\"https://arxiv.org/abs/2006.11239\"",
        "http-equiv",
    ];
    let rest = allowed.iter().fold(html.clone(), |html, allowed| html.replace(allowed, ""));
    assert!(!rest.contains("http"), "{}", &rest[rest.find("http").unwrap_or(0)..][..80]);
    for reference in ["src=\"", "url(", "@import", "<link", "<iframe", "fetch(", "XMLHttpRequest"] {
        for (at, _) in html.match_indices(reference) {
            let target = &html[at + reference.len()..];
            assert!(
                target.starts_with("data:image/png;base64,") || target.starts_with('#'),
                "{reference}{}",
                &target[..40]
            );
        }
    }
}

#[test]
fn the_same_page_is_the_same_text() {
    assert_eq!(hostile_page().to_html().unwrap(), hostile_page().to_html().unwrap());
}

#[test]
fn a_page_is_written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report").join("index.html");
    let page = hostile_page();
    page.write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page.to_html().unwrap());
}

#[test]
fn an_error_in_a_table_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut page = Page::new("t");
    page.section("s").table(Table::new("short", ["a", "b"]).row([Cell::Empty]));
    let path = dir.path().join("index.html");
    let error = page.write(&path).unwrap_err().to_string();
    assert!(error.contains("“short”"), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_plot_without_data_says_so() {
    let plot = Plot::new("Empty", Axis::log("x"), Axis::log("y"))
        .series(Series::line("loss", [(0.0, 1.0), (1.0, -1.0)]));
    let text = plot.to_svg();
    let svg = parse(&text);
    let words: Vec<&str> =
        svg.descendants().filter(|n| n.has_tag_name("text")).filter_map(|n| n.text()).collect();
    assert!(words.contains(&"no data"), "{words:?}");
    let note = words.join(" ");
    assert!(note.contains("Not drawn from “loss”: of 2 points, 2 are not positive"), "{note}");
    assert!(
        !Plot::new("Full", Axis::log("x"), Axis::log("y"))
            .series(Series::line("loss", [(1.0, 1.0)]))
            .to_svg()
            .contains("no data")
    );
}

#[test]
fn a_log_axis_spaces_decades_evenly() {
    let points = [(0.0, 1e-3), (1.0, 1e-2), (2.0, 1e-1), (3.0, 1.0)];
    let text = Plot::new("t", Axis::linear("x"), Axis::log("y")).series(Series::line("s", points)).to_svg();
    let svg = parse(&text);
    let line =
        svg.descendants().find(|n| n.attribute("class") == Some("line")).unwrap().attribute("d").unwrap();
    let heights: Vec<f64> = line
        .split(['M', 'L'])
        .filter_map(|pair| pair.split_once(' '))
        .map(|(_, y)| y.parse().unwrap())
        .collect();
    let steps: Vec<f64> = heights.windows(2).map(|pair| pair[0] - pair[1]).collect();
    assert_eq!(steps.len(), 3);
    assert!(steps.iter().all(|step| *step > 50.0 && (step - steps[0]).abs() < 0.2), "{steps:?}");
}

#[test]
fn a_long_noisy_series_is_thinned_but_keeps_its_extremes() {
    let mut points: Vec<(f64, f64)> =
        (0..100_000_u32).map(|i| (f64::from(i), 1.0 + 0.1 * f64::from(i * 7919 % 1000) / 1000.0)).collect();
    points[54_321].1 = 9.0;
    let text = Plot::new("t", Axis::linear("x"), Axis::linear("y").range(0.0, 10.0))
        .series(Series::line("s", points))
        .to_svg();
    assert!(text.len() < 80_000, "{} bytes", text.len());
    let svg = parse(&text);
    let line =
        svg.descendants().find(|n| n.attribute("class") == Some("line")).unwrap().attribute("d").unwrap();
    let heights = || {
        line.split(['M', 'L']).filter_map(|pair| pair.split_once(' ')).map(|(_, y)| y.parse::<f64>().unwrap())
    };
    let (top, bottom) = (heights().fold(f64::MAX, f64::min), heights().fold(f64::MIN, f64::max));
    // 0 to 10 over 280 pixels: from 1 to 9 are 224.
    assert!((bottom - top - 224.0).abs() < 0.2, "{top} {bottom}");
}

#[test]
fn a_plot_is_a_file_of_its_own() {
    let plot = Plot::new("t", Axis::linear("x"), Axis::linear("y"))
        .series(Series::line("s", [(0.0, 1.0), (1.0, 2.0)]));
    let text = plot.to_svg();
    let svg = parse(&text);
    let style = svg.descendants().find(|n| n.has_tag_name("style")).unwrap().text().unwrap();
    assert!(style.contains("prefers-color-scheme:dark"), "the style is inside");
    assert!(!style.contains("/*light*/") && !style.contains("/*dark*/"), "the colours are filled in");
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![8 => -10.0..10.0_f64, 2 => any::<f64>(), 1 => Just(0.0), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
}

fn any_axis() -> impl Strategy<Value = Axis> {
    let scale = prop_oneof![
        Just(Scale::Linear),
        Just(Scale::Log),
        prop::collection::vec(any::<String>(), 0..5).prop_map(Scale::Categories)
    ];
    (any::<String>(), scale, prop::option::weighted(0.2, (any_value(), any_value())))
        .prop_map(|(label, scale, range)| Axis { label, scale, range, floor: 0.0 })
}

fn any_series() -> impl Strategy<Value = Series> {
    use Style::{Bars, Faint, Guide, Line, LineAndPoints, Points, StackedBars};
    let style = prop::sample::select(vec![Line, LineAndPoints, Faint, Guide, Points, Bars, StackedBars]);
    let point = (any_value(), any_value(), prop::option::of((any_value(), any_value())))
        .prop_map(|(x, y, interval)| Point { x, y, interval });
    let error = prop::sample::select(vec![ErrorStyle::Bars, ErrorStyle::Band]);
    (any::<String>(), prop::collection::vec(point, 0..20), style, error)
        .prop_map(|(name, points, style, error)| Series { name, points, style, error })
}

proptest! {
    #[test]
    fn any_plot_becomes_well_formed_svg_with_finite_coordinates(
        title in any::<String>(), x in any_axis(), y in any_axis(), series in prop::collection::vec(any_series(), 0..5),
        mark in any_value()
    ) {
        let references = vec![Reference { value: mark, label: title.clone() }];
        let plot = Plot { title, description: String::new(), x, y, series, references };
        assert_coordinates_are_numbers(&parse(&plot.to_svg()));
        let mut page = Page::new("p");
        page.section("s").plot(plot, "c");
        let html = page.to_html().unwrap();
        for picture in pictures(&html) {
            assert_coordinates_are_numbers(&parse(picture));
        }
    }
}
