//! Pictures of points: in the plane, and on a line against the noise level, with the score field where one is given.
//!
//! A picture is made of [`Panel`]s, which are drawn as pixels (PNG, frames of a GIF) or as SVG.

use anyhow::Result;
use ddpm_data::ImageShape;
use ddpm_data::atomic;
use ddpm_data::picture::{GridLayout, Picture, write_gif};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use tch::{Kind, Tensor};

/// Side of a picture of the plane, in pixels.
const SIDE: usize = 240;
/// Height of a picture against the level, and pixels from level to level.
const HEIGHT: usize = 400;
const STEP: usize = 40;
/// Paths that are drawn at most; more make one grey area.
const PATHS: usize = 200;
/// Arrows of a score field along each axis.
pub(crate) const ARROWS: usize = 15;
/// Brightness of the line around a plane.
const FRAME: u8 = 200;
/// What a point and an arrow take from the brightness.
const INK: u8 = 70;
const PALE: u8 = 45;
/// Planes beside each other.
const COLUMNS: usize = 6;

/// A place by its shares of width and height, from the lower left.
type Place = [f64; 2];

/// Points and lines in a rectangle.
struct Panel {
    width: usize,
    height: usize,
    framed: bool,
    dots: Vec<Place>,
    paths: Vec<[Place; 2]>,
    arrows: Vec<[Place; 2]>,
}

/// The score at the nodes of a regular grid of points, for one of the levels of a picture.
pub(crate) struct Field {
    /// The nodes [m, d].
    pub(crate) at: Tensor,
    /// The score there in units in which the law of the points has a spread of 1, [m, d].
    pub(crate) score: Tensor,
}

/// Points of several levels, the same axes for all.
pub(crate) struct PointPicture {
    panels: Vec<Panel>,
}

impl PointPicture {
    /// Points [n, d] of each level with d 1 or 2. In one dimension they are drawn as paths, the level to the right and the value upwards; in
    /// two each level has a plane of its own. `fields` has none or one for each level.
    pub(crate) fn new(levels: &[Tensor], fields: &[Field]) -> Result<Self> {
        let half = half_width(levels)?;
        let panels = match levels.first().map_or(0, |points| points.size()[1]) {
            1 => vec![over_levels(levels, fields, half)?],
            _ => {
                let fields = fields.iter().map(Some).chain(std::iter::repeat(None));
                levels
                    .iter()
                    .zip(fields)
                    .map(|(points, field)| plane(points, field, half))
                    .collect::<Result<_>>()?
            }
        };
        Ok(PointPicture { panels })
    }

    /// The nodes [m, d] of a field that fills the picture of these levels.
    pub(crate) fn nodes(levels: &[Tensor]) -> Result<Tensor> {
        let half = half_width(levels)?;
        let at = |k: usize| half * (2.0 * (k as f64 + 0.5) / ARROWS as f64 - 1.0);
        let values: Vec<f64> = match levels.first().map_or(0, |points| points.size()[1]) {
            1 => (0..ARROWS).map(at).collect(),
            _ => (0..ARROWS * ARROWS).flat_map(|k| [at(k % ARROWS), at(k / ARROWS)]).collect(),
        };
        Ok(Tensor::from_slice(&values).reshape([-1, levels[0].size()[1]]))
    }

    /// Writes the picture into a file by its name: .png, .svg, or .gif with a plane a frame.
    pub(crate) fn write(&self, path: &Path, frame: Duration) -> Result<()> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => Ok(atomic::write_bytes(path, self.svg().as_bytes())?),
            Some("gif") => {
                let frames: Vec<Picture> = self.panels.iter().map(Panel::picture).collect::<Result<_>>()?;
                Ok(write_gif(path, &frames, frame)?)
            }
            _ => Ok(self.picture()?.write_png(path)?),
        }
    }

    /// The panels from left to right.
    pub(crate) fn picture(&self) -> Result<Picture> {
        let planes: Vec<u8> = self.panels.iter().flat_map(Panel::pixels).collect();
        let layout = GridLayout { columns: self.panels.len().min(COLUMNS), padding: 2, scale: 1 };
        Ok(Picture::grid(&planes, self.panels[0].shape(), &layout)?)
    }

    /// The same as a vector graphic.
    fn svg(&self) -> String {
        let (width, height) = (self.panels[0].width + 4, self.panels[0].height + 4);
        let columns = self.panels.len().min(COLUMNS);
        let rows = self.panels.len().div_ceil(columns);
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" fill=\"none\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
            width * columns,
            height * rows
        );
        for (index, panel) in self.panels.iter().enumerate() {
            let (x, y) = ((index % columns) * width + 2, (index / columns) * height + 2);
            let _ = writeln!(text, "<g transform=\"translate({x} {y})\">");
            panel.draw_svg(&mut text);
            text += "</g>\n";
        }
        text + "</svg>\n"
    }
}

/// The points of one level in the plane.
fn plane(points: &Tensor, field: Option<&Field>, half: f64) -> Result<Panel> {
    let place = |point: &[f64]| [(point[0] / half + 1.0) / 2.0, (point[1] / half + 1.0) / 2.0];
    let dots = values(points)?.chunks_exact(2).map(place).collect();
    let mut arrows = Vec::new();
    if let Some(field) = field {
        let (at, score) = (values(&field.at)?, values(&field.score)?);
        for (at, score) in at.chunks_exact(2).zip(score.chunks_exact(2)) {
            let length = score[0].hypot(score[1]);
            if length > 0.0 && length.is_finite() {
                let [x, y] = place(at);
                let share = arrow_length(length) / length;
                arrows.push([[x, y], [x + share * score[0], y + share * score[1]]]);
            }
        }
    }
    Ok(Panel { width: SIDE, height: SIDE, framed: true, dots, paths: Vec::new(), arrows })
}

/// Paths of samples [n, 1] through the levels.
fn over_levels(levels: &[Tensor], fields: &[Field], half: f64) -> Result<Panel> {
    let columns: Vec<Vec<f64>> = levels.iter().map(values).collect::<Result<_>>()?;
    let last = (levels.len() - 1).max(1) as f64;
    let place = |k: usize, value: f64| [k as f64 / last, (value / half + 1.0) / 2.0];
    let mut paths = Vec::new();
    for path in 0..columns[0].len().min(PATHS) {
        for (k, pair) in columns.windows(2).enumerate() {
            paths.push([place(k, pair[0][path]), place(k + 1, pair[1][path])]);
        }
    }
    let mut arrows = Vec::new();
    for (k, field) in fields.iter().enumerate() {
        for (at, score) in values(&field.at)?.into_iter().zip(values(&field.score)?) {
            if score != 0.0 && score.is_finite() {
                let [x, y] = place(k, at);
                arrows.push([[x, y], [x, y + arrow_length(score.abs()) * score.signum()]]);
            }
        }
    }
    let width = STEP * (levels.len() - 1) + 1;
    Ok(Panel { width, height: HEIGHT, framed: false, dots: Vec::new(), paths, arrows })
}

/// The share of the axis that an arrow takes: rising with the score, and at most the distance of two nodes.
fn arrow_length(score: f64) -> f64 {
    0.9 / ARROWS as f64 * (score / 2.0).min(1.0)
}

fn values(points: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::try_from(points.to_kind(Kind::Double).contiguous().reshape([-1]))?)
}

/// A little more than the largest coordinate.
fn half_width(levels: &[Tensor]) -> Result<f64> {
    let mut most = f64::MIN_POSITIVE;
    for level in levels {
        most =
            values(level)?.into_iter().filter(|value| value.is_finite()).map(f64::abs).fold(most, f64::max);
    }
    Ok(1.05 * most)
}

impl Panel {
    fn shape(&self) -> ImageShape {
        ImageShape::new(1, self.height, self.width)
    }

    fn picture(&self) -> Result<Picture> {
        Ok(Picture::from_planes(&self.pixels(), self.shape())?)
    }

    /// Black on white, darker where there is more.
    fn pixels(&self) -> Vec<u8> {
        let mut canvas = Canvas::new(self.width, self.height);
        if self.framed {
            canvas.frame();
        }
        for arrow in &self.arrows {
            canvas.line(arrow, PALE, 1);
        }
        for path in &self.paths {
            canvas.line(path, INK, 2);
        }
        for [x, y] in &self.dots {
            canvas.dot(*x, 1.0 - y, INK, 2);
        }
        canvas.pixels
    }

    fn draw_svg(&self, text: &mut String) {
        let (width, height) = (self.width as f64, self.height as f64);
        let place = |[x, y]: &Place| (x * (width - 1.0), (1.0 - y) * (height - 1.0));
        if self.framed {
            let _ = writeln!(text, "<rect width=\"{width}\" height=\"{height}\" stroke=\"#c8c8c8\"/>");
        }
        // One path for all lines of a kind keeps the file small.
        let mut lines = |lines: &[[Place; 2]], style: &str| {
            if lines.is_empty() {
                return;
            }
            text.push_str("<path d=\"");
            for [from, to] in lines {
                let ((a, b), (c, d)) = (place(from), place(to));
                let _ = write!(text, "M{a:.1} {b:.1}L{c:.1} {d:.1}");
            }
            let _ = writeln!(text, "\" {style}/>");
        };
        lines(&self.arrows, "stroke=\"#d08000\" stroke-opacity=\"0.7\"");
        lines(&self.paths, "stroke=\"black\" stroke-opacity=\"0.3\"");
        for dot in &self.dots {
            let (x, y) = place(dot);
            let _ = writeln!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.2\" fill=\"black\" fill-opacity=\"0.35\"/>"
            );
        }
    }
}

/// White paper.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Canvas { width, height, pixels: vec![255; width * height] }
    }

    /// A thin line around the paper.
    fn frame(&mut self) {
        for y in 0..self.height {
            for x in 0..self.width {
                if x == 0 || y == 0 || x + 1 == self.width || y + 1 == self.height {
                    self.pixels[y * self.width + x] = FRAME;
                }
            }
        }
    }

    /// A line as a row of dots, as many as the pixels that it crosses.
    fn line(&mut self, [from, to]: &[Place; 2], ink: u8, size: usize) {
        let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
        let dots = ((dx.abs() * self.width as f64).max(dy.abs() * self.height as f64))
            .ceil()
            .clamp(1.0, 4000.0) as usize;
        for dot in 0..dots {
            let share = dot as f64 / dots as f64;
            self.dot(from[0] + share * dx, 1.0 - from[1] - share * dy, ink, size);
        }
    }

    /// A square dot at a place given by shares of width and height from the upper left; nothing outside.
    fn dot(&mut self, x: f64, y: f64, ink: u8, size: usize) {
        let pixel = |share: f64, size: usize| {
            let place = (share * (size - 1) as f64).round();
            (0.0..size as f64).contains(&place).then_some(place as usize)
        };
        let (Some(x), Some(y)) = (pixel(x, self.width), pixel(y, self.height)) else { return };
        for (x, y) in (0..size * size).map(|k| (x + k % size, y + k / size)) {
            if x < self.width && y < self.height {
                let pixel = &mut self.pixels[y * self.width + x];
                *pixel = pixel.saturating_sub(ink);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_where_their_coordinates_say() {
        let points = Tensor::from_slice(&[1.0f64, 1.0, -1.0, -1.0]).reshape([2, 2]);
        let scene = PointPicture::new(&[points.shallow_clone()], &[]).unwrap();
        let pixels = scene.panels[0].pixels();
        let dark = |x: usize, y: usize| pixels[y * SIDE + x] < 255;
        // 1 of 1.05 to the right and up; rows count from the top.
        let (near, far) = (((1.0 / 1.05 + 1.0) / 2.0 * 239.0f64).round() as usize, 6);
        assert!(dark(near, far) && dark(far, near));
        assert!(!dark(far, far) && !dark(near, near));
        let line = [points.narrow(1, 0, 1), points.narrow(1, 0, 1) * 0.0];
        let paths = PointPicture::new(&line, &[]).unwrap().picture().unwrap();
        assert_eq!((paths.width(), paths.height()), (STEP + 5, HEIGHT + 4));
    }

    #[test]
    fn arrows_point_along_the_score_and_every_format_has_them() {
        let points = [Tensor::from_slice(&[1.0f64, 1.0, -1.0, -1.0]).reshape([2, 2])];
        let at = PointPicture::nodes(&points).unwrap();
        assert_eq!(at.size(), [(ARROWS * ARROWS) as i64, 2]);
        // The score of N(0, I): towards the origin.
        let field = Field { score: -&at, at };
        let scene = PointPicture::new(&points, &[field]).unwrap();
        let away = |[x, y]: &Place| (x - 0.5).hypot(y - 0.5);
        let inward = scene.panels[0].arrows.iter().filter(|[from, to]| away(to) < away(from)).count();
        // The node at the origin has no direction.
        assert_eq!((inward, scene.panels[0].arrows.len()), (ARROWS * ARROWS - 1, ARROWS * ARROWS - 1));
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "a.gif", "a.svg"] {
            let path = folder.path().join(name);
            scene.write(&path, Duration::from_millis(50)).unwrap();
            assert!(std::fs::metadata(&path).unwrap().len() > 500, "{name}");
        }
        let svg = std::fs::read_to_string(folder.path().join("a.svg")).unwrap();
        assert_eq!((svg.matches("<circle").count(), svg.matches('M').count()), (2, ARROWS * ARROWS - 1));
    }
}
