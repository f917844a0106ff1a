//! A report as one HTML file.

use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::ReportError;
use crate::confidence::CONVENTION;

use super::{
    describe,
    image::Image,
    plot::Plot,
    prepare::prepare,
    svg::{self, Width},
    table::{Cell, Table},
    terminal,
    text::{Footnotes, Text},
};
use ddpm_data::atomic;

/// What the browser may load: the page itself and nothing else.
const CONTENT_POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// A report: a title, what it found in a few sentences, and sections.
///
/// ```
/// # use ddpm_report::kit::{Axis, Page, Plot, Series};
/// let mut page = Page::new("Digits");
/// page.headline("Half of the error is discretization: 40 steps more would remove it.");
/// let loss = Plot::new("Training loss", Axis::linear("step"), Axis::log("loss"))
///     .series(Series::line("loss", [(0.0, 1.0), (1.0, 0.5)]));
/// page.section("Training").paragraph("2 000 steps of 128 images.").plot(loss, "The loss falls.");
/// let html = page.to_html()?;
/// # assert!(html.contains("Half of the error"));
/// # Ok::<(), ddpm_report::ReportError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Page {
    title: String,
    headlines: Vec<Text>,
    sections: Vec<Section>,
    footer: Option<Text>,
}

/// A part of a page under a heading of its own. Blocks appear in the order in which they are added.
#[derive(Clone, Debug)]
pub struct Section {
    heading: String,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
enum Block {
    Subheading(String),
    Paragraph(Text),
    KeyValues(Vec<(Text, Cell)>),
    Table(Table),
    Plot { plot: Box<Plot>, caption: Text },
    Images { images: Vec<Image>, caption: Text },
    Preformatted { title: String, text: String },
}

impl Page {
    /// An empty page.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds a sentence that says what was found, above everything else.
    pub fn headline(&mut self, sentence: impl Into<Text>) -> &mut Self {
        self.headlines.push(sentence.into());
        self
    }

    /// Starts a section and returns it, to be filled.
    pub fn section(&mut self, heading: impl Into<String>) -> &mut Section {
        self.sections.push(Section { heading: heading.into(), blocks: Vec::new() });
        let last = self.sections.len() - 1;
        &mut self.sections[last]
    }

    /// Sets the line at the foot: where the figures come from, such as version and commit.
    pub fn footer(&mut self, text: impl Into<Text>) -> &mut Self {
        self.footer = Some(text.into());
        self
    }

    /// Sets the line at the foot to programs and libraries with their versions.
    pub fn versions(&mut self, versions: &[(String, String)]) -> &mut Self {
        if !versions.is_empty() {
            let words: Vec<String> =
                versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
            self.footer(format!("{}.", words.join(", ")));
        }
        self
    }

    /// The page for a terminal of `width` characters: headlines, paragraphs, lists and tables. Plots and pictures are left out.
    pub fn to_text(&self, width: usize) -> Result<String, ReportError> {
        let mut parts = vec![terminal::wrapped(&self.title, width)];
        for (k, sentence) in self.headlines.iter().enumerate() {
            parts.push(terminal::wrapped(&format!("{}. {sentence}", k + 1), width));
        }
        for section in &self.sections {
            let mut heading = Some(&section.heading);
            for block in &section.blocks {
                if let Some(text) = block.to_text(width)? {
                    parts.extend(heading.take().map(|heading| format!("\n== {heading} ==")));
                    parts.push(text.trim_end().to_owned());
                }
            }
        }
        if self.has_intervals() {
            parts.push(format!("\n{}", terminal::wrapped(CONVENTION, width)));
        }
        Ok(parts.join("\n") + "\n")
    }

    fn has_intervals(&self) -> bool {
        self.sections.iter().flat_map(|section| &section.blocks).any(Block::has_intervals)
    }

    /// The page as HTML.
    pub fn to_html(&self) -> Result<String, ReportError> {
        let mut counters = Counters::default();
        let headlines: Vec<Markup> =
            self.headlines.iter().map(|sentence| sentence.render(&mut counters.notes)).collect();
        let mut sections = Vec::with_capacity(self.sections.len());
        for section in &self.sections {
            sections.push(section.render(&mut counters)?);
        }
        let footer = self.footer.as_ref().map(|text| text.render(&mut counters.notes));
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(CONTENT_POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    style { (PreEscaped(include_str!("page.css"))) (PreEscaped(svg::style())) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        @if !headlines.is_empty() {
                            div class="headlines" { @for sentence in &headlines { p { (sentence) } } }
                        }
                        @if self.has_intervals() { p class="convention" { (CONVENTION) } }
                    }
                    @if self.sections.len() > 2 {
                        nav aria-label="Contents" {
                            ol {
                                @for (i, section) in self.sections.iter().enumerate() {
                                    li { a href={ "#section-" (i + 1) } { (section.heading) } }
                                }
                            }
                        }
                    }
                    main {
                        @for (i, (section, body)) in self.sections.iter().zip(&sections).enumerate() {
                            section {
                                h2 id={ "section-" (i + 1) } { (section.heading) }
                                (body)
                            }
                        }
                        (counters.notes.render())
                    }
                    @if let Some(footer) = &footer { footer { (footer) } }
                    @if counters.plots > 0 { script { (PreEscaped(include_str!("plot.js"))) } }
                }
            }
        };
        Ok(svg::printable(markup.into_string()))
    }

    /// Writes the page to a file, which appears complete or not at all; its folder is created where it is missing.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        Ok(atomic::write_bytes(path, self.to_html()?.as_bytes())?)
    }
}

impl Section {
    /// Adds a heading within the section.
    pub fn subheading(&mut self, heading: impl Into<String>) -> &mut Self {
        self.with(Block::Subheading(heading.into()))
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: impl Into<Text>) -> &mut Self {
        self.with(Block::Paragraph(text.into()))
    }

    /// Adds a paragraph where there is one.
    pub fn paragraph_if(&mut self, text: Option<impl Into<Text>>) -> &mut Self {
        match text {
            Some(text) => self.paragraph(text),
            None => self,
        }
    }

    /// Adds a list of names with a value each.
    pub fn key_values<K: Into<Text>, V: Into<Cell>>(
        &mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self {
        self.with(Block::KeyValues(
            pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        ))
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) -> &mut Self {
        self.with(Block::Table(table))
    }

    /// Adds a plot as a numbered figure.
    pub fn plot(&mut self, plot: Plot, caption: impl Into<Text>) -> &mut Self {
        self.with(Block::Plot { plot: Box::new(plot), caption: caption.into() })
    }

    /// Adds pictures side by side as one numbered figure.
    pub fn images(&mut self, images: impl IntoIterator<Item = Image>, caption: impl Into<Text>) -> &mut Self {
        self.with(Block::Images { images: images.into_iter().collect(), caption: caption.into() })
    }

    /// Adds text that is shown as it is, such as a configuration, folded away under its title.
    pub fn preformatted(&mut self, title: impl Into<String>, text: impl Into<String>) -> &mut Self {
        self.with(Block::Preformatted { title: title.into(), text: text.into() })
    }

    fn with(&mut self, block: Block) -> &mut Self {
        self.blocks.push(block);
        self
    }

    fn render(&self, counters: &mut Counters) -> Result<Markup, ReportError> {
        let blocks: Vec<Markup> =
            self.blocks.iter().map(|block| block.render(counters)).collect::<Result<_, _>>()?;
        Ok(html! { @for block in &blocks { (block) } })
    }
}

/// What is numbered through the page.
#[derive(Default)]
struct Counters {
    figures: usize,
    tables: usize,
    plots: usize,
    notes: Footnotes,
}

impl Counters {
    fn next_figure(&mut self) -> usize {
        self.figures += 1;
        self.figures
    }
}

impl Block {
    fn has_intervals(&self) -> bool {
        match self {
            Self::Table(table) => table.has_intervals(),
            Self::KeyValues(pairs) => pairs.iter().any(|(_, value)| value.has_interval()),
            Self::Plot { plot, .. } => plot.has_intervals(),
            _ => false,
        }
    }

    /// The block for a terminal, if it is not a picture.
    fn to_text(&self, width: usize) -> Result<Option<String>, ReportError> {
        Ok(match self {
            Self::Subheading(heading) => Some(format!("\n{heading}")),
            Self::Paragraph(text) => Some(terminal::wrapped(&text.to_string(), width)),
            Self::KeyValues(pairs) => {
                let column =
                    |cells: Vec<String>| terminal::Column { heading: String::new(), cells, right: false };
                let keys = pairs.iter().map(|(key, _)| key.to_string()).collect();
                let values = pairs.iter().map(|(_, value)| value.to_string()).collect();
                Some(terminal::aligned(&[column(keys), column(values)], width).trim_start().to_owned())
            }
            Self::Table(table) => Some(format!("\n{}", table.to_text(width)?)),
            Self::Preformatted { title, text } => Some(format!("{title}\n{text}")),
            Self::Plot { .. } | Self::Images { .. } => None,
        })
    }

    fn render(&self, counters: &mut Counters) -> Result<Markup, ReportError> {
        Ok(match self {
            Self::Subheading(heading) => html! { h3 { (heading) } },
            Self::Paragraph(text) => html! { p { (text.render(&mut counters.notes)) } },
            Self::KeyValues(pairs) => html! {
                dl {
                    @for (key, value) in pairs {
                        div { dt { (key.render(&mut counters.notes)) } dd { (value.render(&mut counters.notes)) } }
                    }
                }
            },
            Self::Table(table) => {
                counters.tables += 1;
                table.render(counters.tables, &mut counters.notes)?
            }
            Self::Plot { plot, caption } => plot_figure(plot, caption, counters),
            Self::Images { images, caption } => {
                let number = counters.next_figure();
                html! {
                    figure {
                        div class="images" { @for image in images { (image.render()) } }
                        (figure_caption(number, caption, counters))
                    }
                }
            }
            Self::Preformatted { title, text } => html! {
                details class="preformatted" { summary { (title) } pre tabindex="0" { code { (text) } } }
            },
        })
    }
}

fn figure_caption(number: usize, caption: &Text, counters: &mut Counters) -> Markup {
    html! { figcaption { b { "Figure " (number) "." } " " (caption.render(&mut counters.notes)) } }
}

fn plot_figure(plot: &Plot, caption: &Text, counters: &mut Counters) -> Markup {
    let number = counters.next_figure();
    counters.plots += 1;
    let id = format!("plot-{}", counters.plots);
    let prepared = prepare(plot);
    html! {
        figure class="plot-figure" {
            div class="plot" {
                (svg::embedded(&prepared, Width::Wide, &format!("{id}-wide")))
                (svg::embedded(&prepared, Width::Narrow, &format!("{id}-narrow")))
                div class="tip" aria-hidden="true" hidden {}
                p class="live" aria-live="polite" {}
                script type="application/json" { (PreEscaped(describe::pointer_json(&prepared))) }
            }
            (figure_caption(number, caption, counters))
            @if prepared.series.iter().any(|series| !series.points.is_empty()) {
                details class="data" { summary { "Data of figure " (number) } (describe::table(&prepared)) }
            }
        }
    }
}
