//! Estimated widths of text, and line breaks, which SVG does not make itself.
//!
//! The font is the reader's, so widths are estimates, on the generous side for common sans-serif fonts.

/// The estimated width of `text` in pixels at a font size in pixels.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

/// How much wider than regular text semi-bold text is.
pub(super) const BOLD: f64 = 1.14;

/// The advance of a character in units of the font size.
fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '\u{202f}' => 0.33,
        'f' | 't' | 'r' | 'I' | '(' | ')' | '[' | ']' | '/' | '-' => 0.41,
        '⁰' | '¹' | '²' | '³' | '⁴'..='⁹' | '⁻' => 0.43,
        '+' | '=' | '<' | '>' | '~' | '×' | '±' | '∝' | '−' => 0.84,
        'm' | 'M' | 'w' | 'W' | '%' | '@' | '—' => 0.95,
        'A'..='Z' => 0.7,
        c if c.is_ascii() => 0.63,
        // Ideographs and the like are as wide as they are high.
        c if c as u32 >= 0x2e80 => 1.0,
        _ => 0.65,
    }
}

/// Breaks `text` between words into lines of at most `max` pixels; a longer word is cut and ends in an ellipsis.
pub(super) fn wrap(text: &str, size: f64, max: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = shorten(word, size, max);
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(&word, size) <= max => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// `text`, or as much of its beginning as fits with an ellipsis.
pub(super) fn shorten(text: &str, size: f64, max: f64) -> String {
    if width(text, size) <= max {
        return text.to_owned();
    }
    let mut used = em('…') * size;
    let kept: String = text
        .chars()
        .take_while(|&c| {
            used += em(c) * size;
            used <= max
        })
        .collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_fit_and_keep_every_word_that_does(text in "[a-zM ]{0,80}", max in 60.0..300.0_f64) {
            let lines = wrap(&text, 12.0, max);
            for line in &lines {
                prop_assert!(width(line, 12.0) <= max, "{line}");
            }
            if text.split_whitespace().all(|word| width(word, 12.0) <= max) {
                prop_assert_eq!(lines.join(" "), text.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
    }
}
