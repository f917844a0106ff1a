//! Typed reading of the keys of a JSON object.

use serde_json::{Map, Value};

/// The keys of a file; every error names the key, what is expected and what it holds.
pub(super) struct Keys<'a>(pub(super) &'a Map<String, Value>);

impl Keys<'_> {
    /// The value of a key; none where it is absent or null.
    pub(super) fn given(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn wrong<T>(key: &str, expected: impl std::fmt::Display, got: &Value) -> Result<T, String> {
        Err(format!("{key}: expected {expected}, got {got}"))
    }

    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64, String> {
        match self.given(key) {
            None => Ok(default),
            Some(value) => value.as_f64().map_or_else(|| Self::wrong(key, "a number", value), Ok),
        }
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, String> {
        match self.0.get(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(false),
            Some(value) => value.as_bool().map_or_else(|| Self::wrong(key, "true or false", value), Ok),
        }
    }

    pub(super) fn count(&self, key: &str, default: u64, most: u64) -> Result<usize, String> {
        match self.given(key) {
            None => Ok(default as usize),
            Some(value) => match value.as_u64() {
                Some(count) if (1..=most).contains(&count) => Ok(count as usize),
                _ => Self::wrong(key, format_args!("a whole number from 1 to {most}"), value),
            },
        }
    }

    pub(super) fn word<T: Copy>(&self, key: &str, default: T, words: &[(&str, T)]) -> Result<T, String> {
        let Some(value) = self.given(key) else { return Ok(default) };
        let known = words.iter().find(|(word, _)| value.as_str() == Some(*word));
        known.map_or_else(
            || {
                let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Self::wrong(key, format_args!("one of {}", list.join(", ")), value)
            },
            |(_, meaning)| Ok(*meaning),
        )
    }

    pub(super) fn numbers(&self, key: &str, length: usize) -> Result<Option<Vec<f64>>, String> {
        let Some(value) = self.given(key) else { return Ok(None) };
        let Some(list) = value.as_array() else { return Err(format!("{key}: expected a list of numbers")) };
        if list.len() != length {
            return Err(format!(
                "{key}: expected num_train_timesteps = {length} numbers, got {}",
                list.len()
            ));
        }
        let number = |(index, value): (usize, &Value)| {
            value.as_f64().map_or_else(|| Self::wrong(&format!("{key}[{index}]"), "a number", value), Ok)
        };
        list.iter().enumerate().map(number).collect::<Result<_, _>>().map(Some)
    }

    /// `key` must hold `expected`, or be absent.
    pub(super) fn fixed(&self, key: &str, expected: impl Into<Value>) -> Result<(), String> {
        let expected = expected.into();
        match self.given(key) {
            Some(value) if *value != expected => {
                Err(format!("{key} = {value} is not supported, expected {expected}"))
            }
            _ => Ok(()),
        }
    }
}
