//! JSON files as Python writes them, with the bare words `NaN` and `Infinity`.

use crate::NetsError;
use crate::tensor_file::read_regular;
use serde_json::Value;
use std::path::Path;

/// Reads a JSON file as Python writes it: bare `NaN` and `Infinity` become strings, which no numeric key accepts.
pub(super) fn read_json(path: &Path) -> Result<Value, NetsError> {
    let text = String::from_utf8(read_regular(path)?)
        .map_err(|_| NetsError::format(path, "expected text in UTF-8"))?;
    serde_json::from_str(&quoted(&text)).map_err(|e| NetsError::format(path, format!("not valid JSON ({e})")))
}

/// The text with quotes around the bare words `NaN`, `Infinity` and `-Infinity`.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Every second piece between unescaped quotes is a string.
    let (mut inside, mut start) = (false, 0);
    let bytes = text.as_bytes();
    let outside = |piece: &str| {
        let marked = piece.replace("-Infinity", "\"-inf\"").replace("NaN", "\"nan\"");
        marked.replace("Infinity", "\"inf\"")
    };
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if inside => at += 1,
            b'"' => {
                let piece = &text[start..at];
                out.push_str(&if inside { piece.to_owned() } else { outside(piece) });
                out.push('"');
                (inside, start) = (!inside, at + 1);
            }
            _ => {}
        }
        at += 1;
    }
    let rest = &text[start.min(text.len())..];
    out.push_str(&if inside { rest.to_owned() } else { outside(rest) });
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn bare_words_of_python_are_quoted_and_strings_stay() {
        let text = r#"{"a": -Infinity, "b": [NaN, Infinity], "NaN \" Infinity": "Infinity", "c": 1}"#;
        let expected = r#"{"a": "-inf", "b": ["nan", "inf"], "NaN \" Infinity": "Infinity", "c": 1}"#;
        assert_eq!(quoted(text), expected);
        assert_eq!(quoted("{\"a"), "{\"a");
    }
}
