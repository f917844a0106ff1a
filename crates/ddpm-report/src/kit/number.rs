//! Numbers, intervals and durations as text.
//!
//! Text for readers is typeset (`−3.124×10⁻⁵`, `50 000`); [`plain`] is its ASCII source, which scripts read too.

use ddpm_core::interval::Interval;

/// Significant digits of a measured number.
pub const DIGITS: usize = 4;

/// Decimal exponents that are written out in full; others go to powers of ten.
const FIXED_EXPONENTS: std::ops::Range<i32> = -4..6;
/// Digits after the point beyond which `value ± error` puts the error in a form of its own.
const MAX_DECIMALS: i32 = 8;
/// Whole numbers below this are exact in an `f64` and are written out in full where exactness is asked for.
const MAX_EXACT_INTEGER: f64 = 1e15;
/// Parts thousands, and a number from its unit.
const THIN_SPACE: char = '\u{202f}';

/// A number with [`DIGITS`] significant digits, typeset.
pub fn number(value: f64) -> String {
    typeset(&plain(value, DIGITS))
}

/// A number with as many significant digits, at most [`DIGITS`] and at least two, as its relative error leaves.
pub fn about(value: f64, relative_error: f64) -> String {
    let known = if relative_error > 0.0 {
        (-relative_error.log10()).ceil().clamp(2.0, DIGITS as f64)
    } else {
        DIGITS as f64
    };
    typeset(&plain(value, known as usize))
}

/// A whole number with its thousands set apart.
pub fn count(value: u64) -> String {
    typeset(&value.to_string())
}

/// A share of a whole in per cent, with three significant digits.
pub fn percent(share: f64) -> String {
    typeset(&format!("{}{THIN_SPACE}%", plain(100.0 * share, 3)))
}

/// A value with its interval: `value ± half width` where the interval is symmetric, otherwise `value (low to high)`.
pub fn interval(interval: &Interval) -> String {
    let Interval { value, low, high } = *interval;
    let (below, above) = (value - low, high - value);
    if (above - below).abs() <= 1e-6 * (above + below).abs() || !(high - low).is_finite() {
        return measured(value, f64::midpoint(below, above));
    }
    format!("{} ({})", number(value), range(low, high))
}

/// The two ends of an interval: `0.12 to 0.34`, on one line.
pub fn range(low: f64, high: f64) -> String {
    format!("{}\u{a0}to\u{a0}{}", number(low), number(high))
}

/// An interval of a quantity that is never negative, cut at 0: `0 to 0.02 (consistent with 0)` where it reaches below.
pub fn at_least_zero(quantity: &Interval) -> String {
    let Interval { value, low, high } = *quantity;
    if high > low && low <= 0.0 && high >= 0.0 {
        return format!("{} (consistent with 0)", range(0.0, high));
    }
    // Rounding of an exact value may leave it below 0; an interval that lies below 0 is shown as it is.
    if high == low { number(value.max(0.0)) } else { interval(quantity) }
}

/// `value ± half width` of an interval, the half width with two significant digits and the value rounded to the same place.
///
/// A half width that is not a positive finite number is left out.
pub fn measured(value: f64, half_width: f64) -> String {
    if !(half_width.is_finite() && half_width > 0.0 && value.is_finite()) {
        return number(value);
    }
    let last_place = decimal_exponent(half_width, 2) - 1;
    let exponent = decimal_exponent(value, DIGITS).max(decimal_exponent(half_width, 2));
    if FIXED_EXPONENTS.contains(&exponent) {
        if -last_place > MAX_DECIMALS {
            return format!("{} ± {}", number(value), typeset(&plain(half_width, 2)));
        }
        let decimals = usize::try_from(-last_place).unwrap_or(0);
        typeset(&format!("{value:.decimals$} ± {half_width:.decimals$}"))
    } else {
        let scale = 10_f64.powi(exponent);
        let decimals = usize::try_from((exponent - last_place).min(MAX_DECIMALS)).unwrap_or(0);
        let (mantissa, error) = (value / scale, half_width / scale);
        typeset(&format!("({mantissa:.decimals$} ± {error:.decimals$})e{exponent}"))
    }
}

/// A length of time, given in seconds, in the two largest units that apply.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return number(seconds);
    }
    if seconds < 59.95 {
        return typeset(&format!("{} s", plain(seconds, 3)));
    }
    let minutes = (seconds / 60.0).floor();
    if seconds < 3599.5 {
        let total = seconds.round();
        return format!("{:.0} min {:.0} s", (total / 60.0).floor(), total % 60.0);
    }
    let (hours, minutes) = ((minutes / 60.0).floor(), (seconds / 60.0).round() % 60.0);
    let hours = if minutes == 0.0 { (seconds / 3600.0).round() } else { hours };
    typeset(&format!("{hours:.0} h {minutes:.0} min"))
}

/// A number with a given count of significant digits, in ASCII and readable by a program: `0.03124`, `3.124e-5`.
pub fn plain(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        // Rust writes NaN, inf and -inf.
        return value.to_string();
    }
    let exponent = decimal_exponent(value, digits);
    if FIXED_EXPONENTS.contains(&exponent) {
        let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
        format!("{value:.decimals$}")
    } else {
        format!("{value:.*e}", digits.saturating_sub(1))
    }
}

/// A coordinate: whole numbers in full, others to seven digits without trailing zeros, in ASCII.
pub fn coordinate(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < MAX_EXACT_INTEGER {
        return format!("{:.0}", value + 0.0);
    }
    let text = plain(value, 7);
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text.as_str(), None),
    };
    let mantissa =
        if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    exponent.map_or_else(|| mantissa.to_owned(), |exponent| format!("{mantissa}e{exponent}"))
}

/// Sets ASCII numbers within a text as print does: a true minus sign, powers of ten, thousands apart, ∞.
pub fn typeset(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let after_point = out.ends_with('.');
        if digits > 0 {
            let (run, tail) = rest.split_at(digits);
            if digits > 4 && !after_point {
                group_thousands(run, &mut out);
            } else {
                out.push_str(run);
            }
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("inf") {
            out.push('∞');
            rest = tail;
        } else if let Some((exponent, tail)) = exponent(rest, &out) {
            out.push_str("×10");
            out.extend(exponent.chars().map(superscript));
            rest = tail;
        } else {
            out.push(if c == '-' { '−' } else { c });
            rest = &rest[c.len_utf8()..];
        }
    }
    // A power of ten by itself is written without the factor 1.
    out.strip_prefix("1×10").map_or(out.clone(), |power| format!("10{power}"))
}

/// The exponent that starts at an `e` after a digit or a bracket, and what follows it.
fn exponent<'a>(rest: &'a str, before: &str) -> Option<(&'a str, &'a str)> {
    let tail = rest.strip_prefix('e')?;
    if !before.ends_with(|c: char| c.is_ascii_digit() || c == ')') {
        return None;
    }
    let unsigned = tail.strip_prefix('-').unwrap_or(tail);
    let digits = unsigned.len() - unsigned.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (digits > 0).then(|| tail.split_at(tail.len() - unsigned.len() + digits))
}

fn group_thousands(digits: &str, out: &mut String) {
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(THIN_SPACE);
        }
        out.push(digit);
    }
}

fn superscript(c: char) -> char {
    match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4'..='9' | '0' => char::from_u32(0x2070 + (c as u32 - '0' as u32)).unwrap_or(c),
        other => other,
    }
}

/// The exponent of `value` once rounded to `digits` significant digits: 9.9999 rounds to 10, whose exponent is 1.
fn decimal_exponent(value: f64, digits: usize) -> i32 {
    let text = format!("{value:.*e}", digits.saturating_sub(1));
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_carry_four_significant_digits() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (0.031_244, "0.03124"),
            (9.999_96, "10.00"),
            (-3.124e-5, "−3.124×10⁻⁵"),
            (1e-7, "1.000×10⁻⁷"),
            (12_345.6, "12\u{202f}346"),
            (6.022e23, "6.022×10²³"),
            (f64::NEG_INFINITY, "−∞"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(count(35_746_307), "35\u{202f}746\u{202f}307");
        assert_eq!(count(1000), "1000");
    }

    #[test]
    fn a_measured_value_ends_where_its_error_does() {
        let cases = [
            (0.031_244, 0.000_123, "0.03124 ± 0.00012"),
            (-3.124e-5, 1.2e-7, "(−3.124 ± 0.012)×10⁻⁵"),
            (12_345.6, 350.0, "12\u{202f}346 ± 350"),
            (1.0, 1e-12, "1.000 ± 1.0×10⁻¹²"),
            (2.0, 0.0, "2.000"),
            (2.0, f64::NAN, "2.000"),
            (0.001, 0.5, "0.00 ± 0.50"),
        ];
        for (value, half_width, text) in cases {
            assert_eq!(measured(value, half_width), text);
        }
    }

    #[test]
    fn a_number_has_the_digits_that_its_error_leaves() {
        let cases = [(0.0, "121.2"), (0.024, "121"), (1e-3, "121"), (1e-5, "121.2"), (0.5, "121")];
        for (relative, text) in cases {
            assert_eq!(about(121.23, relative), text, "{relative}");
        }
        assert_eq!(about(0.015_87, 0.03), "0.016");
    }

    #[test]
    fn intervals_are_written_in_one_way_and_cut_at_zero_where_nothing_is_negative() {
        assert_eq!(interval(&Interval::around(0.031_244, 0.000_123)), "0.03124 ± 0.00012");
        assert_eq!(
            interval(&Interval { value: 1.0, low: 0.5, high: 3.0 }),
            "1.000 (0.5000\u{a0}to\u{a0}3.000)"
        );
        assert_eq!(interval(&Interval::around(2.0, 0.0)), "2.000");
        assert_eq!(
            at_least_zero(&Interval::around(-2e-5, 4e-5)),
            "0\u{a0}to\u{a0}2.000×10⁻⁵ (consistent with 0)"
        );
        assert_eq!(at_least_zero(&Interval::around(-1.0, 0.1)), "−1.00 ± 0.10");
        assert_eq!(at_least_zero(&Interval::around(3.0, 0.5)), "3.00 ± 0.50");
        assert_eq!(at_least_zero(&Interval::around(-1e-17, 0.0)), "0");
    }

    #[test]
    fn shares_are_per_cent() {
        assert_eq!(percent(0.6118), "61.2\u{202f}%");
        assert_eq!(percent(1.0), "100\u{202f}%");
        assert_eq!(percent(2e-6), "0.000200\u{202f}%");
    }

    #[test]
    fn durations_use_two_units() {
        let cases = [
            (1.5, "1.50 s"),
            (59.96, "1 min 0 s"),
            (221.4, "3 min 41 s"),
            (3599.7, "1 h 0 min"),
            (7290.0, "2 h 2 min"),
            (7195.0, "2 h 0 min"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn coordinates_keep_whole_numbers_exact() {
        let cases =
            [(123_456_789.0, "123456789"), (-0.0, "0"), (0.25, "0.25"), (1.5e-9, "1.5e-9"), (-4.5, "-4.5")];
        for (value, text) in cases {
            assert_eq!(coordinate(value), text);
        }
    }

    #[test]
    fn only_numbers_within_a_text_are_typeset() {
        assert_eq!(typeset("1e-3 to the 12345.67890"), "10⁻³ to the 12\u{202f}345.67890");
    }

    proptest! {
        #[test]
        fn plain_numbers_are_read_back_to_their_digits(mantissa in -10.0..10.0_f64, exponent in -300..300_i32) {
            let value = mantissa * 10_f64.powi(exponent);
            for (text, relative) in [(plain(value, DIGITS), 5.1e-4), (coordinate(value), 5.1e-7)] {
                let read: f64 = text.parse().unwrap();
                prop_assert!((read - value).abs() <= relative * value.abs(), "{value} {text}");
            }
        }
    }
}
