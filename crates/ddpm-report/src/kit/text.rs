//! Running text with a little emphasis, code, links and footnotes.

use maud::{Markup, html};

/// A paragraph's worth of text. A plain string is one.
///
/// ```
/// # use ddpm_report::kit::Text;
/// let text = Text::new("FID ").strong("3.17").plain(" after ").code("train.steps").plain(" = 800 000")
///     .footnote("Ho et al. (2020), table 1.");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(Vec<Span>);

#[derive(Clone, Debug, PartialEq)]
enum Span {
    Plain(String),
    Strong(String),
    Code(String),
    Link { label: String, address: String },
    Footnote(Text),
}

/// The footnotes of a page in the order of their marks.
#[derive(Default)]
pub(super) struct Footnotes(Vec<Markup>);

impl Text {
    /// Plain text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(vec![Span::Plain(text.into())])
    }

    /// Adds plain text.
    #[must_use]
    pub fn plain(self, text: impl Into<String>) -> Self {
        self.with(Span::Plain(text.into()))
    }

    /// Adds text that stands out.
    #[must_use]
    pub fn strong(self, text: impl Into<String>) -> Self {
        self.with(Span::Strong(text.into()))
    }

    /// Adds a name from a program or a file.
    #[must_use]
    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(Span::Code(text.into()))
    }

    /// Adds a link; an address that is neither `http(s)` nor relative becomes plain text.
    #[must_use]
    pub fn link(self, label: impl Into<String>, address: impl Into<String>) -> Self {
        self.with(Span::Link { label: label.into(), address: address.into() })
    }

    /// Adds the mark of a footnote, which the page collects at its end.
    #[must_use]
    pub fn footnote(self, note: impl Into<Text>) -> Self {
        self.with(Span::Footnote(note.into()))
    }

    fn with(mut self, span: Span) -> Self {
        self.0.push(span);
        self
    }

    pub(super) fn render(&self, notes: &mut Footnotes) -> Markup {
        html! {
            @for span in &self.0 {
                @match span {
                    Span::Plain(text) => (text),
                    Span::Strong(text) => strong { (text) },
                    Span::Code(text) => code { (text) },
                    Span::Link { label, address } => {
                        @if is_plain_address(address) { a href=(address) { (label) } } @else { (label) }
                    }
                    Span::Footnote(note) => (notes.mark(note)),
                }
            }
        }
    }
}

/// The words alone, without marks of footnotes.
impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for span in &self.0 {
            match span {
                Span::Plain(text)
                | Span::Strong(text)
                | Span::Code(text)
                | Span::Link { label: text, .. } => {
                    f.write_str(text)?;
                }
                Span::Footnote(_) => {}
            }
        }
        Ok(())
    }
}

/// A browser runs `javascript:` addresses: only known schemes and addresses without one are followed.
fn is_plain_address(address: &str) -> bool {
    match address.split_once(':') {
        Some((scheme, _)) => matches!(scheme, "http" | "https") || scheme.contains(['/', '#', '?']),
        None => true,
    }
}

impl Footnotes {
    fn mark(&mut self, note: &Text) -> Markup {
        // The number is taken first: a note may carry notes of its own, which follow it.
        let index = self.0.len();
        self.0.push(html! {});
        self.0[index] = note.render(self);
        let number = index + 1;
        html! { sup { a id={ "mark-" (number) } href={ "#note-" (number) } aria-label={ "Footnote " (number) } { (number) } } }
    }

    pub(super) fn render(&self) -> Markup {
        html! {
            @if !self.0.is_empty() {
                section class="notes" aria-label="Footnotes" {
                    ol {
                        @for (i, note) in self.0.iter().enumerate() {
                            li id={ "note-" (i + 1) } {
                                (note) " " a href={ "#mark-" (i + 1) } aria-label="Back to the text" { "↩" }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The text with its first letter in upper case.
pub(crate) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `a`, `a and b`, `a, b and c`.
pub fn listed<S: AsRef<str>>(words: &[S]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_escaped_and_footnotes_are_numbered_in_order() {
        let mut notes = Footnotes::default();
        let text = Text::new("a < b & c")
            .strong("<b>")
            .footnote(Text::new("first").footnote("inner"))
            .footnote("second");
        let html = text.render(&mut notes).into_string();
        assert!(html.starts_with("a &lt; b &amp; c<strong>&lt;b&gt;</strong><sup>"), "{html}");
        assert!(html.contains("href=\"#note-1\"") && html.contains("href=\"#note-3\""), "{html}");
        let list = notes.render().into_string();
        let order: Vec<usize> = ["first", "inner", "second"].iter().map(|n| list.find(n).unwrap()).collect();
        assert!(order.is_sorted(), "{list}");
    }

    #[test]
    fn only_plain_addresses_become_links() {
        for (address, linked) in [
            ("https://arxiv.org/abs/2006.11239", true),
            ("samples/a.png", true),
            ("#training", true),
            ("a?b=c:d", true),
            ("javascript:alert(1)", false),
            ("JavaScript:alert(1)", false),
            (" javascript:alert(1)", false),
            ("data:text/html,x", false),
        ] {
            let html = Text::default().link("label", address).render(&mut Footnotes::default()).into_string();
            assert_eq!(html.contains("<a "), linked, "{address}");
        }
    }
}
