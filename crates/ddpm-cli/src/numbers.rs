//! Numbers on the command line: whole numbers may be written as `1e3`, and an error says what was expected.
//!
//! The error of a number out of range begins with "must"; [`crate::exit_codes::usage`] puts the option before it and the number after it.

/// A whole number of at least 0.
pub(crate) fn whole(word: &str) -> Result<usize, String> {
    parse(word).ok_or_else(|| out_of_range(word, 0))
}

/// A whole number of at least 1.
pub(crate) fn count(word: &str) -> Result<usize, String> {
    parse(word).filter(|&value| value >= 1).ok_or_else(|| out_of_range(word, 1))
}

/// [`count`] as `u64`.
pub(crate) fn count64(word: &str) -> Result<u64, String> {
    count(word).map(|value| value as u64)
}

/// A positive number.
pub(crate) fn positive(word: &str) -> Result<f64, String> {
    match word.parse::<f64>() {
        Ok(value) if value > 0.0 && value.is_finite() => Ok(value),
        Ok(_) => Err("must be positive".into()),
        Err(_) => Err("expected a positive number".into()),
    }
}

/// A seed: a whole number of at least 0.
pub(crate) fn seed(word: &str) -> Result<u64, String> {
    word.parse().or_else(|_| whole(word).map(|value| value as u64))
}

fn out_of_range(word: &str, least: usize) -> String {
    let is_whole = word.parse::<f64>().is_ok_and(|value| value.fract() == 0.0);
    if is_whole {
        format!("must be at least {least}")
    } else {
        format!("expected a whole number of at least {least}")
    }
}

/// Digits, or a float without a fraction such as `1e3`.
fn parse(word: &str) -> Option<usize> {
    /// Every whole number up to here is a float.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    word.parse().ok().or_else(|| {
        let value: f64 = word.parse().ok()?;
        (value.fract() == 0.0 && (0.0..=LARGEST).contains(&value)).then_some(value as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_be_written_as_powers_of_ten() {
        assert_eq!(
            (whole("0"), whole("1e3"), count("7"), count64("2.5e1")),
            (Ok(0), Ok(1000), Ok(7), Ok(25))
        );
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        for word in ["-1", "1.5", "x", "", "nan", "1e40"] {
            assert!(whole(word).is_err() && count(word).is_err(), "{word}");
        }
        assert!(count("0").is_err());
    }
}
