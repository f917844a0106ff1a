//! Pictures of densities (contours), vector fields (arrows) and points in the plane: one SVG with a row of square panels.

use super::contour::Grid;
use crate::ReportError;
use crate::kit::Image;
use maud::{Markup, PreEscaped, html};
use std::fmt::Write;
use std::path::Path;

/// An arrow at a point of the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrow {
    /// Where it begins.
    pub at: [f64; 2],
    /// Its direction and size.
    pub along: [f64; 2],
}

/// One square panel. Everything is in the plane's own coordinates, the second one upwards.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// What it shows, above it.
    pub title: String,
    /// Lines of equal density, the least dense first, each as closed lines.
    pub(super) contours: Vec<Vec<Vec<[f64; 2]>>>,
    /// Points.
    pub points: Vec<[f64; 2]>,
    /// The exact field, drawn broad and pale.
    pub exact: Vec<Arrow>,
    /// The learned field, drawn thin on top.
    pub learned: Vec<Arrow>,
}

/// A row of panels over one square of the plane.
#[derive(Clone, Debug)]
pub struct PlanePicture {
    /// What the picture shows, for readers who cannot see it.
    pub description: String,
    /// The square's least coordinates.
    pub low: [f64; 2],
    /// Its side.
    pub side: f64,
    /// The panels.
    pub panels: Vec<Panel>,
}

/// Side of a panel and the room between panels, in pixels.
const PANEL: f64 = 300.0;
const GAP: f64 = 14.0;
const TITLE: f64 = 22.0;
/// Cells of the grid on which densities are contoured.
const CELLS: usize = 90;
/// Contours at these shares of the greatest density.
const SHARES: [f64; 5] = [0.03, 0.15, 0.35, 0.6, 0.85];

const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif;fill:#1d2126}\
.page{fill:#fff}.frame{fill:none;stroke:#767c83}.density path{fill:#0072b2;fill-opacity:.11;stroke:#0072b2;stroke-opacity:.45;stroke-width:.8}\
.points{stroke:#d55e00;stroke-opacity:.55;stroke-width:2.2;stroke-linecap:round;fill:none}\
.exact{stroke:#9aa2aa;stroke-width:3.2;fill:none;stroke-linecap:round}.learned{stroke:#1d2126;stroke-width:1;fill:none}\
@media (prefers-color-scheme:dark){text{fill:#e6e8ea}.page{fill:#16191d}.density path{fill:#56b4e9;stroke:#56b4e9}.points{stroke:#e8823a}\
.exact{stroke:#5b636b}.learned{stroke:#e6e8ea}}";

impl PlanePicture {
    /// Adds the contours of a density to a panel that will be shown in this square.
    pub fn contour(&self, panel: &mut Panel, density: impl Fn([f64; 2]) -> f64) {
        let cell = self.side / CELLS as f64;
        let place = |c: f64, r: f64| [self.low[0] + cell * (c - 1.0), self.low[1] + cell * (r - 1.0)];
        // A ring of nothing around the square: lines that leave it close there, out of sight, and enclose what is dense.
        let last = CELLS + 2;
        let grid = Grid::sampled(last + 1, last + 1, |c, r| {
            let outside = c == 0 || r == 0 || c == last || r == last;
            if outside { 0.0 } else { density(place(c as f64, r as f64)) }
        });
        let largest = grid.largest();
        panel.contours = SHARES
            .iter()
            .map(|share| {
                let lines = grid.lines(share * largest);
                lines.iter().map(|line| line.iter().map(|&[c, r]| place(c, r)).collect()).collect()
            })
            .collect();
    }

    /// The picture as an SVG file that stands by itself.
    pub fn to_svg(&self) -> String {
        let (width, height) = self.size();
        let markup = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
                viewBox={ "0 0 " (width) " " (height) } role="img" aria-labelledby="plane-desc" {
                desc id="plane-desc" { (self.description) }
                style { (PreEscaped(STYLE)) }
                rect class="page" width=(width) height=(height) fill="#fff" {}
                @for (i, panel) in self.panels.iter().enumerate() { (self.draw(panel, i)) }
            }
        };
        markup.into_string() + "\n"
    }

    /// Writes [`PlanePicture::to_svg`] to a file, which appears complete or not at all.
    pub fn write_svg(&self, path: &Path) -> Result<(), ReportError> {
        Ok(ddpm_data::atomic::write_bytes(path, self.to_svg().as_bytes())?)
    }

    /// The picture for a page.
    pub fn to_image(&self) -> Image {
        let (width, height) = self.size();
        Image::from_svg(self.to_svg(), width as u32, height as u32, self.description.clone())
    }

    fn size(&self) -> (f64, f64) {
        let n = self.panels.len() as f64;
        (n * PANEL + (n + 1.0) * GAP, PANEL + TITLE + 2.0 * GAP)
    }

    fn draw(&self, panel: &Panel, index: usize) -> Markup {
        let (x, y) = (GAP + index as f64 * (PANEL + GAP), GAP + TITLE);
        let id = format!("panel-{index}");
        html! {
            g transform={ "translate(" (x) " " (y) ")" } {
                text x="0" y="-8" { (panel.title) }
                clipPath id=(id) { rect width=(PANEL) height=(PANEL) {} }
                g clip-path={ "url(#" (id) ")" } {
                    g class="density" { @for lines in &panel.contours { path d=(self.closed(lines)) {} } }
                    @if !panel.points.is_empty() { path class="points" d=(self.dots(&panel.points)) {} }
                    @if !panel.exact.is_empty() { path class="exact" d=(self.arrows(&panel.exact)) {} }
                    @if !panel.learned.is_empty() { path class="learned" d=(self.arrows(&panel.learned)) {} }
                }
                rect class="frame" width=(PANEL) height=(PANEL) {}
            }
        }
    }

    /// Pixels of a point, the second coordinate downwards.
    fn pixel(&self, point: [f64; 2]) -> [f64; 2] {
        let scale = PANEL / self.side;
        [(point[0] - self.low[0]) * scale, PANEL - (point[1] - self.low[1]) * scale]
    }

    fn closed(&self, lines: &[Vec<[f64; 2]>]) -> String {
        let mut path = String::new();
        for line in lines {
            for (i, &point) in line.iter().enumerate() {
                let [x, y] = self.pixel(point);
                let _ = write!(path, "{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" });
            }
            path.push('Z');
        }
        path
    }

    fn dots(&self, points: &[[f64; 2]]) -> String {
        points.iter().fold(String::new(), |mut path, &point| {
            let [x, y] = self.pixel(point);
            // A line of no length: its round caps are a dot.
            let _ = write!(path, "M{x:.1} {y:.1}h0");
            path
        })
    }

    fn arrows(&self, arrows: &[Arrow]) -> String {
        let mut path = String::new();
        for arrow in arrows {
            let tip = [arrow.at[0] + arrow.along[0], arrow.at[1] + arrow.along[1]];
            let ([x, y], [tx, ty]) = (self.pixel(arrow.at), self.pixel(tip));
            let (dx, dy) = (tx - x, ty - y);
            let _ = write!(path, "M{x:.1} {y:.1}l{dx:.1} {dy:.1}");
            // A head of two strokes, a third of the arrow's length.
            for side in [-1.0, 1.0] {
                let (hx, hy) = (-0.3 * dx - side * 0.18 * dy, -0.3 * dy + side * 0.18 * dx);
                let _ = write!(path, "M{tx:.1} {ty:.1}l{hx:.1} {hy:.1}");
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_holds_its_parts_inside_the_square() {
        let mut picture =
            PlanePicture { description: "a <hill>".into(), low: [-2.0, -2.0], side: 4.0, panels: vec![] };
        let mut panel = Panel { title: "q & p".into(), points: vec![[0.0, 1.0]], ..Panel::default() };
        picture.contour(&mut panel, |[x, y]| (-(x * x + y * y) * 2.0).exp());
        panel.learned = vec![Arrow { at: [0.0, 0.0], along: [1.0, 0.0] }];
        picture.panels.push(panel);
        let svg = picture.to_svg();
        assert!(svg.contains("a &lt;hill&gt;") && svg.contains("q &amp; p"));
        assert!(svg.contains("M150.0 75.0h0"), "{svg}");
        assert!(svg.contains("M150.0 150.0l75.0 "), "{svg}");
        assert_eq!(svg.matches("Z").count(), SHARES.len());
        let mut slope = Panel::default();
        picture.contour(&mut slope, |[x, _]| x + 2.0);
        for line in slope.contours.iter().flatten() {
            assert_eq!(line.first(), line.last());
        }
    }
}
