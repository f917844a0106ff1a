//! Colours of series.
//!
//! After Okabe and Ito, "Color Universal Design" (2008), whose colours stay apart under the common forms of colour
//! blindness; the paler ones are left out on white and the darker ones on black, so that each has a contrast of at least
//! 3:1 with the page (WCAG 2.2, success criterion 1.4.11).

/// On a light page.
pub(super) const LIGHT: [&str; COLOURS] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5200", "#444444"];
/// On a dark page.
pub(super) const DARK: [&str; COLOURS] = ["#56b4e9", "#e8823a", "#1fae86", "#cc79a7", "#f0e442", "#cfcfcf"];
/// The page behind them, light and dark.
pub(super) const BACKGROUND: [&str; 2] = ["#ffffff", "#16191d"];

/// How many series have a colour of their own; later ones repeat them and differ in dash and mark.
pub(super) const COLOURS: usize = 6;

/// Dash patterns of lines, by the place of the series; they tell lines apart in print without colour.
pub(super) const DASHES: [&str; 6] = ["", "7 3", "2 2.5", "9 3 2 3", "5 2", "12 3"];

/// The class that carries the colour of the series at a place.
pub(super) fn class(place: usize) -> String {
    format!("c{}", place % COLOURS)
}

/// Rules that give each class its colour.
pub(super) fn rules(colours: &[&str; COLOURS]) -> String {
    colours.iter().enumerate().map(|(i, colour)| format!(".c{i}{{color:{colour}}}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of an sRGB colour (WCAG 2.2).
    fn luminance(hex: &str) -> f64 {
        let channel = |i: usize| {
            let c = f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_colour_stands_out_from_its_page() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
        for (colours, page) in [(LIGHT, BACKGROUND[0]), (DARK, BACKGROUND[1])] {
            for colour in colours {
                assert!(contrast(colour, page) >= 3.0, "{colour} on {page}: {}", contrast(colour, page));
            }
        }
    }
}
