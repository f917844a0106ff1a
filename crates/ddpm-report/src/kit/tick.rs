//! Ticks of an axis: steps of 1, 2 or 5 times a power of ten on a linear scale, decades on a logarithmic one.

use super::number;

/// A labelled place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// The place, in the units of the data.
    pub(super) value: f64,
    /// What is written there.
    pub(super) label: String,
}

/// The marks of one axis, in increasing order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ticks {
    /// Labelled places.
    pub(super) major: Vec<Tick>,
    /// Places between them that are marked without a label.
    pub(super) minor: Vec<f64>,
}

/// Slack, in steps, by which a tick may miss the end of the axis through rounding.
const SLACK: f64 = 1e-9;
/// Decades up to which a logarithmic axis writes its numbers out; otherwise they are powers of ten.
const PLAIN_DECADES: std::ops::RangeInclusive<i32> = -3..=4;

/// The step 1, 2 or 5 times 10^exponent that parts `span` into at most `target` pieces.
#[derive(Clone, Copy)]
struct Step {
    mantissa: f64,
    exponent: i32,
}

impl Step {
    fn dividing(span: f64, target: usize) -> Self {
        let raw = span / target.max(1) as f64;
        let exponent = raw.log10().floor() as i32;
        let fraction = raw / pow10(exponent);
        let (mantissa, exponent) = match fraction {
            f if f <= 1.0 + SLACK => (1.0, exponent),
            f if f <= 2.0 + SLACK => (2.0, exponent),
            f if f <= 5.0 + SLACK => (5.0, exponent),
            _ => (1.0, exponent + 1),
        };
        Self { mantissa, exponent }
    }

    fn size(self) -> f64 {
        self.times(1.0)
    }

    /// `count` steps, rounded once: 3 steps of 0.1 are 0.3.
    fn times(self, count: f64) -> f64 {
        if self.exponent < 0 {
            count * self.mantissa / pow10(-self.exponent)
        } else {
            count * self.mantissa * pow10(self.exponent)
        }
    }

    fn label(self, value: f64) -> String {
        let value = value + 0.0; // -0 is written 0
        let exponent = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
        if self.exponent >= -5 && value.abs() < 1e6 {
            let decimals = usize::try_from(-self.exponent).unwrap_or(0);
            number::typeset(&format!("{value:.decimals$}"))
        } else if value == 0.0 {
            "0".to_owned()
        } else {
            let digits = usize::try_from(exponent - self.exponent).unwrap_or(0);
            number::typeset(&format!("{value:.digits$e}"))
        }
    }
}

/// Ticks of a linear axis from `min` to `max`, at most about `target` of them.
///
/// `min < max`, both finite, and not so close that an `f64` cannot tell the ticks apart; otherwise there are none.
pub(super) fn linear(min: f64, max: f64, target: usize) -> Ticks {
    let span = max - min;
    if !(span > 0.0 && span.is_finite() && span > 1e-12 * min.abs().max(max.abs())) {
        return Ticks::default();
    }
    let step = Step::dividing(span, target);
    let size = step.size();
    let (first, last) = ((min / size - SLACK).ceil(), (max / size + SLACK).floor());
    let count = (last - first + 1.0).max(0.0) as u32;
    let major = (0..count)
        .map(|i| step.times(first + f64::from(i)))
        .map(|value| Tick { value, label: step.label(value) })
        .collect();
    Ticks { major, minor: Vec::new() }
}

/// The ends of a linear axis, moved outwards to the next tick.
pub(super) fn linear_ends(min: f64, max: f64, target: usize) -> (f64, f64) {
    let step = Step::dividing(max - min, target);
    let size = step.size();
    let (first, last) = ((min / size + SLACK).floor(), (max / size - SLACK).ceil());
    (step.times(first).min(min), step.times(last).max(max))
}

/// Ticks of a logarithmic axis from `min` to `max`, at most about `target` of them.
///
/// Over two decades or more these are powers of ten, every k-th one where there are many. Over less, 1, 2 and 5 times
/// powers of ten; over a factor of three or less, those of a linear axis. `0 < min < max`; otherwise there are none.
pub(super) fn log(min: f64, max: f64, target: usize) -> Ticks {
    if !(min > 0.0 && max > min && max.is_finite()) {
        return Ticks::default();
    }
    let inside = |value: &f64| *value >= min * (1.0 - SLACK) && *value <= max * (1.0 + SLACK);
    let exponents = min.log10().floor() as i32..=max.log10().ceil() as i32;
    let decades: Vec<i32> = exponents.clone().filter(|&e| inside(&pow10(e))).collect();
    if decades.len() < 2 || (decades.len() == 2 && target >= 5) {
        return within_a_decade(min, max, target, exponents);
    }
    let widest = i32::try_from(decades.len().div_ceil(target.max(2))).unwrap_or(1);
    let is_labelled = |e: i32, stride: i32| e.rem_euclid(stride) == 0;
    // One label alone says nothing about the scale.
    let shows_two = |stride: &i32| decades.iter().filter(|&&e| is_labelled(e, *stride)).count() >= 2;
    let stride = (1..=widest).rev().find(shows_two).unwrap_or(1);
    let (labelled, between): (Vec<i32>, Vec<i32>) = decades.iter().partition(|&&e| is_labelled(e, stride));
    let plain = labelled.iter().all(|e| PLAIN_DECADES.contains(e));
    let major =
        labelled.iter().map(|&e| Tick { value: pow10(e), label: decade_label(1, e, plain) }).collect();
    let minor = if stride > 1 {
        between.into_iter().map(pow10).collect()
    } else {
        exponents.flat_map(|e| (2..=9).map(move |m| f64::from(m) * pow10(e))).filter(inside).collect()
    };
    Ticks { major, minor }
}

fn within_a_decade(min: f64, max: f64, target: usize, exponents: std::ops::RangeInclusive<i32>) -> Ticks {
    let inside = |value: f64| value >= min * (1.0 - SLACK) && value <= max * (1.0 + SLACK);
    let all: Vec<(i32, i32)> = exponents
        .flat_map(|e| (1..=9).map(move |m| (m, e)))
        .filter(|&(m, e)| inside(f64::from(m) * pow10(e)))
        .collect();
    let is_labelled = |m: i32| matches!(m, 1 | 2 | 5);
    let labelled: Vec<(i32, i32)> = all.iter().copied().filter(|&(m, _)| is_labelled(m)).collect();
    if labelled.len() < 3 || max / min <= 3.0 {
        return linear(min, max, target);
    }
    let plain = labelled.iter().all(|(_, e)| PLAIN_DECADES.contains(e));
    let value = |(m, e): (i32, i32)| f64::from(m) * pow10(e);
    Ticks {
        major: labelled
            .iter()
            .map(|&(m, e)| Tick { value: value((m, e)), label: decade_label(m, e, plain) })
            .collect(),
        minor: all.iter().copied().filter(|&(m, _)| !is_labelled(m)).map(value).collect(),
    }
}

fn decade_label(mantissa: i32, exponent: i32, plain: bool) -> String {
    if plain {
        let decimals = usize::try_from(-exponent).unwrap_or(0);
        number::typeset(&format!("{:.decimals$}", f64::from(mantissa) * pow10(exponent)))
    } else {
        number::typeset(&format!("{mantissa}e{exponent}"))
    }
}

fn pow10(exponent: i32) -> f64 {
    10_f64.powi(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(ticks: &Ticks) -> Vec<&str> {
        ticks.major.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn linear_ticks_step_by_one_two_or_five() {
        assert_eq!(labels(&linear(0.0, 1.0, 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&linear(-7.0, 12.0, 5)), ["−5", "0", "5", "10"]);
        assert_eq!(labels(&linear(0.0, 5000.0, 6)), ["0", "1000", "2000", "3000", "4000", "5000"]);
        assert_eq!(labels(&linear(0.0, 3e-7, 4)), ["0", "10⁻⁷", "2×10⁻⁷", "3×10⁻⁷"]);
    }

    #[test]
    fn log_ticks_are_decades_with_minor_ticks() {
        let ticks = log(0.002, 30.0, 6);
        assert_eq!(labels(&ticks), ["0.01", "0.1", "1", "10"]);
        assert!(ticks.minor.contains(&0.005) && ticks.minor.contains(&20.0) && !ticks.minor.contains(&0.1));
        let ticks = log(1e-12, 1e4, 6);
        assert_eq!(labels(&ticks), ["10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "10⁰", "10³"]);
        assert!(ticks.minor.contains(&0.1));
    }

    #[test]
    fn a_short_log_axis_is_labelled_between_decades() {
        assert_eq!(labels(&log(0.03, 0.7, 6)), ["0.05", "0.1", "0.2", "0.5"]);
        assert_eq!(labels(&log(2.0, 3.0, 5)), ["2.0", "2.2", "2.4", "2.6", "2.8", "3.0"]);
    }

    #[test]
    fn an_axis_without_extent_has_no_ticks() {
        for (min, max) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert_eq!(linear(min, max, 5), Ticks::default());
        }
        assert_eq!(log(0.0, 1.0, 5), Ticks::default());
        assert_eq!(log(-1.0, 1.0, 5), Ticks::default());
    }

    /// The label's number: the inverse of typesetting.
    fn read(label: &str) -> f64 {
        let ascii: String = label
            .chars()
            .filter_map(|c| match c {
                '−' | '⁻' => Some('-'),
                '\u{202f}' => None,
                '¹' => Some('1'),
                '²' => Some('2'),
                '³' => Some('3'),
                '⁰' | '⁴'..='⁹' => char::from_digit(c as u32 - 0x2070, 10),
                other => Some(other),
            })
            .collect();
        let ascii = match ascii.split_once("×10") {
            Some((mantissa, exponent)) => format!("{mantissa}e{exponent}"),
            None if label.starts_with("10") && label.ends_with(|c: char| !c.is_ascii()) => {
                format!("1e{}", &ascii[2..])
            }
            None => ascii,
        };
        ascii.parse().unwrap()
    }

    fn check(ticks: &Ticks, min: f64, max: f64) -> Result<(), TestCaseError> {
        let span = max - min;
        for tick in &ticks.major {
            prop_assert!(tick.value >= min - 1e-6 * span && tick.value <= max + 1e-6 * span, "{tick:?}");
            let tolerance = 1e-9 * tick.value.abs().max(1e-3 * span.abs().min(tick.value.abs()));
            prop_assert!((read(&tick.label) - tick.value).abs() <= tolerance, "{tick:?}");
        }
        prop_assert!(ticks.major.windows(2).all(|pair| pair[0].value < pair[1].value), "{ticks:?}");
        prop_assert!(ticks.minor.is_sorted(), "{ticks:?}");
        let shared = ticks.major.iter().any(|major| ticks.minor.contains(&major.value));
        prop_assert!(!shared, "{ticks:?}");
        Ok(())
    }

    proptest! {
        #[test]
        fn linear_ticks_lie_inside_and_say_their_value(
            center in -1e3..1e3_f64, scale in -12..12_i32, relative in 0.01..10.0_f64, target in 2..10_usize
        ) {
            let (center, span) = (center * pow10(scale), relative * pow10(scale));
            let (min, max) = (center, center + span);
            let ticks = linear(min, max, target);
            check(&ticks, min, max)?;
            // A step of 1, 2 or 5 is at most 2.5 times the one asked for, which leaves room for this many.
            let count = ticks.major.len();
            prop_assert!(count <= target + 1 && count as f64 >= (target as f64 / 2.5 - 1.0).floor(), "{ticks:?}");
            let step = (ticks.major.len() >= 2).then(|| ticks.major[1].value - ticks.major[0].value);
            if let Some(step) = step {
                let mantissa = step / pow10((step * (1.0 + 1e-6)).log10().floor() as i32);
                prop_assert!([1.0, 2.0, 5.0].iter().any(|m| (m - mantissa).abs() < 1e-4), "{step}");
            }
        }

        #[test]
        fn the_ends_enclose_the_data_and_are_ticks(min in -1e3..1e3_f64, span in 1e-3..1e3_f64, target in 2..10_usize) {
            let (low, high) = linear_ends(min, min + span, target);
            prop_assert!(low <= min && high >= min + span);
            let step = Step::dividing(span, target).size();
            prop_assert!(min - low <= step * 1.001 && high - min - span <= step * 1.001);
        }

        #[test]
        fn log_ticks_lie_inside_and_say_their_value(
            low in -30.0..20.0_f64, decades in 0.1..40.0_f64, target in 2..10_usize
        ) {
            let (min, max) = (10_f64.powf(low), 10_f64.powf(low + decades));
            let ticks = log(min, max, target);
            check(&ticks, min, max)?;
            prop_assert!(ticks.major.len() <= 2 * target + 2, "{ticks:?}");
            if decades >= 3.0 {
                prop_assert!(ticks.major.len() >= 2, "{ticks:?}");
            }
        }
    }
}
