//! Errors of serde in the words of a configuration file: the key with its path, what was expected, and the nearest key that exists.
//!
//! serde says "unknown field `bacth_size`, expected one of `steps`, `batch_size` in `train`"; this module makes it
//! "unknown key `train.bacth_size`; did you mean `train.batch_size`?".

/// The error in one line, without names of Rust types.
pub(crate) fn plain(error: &impl std::fmt::Display) -> String {
    let text = error.to_string().trim().replace('\n', " ");
    let (text, key) = match text.rsplit_once(" in `") {
        Some((head, key)) if key.ends_with('`') => (head, Some(key.trim_end_matches('`'))),
        _ => (text.as_str(), None),
    };
    let (text, place) = match text.rsplit_once(" at line ") {
        Some((head, place)) => (head, Some(place)),
        None => (text, None),
    };
    let message = without_serde_words(text, key);
    place.map_or(message.clone(), |place| format!("line {place}: {message}"))
}

fn without_serde_words(text: &str, key: Option<&str>) -> String {
    let path = |name: &str| key.map_or(name.to_string(), |key| format!("{key}.{name}"));
    let with_key = |message: String| key.map_or(message.clone(), |key| format!("{key}: {message}"));
    if let Some((name, rest)) = quoted_after(text, "unknown field `") {
        let known = quoted_words(rest);
        return match nearest(name, &known) {
            Some(near) => format!("unknown key `{}`; did you mean `{}`?", path(name), path(near)),
            None if rest.contains("no fields") => {
                format!("unknown key `{}`; there is nothing to set here", path(name))
            }
            // Sections made of several types do not say which keys they have.
            None if known.is_empty() => format!("unknown key `{}`", path(name)),
            None => format!("unknown key `{}`; {}", path(name), rest.trim_start_matches(", ")),
        };
    }
    if let Some((name, rest)) = quoted_after(text, "unknown variant `") {
        let hint = nearest(name, &quoted_words(rest))
            .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return with_key(format!("unknown value `{name}`{rest}{hint}"));
    }
    if let Some((name, _)) = quoted_after(text, "missing field `") {
        return format!("missing key `{}`", path(name));
    }
    if let Some(rest) = text.strip_prefix("invalid ")
        && let Some((_, rest)) = rest.split_once(": ")
        && let Some((got, expected)) = rest.split_once(", expected ")
    {
        return with_key(format!("expected {}, got {}", expected_words(expected), got_words(got)));
    }
    with_key(text.to_string())
}

/// The word in backquotes after `prefix`, and the text behind it.
fn quoted_after<'a>(text: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(prefix)?.split_once('`')
}

/// The words in backquotes.
fn quoted_words(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The known word that `word` is most likely a misspelling of, if one is close.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    /// Below this similarity (of 1) two words are different words.
    const CLOSE: f64 = 0.7;
    let similarity = |known: &str| strsim::normalized_damerau_levenshtein(word, known);
    let best = known.iter().copied().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(best) >= CLOSE).then_some(best)
}

fn expected_words(expected: &str) -> String {
    let first = expected.split(' ').next().unwrap_or_default();
    match first {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of at least 0".to_string(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_string(),
        "f32" | "f64" => "a number".to_string(),
        "struct" | "internally" | "adjacently" => "keys with values".to_string(),
        _ => match expected {
            "a sequence" => "a list".to_string(),
            "a map" => "keys with values".to_string(),
            "a boolean" => "true or false".to_string(),
            "path string" => "a path".to_string(),
            // "an array of length 2", "a tuple of size 2".
            _ => expected.replacen("an array of length", "a list of length", 1).replacen(
                "a tuple of size",
                "a list of length",
                1,
            ),
        },
    }
}

fn got_words(got: &str) -> String {
    match got {
        "sequence" => return "a list".to_string(),
        "map" => return "keys with values".to_string(),
        _ => {}
    }
    // "integer `-5`", "floating point `1.5`", "string \"x\"": the value says what it is.
    ["integer ", "floating point ", "boolean ", "string ", "character "]
        .iter()
        .find_map(|kind| got.strip_prefix(kind))
        .unwrap_or(got)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::{nearest, plain};

    #[test]
    fn serde_s_words_become_those_of_a_file() {
        for (serde, ours) in [
            (
                "unknown field `bacth_size`, expected one of `steps`, `batch_size`\nin `train`\n",
                "unknown key `train.bacth_size`; did you mean `train.batch_size`?",
            ),
            ("unknown field `x`, expected `a` or `b`", "unknown key `x`; expected `a` or `b`"),
            (
                "unknown field `gamma`, there are no fields\nin `train.loss`",
                "unknown key `train.loss.gamma`; there is nothing to set here",
            ),
            (
                "unknown variant `f16`, expected `f32` or `bf16`\nin `train.precision`",
                "train.precision: unknown value `f16`, expected `f32` or `bf16`; did you mean `bf16`?",
            ),
            ("missing field `name` in `data`", "missing key `data.name`"),
            (
                "invalid type: floating point `1.5`, expected u64\nin `train.steps`",
                "train.steps: expected a whole number of at least 0, got `1.5`",
            ),
            (
                "invalid type: string \"x\", expected a sequence at line 1 column 20",
                "line 1 column 20: expected a list, got \"x\"",
            ),
            (
                "invalid type: integer `3`, expected struct EmaConfig in `train.ema`",
                "train.ema: expected keys with values, got `3`",
            ),
            ("expected value at line 3 column 1", "line 3 column 1: expected value"),
        ] {
            assert_eq!(plain(&serde), ours);
        }
    }

    #[test]
    fn only_a_close_word_is_offered() {
        let known = ["steps", "seed", "batch_size"];
        assert_eq!(nearest("stpes", &known), Some("steps"));
        assert_eq!(nearest("batchsize", &known), Some("batch_size"));
        assert_eq!(nearest("gamma", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }
}
