//! TOML text with changes from the command line, and its errors as one line that names the key, the line, and what was expected.

use super::configuration::{Configuration, TaggedSection};
use crate::serde_text;
use anyhow::{Result, anyhow, bail};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Parses a file and applies `section.key=value` changes. Whole numbers may be written as `1e3`.
pub(super) fn parse(text: &str, changes: &[String]) -> Result<Table> {
    let mut table: Table = text.parse().map_err(|error| anyhow!(syntax_error(text, &error)))?;
    for change in changes {
        apply(&mut table, change)?;
    }
    table.iter_mut().for_each(|(_, value)| whole_floats_to_integers(value));
    Ok(table)
}

/// The typed and checked configuration that a table stands for; `text` is the file that it was read from, for line numbers.
pub(super) fn typed<C: Configuration>(mut table: Table, text: &str) -> Result<C> {
    if !C::SAMPLE_DEFAULTS.is_empty()
        && let Value::Table(sample) = table.entry("sample").or_insert_with(|| Value::Table(Table::new()))
    {
        for (key, value) in C::SAMPLE_DEFAULTS {
            sample.entry(*key).or_insert(Value::Integer(*value));
        }
    }
    for section in C::TAGGED {
        complete_kind(&mut table, section);
    }
    let config: C = table.try_into().map_err(|error| anyhow!(type_error::<C>(text, &error)))?;
    config.validate()?;
    Ok(config)
}

/// Adds the kind to a section that has settings but no kind: the default kind if it has these settings, otherwise the first that has
/// them, which is printed.
fn complete_kind(table: &mut Table, section: &TaggedSection) {
    let TaggedSection { path: [outer, inner], tag, kinds, accepts } = *section;
    let Some(Value::Table(settings)) =
        table.get_mut(outer).and_then(Value::as_table_mut).and_then(|outer| outer.get_mut(inner))
    else {
        return;
    };
    if settings.is_empty() || settings.contains_key(tag) {
        return;
    }
    let with = |kind: &str| {
        let mut settings = settings.clone();
        settings.insert(tag.to_string(), Value::String(kind.to_string()));
        settings
    };
    let default = kinds.first().copied().unwrap_or_default();
    let kind = kinds.iter().copied().find(|kind| accepts(Value::Table(with(kind)))).unwrap_or(default);
    if kind != default {
        let keys: Vec<&str> = settings.keys().map(String::as_str).collect();
        note!("{outer}.{inner}.{tag} = \"{kind}\", because {} is set", keys.join(", "));
    }
    *settings = with(kind);
}

/// `section.key=value`: the value is TOML, or a plain word.
fn apply(table: &mut Table, change: &str) -> Result<()> {
    let (path, value) =
        change.split_once('=').ok_or_else(|| anyhow!("--set {change}: expected section.key=value"))?;
    let (path, value) = (path.trim(), value.trim());
    let parsed = format!("value = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_string()));
    let keys: Vec<&str> = path.split('.').collect();
    let Some((last, sections)) = keys.split_last().filter(|(_, sections)| !sections.is_empty()) else {
        bail!("--set {change}: expected section.key=value");
    };
    let mut place = table;
    for section in sections {
        let entry = place.entry(*section).or_insert_with(|| Value::Table(Table::new()));
        place = entry.as_table_mut().ok_or_else(|| anyhow!("--set {change}: {section} is not a section"))?;
    }
    place.insert((*last).to_string(), parsed);
    Ok(())
}

/// `1e3` is a float in TOML; settings that are numbers take integers too, settings that are counts take nothing else.
fn whole_floats_to_integers(value: &mut Value) {
    /// Every whole number up to here is a float.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Float(number) if number.fract() == 0.0 && number.abs() <= LARGEST => {
            *value = Value::Integer(*number as i64);
        }
        Value::Array(items) => items.iter_mut().for_each(whole_floats_to_integers),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| whole_floats_to_integers(value)),
        _ => {}
    }
}

/// The number and the text of the line that a byte offset lies in.
fn line_at(text: &str, offset: usize) -> (usize, &str) {
    // `str::floor_char_boundary` is newer than the oldest supported Rust.
    let end = (0..=offset.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let before = &text[..end];
    let number = before.matches('\n').count();
    (number + 1, text.lines().nth(number).unwrap_or_default().trim())
}

/// A text that is no TOML: the line with its number, and what is wrong.
fn syntax_error(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', ", ");
    match error.span() {
        Some(span) => {
            let (number, line) = line_at(text, span.start);
            format!("line {number} (`{line}`): {message}")
        }
        None => message,
    }
}

/// A value of the wrong type, or a key that does not exist, and the line if it is in the file.
fn type_error<C: DeserializeOwned>(text: &str, error: &toml::de::Error) -> String {
    let message = serde_text::plain(error);
    // An error that the file has by itself, without changes from the command line, has a place there.
    let own = toml::from_str::<C>(text).err().filter(|own| own.message() == error.message());
    match own.and_then(|own| own.span()) {
        Some(span) => format!("line {}: {message}", line_at(text, span.start).0),
        None => message,
    }
}
