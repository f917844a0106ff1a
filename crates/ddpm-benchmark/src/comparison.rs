//! Which of several candidates is best, over several targets: how many times the best of the same target each one is.

use ddpm_report::kit::{Cell, Table, Text, number};
use serde_json::{Value, json};

/// Errors of candidates, by the number of steps (or evaluations) and target. Smaller is better.
#[derive(Debug)]
pub(crate) struct Comparison {
    candidates: Vec<String>,
    columns: Vec<usize>,
    targets: Vec<String>,
    /// [candidate][column][target]; none where the candidate does not take part.
    errors: Vec<Vec<Vec<Option<f64>>>>,
}

impl Comparison {
    /// Asks `error` for every (candidate, column, target).
    pub(crate) fn new<E>(
        candidates: Vec<String>,
        columns: &[usize],
        targets: Vec<String>,
        error: impl Fn(usize, usize, usize) -> Result<Option<f64>, E>,
    ) -> Result<Self, E> {
        let positive = |value: Option<f64>| value.filter(|value| *value > 0.0 && value.is_finite());
        let of = |candidate: usize, column: usize| -> Result<Vec<Option<f64>>, E> {
            (0..targets.len()).map(|target| error(candidate, column, target).map(positive)).collect()
        };
        let errors = (0..candidates.len())
            .map(|candidate| (0..columns.len()).map(|column| of(candidate, column)).collect())
            .collect::<Result<_, E>>()?;
        Ok(Comparison { candidates, columns: columns.to_vec(), targets, errors })
    }

    /// The number of targets.
    pub(crate) fn targets(&self) -> usize {
        self.targets.len()
    }

    /// The least error on a target.
    fn least(&self, column: usize, target: usize) -> Option<f64> {
        self.errors.iter().filter_map(|rows| rows[column][target]).min_by(f64::total_cmp)
    }

    /// How many times the best the candidate is: the geometric mean over targets. None unless it takes part on all.
    pub(crate) fn times_best(&self, candidate: usize, column: usize) -> Option<f64> {
        let logs: Option<Vec<f64>> = (0..self.targets.len())
            .map(|target| Some((self.errors[candidate][column][target]? / self.least(column, target)?).ln()))
            .collect();
        let logs = logs.filter(|logs| !logs.is_empty())?;
        Some((logs.iter().sum::<f64>() / logs.len() as f64).exp())
    }

    /// The candidate that is nearest to the best.
    pub(crate) fn winner(&self, column: usize) -> Option<usize> {
        let candidates = (0..self.candidates.len()).filter_map(|c| Some((c, self.times_best(c, column)?)));
        candidates.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(candidate, _)| candidate)
    }

    /// On how many targets the candidate has the least error.
    pub(crate) fn wins(&self, candidate: usize, column: usize) -> usize {
        let has_least = |target: &usize| {
            self.errors[candidate][column][*target]
                .is_some_and(|own| Some(own) == self.least(column, *target))
        };
        (0..self.targets.len()).filter(has_least).count()
    }

    /// The `count` best candidates of every column and those of these names, in their order.
    pub(crate) fn leaders(&self, count: usize, also: &[&str]) -> Vec<usize> {
        let mut places: Vec<usize> =
            also.iter().filter_map(|name| self.candidates.iter().position(|own| own == name)).collect();
        for column in 0..self.columns.len() {
            let ranked = (0..self.candidates.len()).filter_map(|c| Some((c, self.times_best(c, column)?)));
            let mut ranked: Vec<(usize, f64)> = ranked.collect();
            ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
            places.extend(ranked.iter().take(count).map(|(candidate, _)| candidate));
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// A candidate's name and its errors on a target, by column.
    pub(crate) fn errors_of(&self, candidate: usize, target: usize) -> (&str, Vec<Option<f64>>) {
        let errors = self.errors[candidate].iter().map(|by_target| by_target[target]).collect();
        (&self.candidates[candidate], errors)
    }

    /// `cosine for 10 to 50 steps and karras for 100 to 1000`.
    pub(crate) fn winners_in_words(&self, unit: &str) -> String {
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for (column, &steps) in self.columns.iter().enumerate() {
            let Some(winner) = self.winner(column) else { continue };
            match runs.last_mut().filter(|run| run.0 == winner) {
                Some(run) => run.2 = steps,
                None => runs.push((winner, steps, steps)),
            }
        }
        let words: Vec<String> = runs
            .iter()
            .enumerate()
            .map(|(k, (winner, first, last))| {
                let unit = if k == 0 { format!(" {unit}") } else { String::new() };
                let range = if first == last { first.to_string() } else { format!("{first} to {last}") };
                format!("{} for {range}{unit}", self.candidates[*winner])
            })
            .collect();
        join(&words)
    }

    /// The figures of the comparison, for programs.
    pub(crate) fn figures(&self) -> Value {
        let rows: Vec<Value> = (0..self.candidates.len())
            .map(|candidate| {
                let times: Vec<Option<f64>> =
                    (0..self.columns.len()).map(|column| self.times_best(candidate, column)).collect();
                json!({"candidate": self.candidates[candidate], "times_best": times, "errors": self.errors[candidate]})
            })
            .collect();
        json!({"columns": self.columns, "targets": self.targets, "candidates": rows})
    }

    /// How many times the best each candidate is, one column a number of steps; the best stands out.
    pub(crate) fn table(&self, caption: impl Into<Text>, first: &str, unit: &str) -> Table {
        self.filled(caption, first, unit, |candidate, column| {
            let value = self.times_best(candidate, column)?;
            Some((value, significant(value)))
        })
    }

    /// The errors on one target.
    pub(crate) fn table_of(&self, target: usize, caption: impl Into<Text>, first: &str, unit: &str) -> Table {
        self.filled(caption, first, unit, |candidate, column| {
            let value = self.errors[candidate][column][target]?;
            Some((value, significant(value)))
        })
    }

    fn filled(
        &self,
        caption: impl Into<Text>,
        first: &str,
        unit: &str,
        value: impl Fn(usize, usize) -> Option<(f64, String)>,
    ) -> Table {
        let heading = |n: &usize| number::count(*n as u64);
        let headings = std::iter::once(format!("{first}, by {unit}")).chain(self.columns.iter().map(heading));
        let mut table = Table::new(caption, headings);
        let best: Vec<Option<f64>> = (0..self.columns.len())
            .map(|column| {
                let values = (0..self.candidates.len()).filter_map(|candidate| value(candidate, column));
                values.map(|(value, _)| value).min_by(f64::total_cmp)
            })
            .collect();
        for (candidate, name) in self.candidates.iter().enumerate() {
            let cells = (0..self.columns.len()).map(|column| match value(candidate, column) {
                Some((value, text)) if Some(value) == best[column] => {
                    Cell::Numeral(Text::default().strong(text))
                }
                Some((_, text)) => Cell::Numeral(text.into()),
                None => Cell::Empty,
            });
            table.push(std::iter::once(Cell::from(name.as_str())).chain(cells));
        }
        table
    }
}

/// Three significant digits; whole numbers keep all of theirs.
fn significant(value: f64) -> String {
    number::typeset(&number::plain(value, 3))
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn join(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn comparison(errors: [[[f64; 2]; 2]; 3]) -> Comparison {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let targets = ["x", "y"].map(str::to_owned).to_vec();
        let error = |c: usize, k: usize, t: usize| Ok::<_, Infallible>(Some(errors[c][k][t]));
        Comparison::new(names, &[10, 20], targets, error).unwrap()
    }

    #[test]
    fn the_best_is_relative_to_each_target() {
        // On target y all errors are a thousand times larger; a is best on x, b on y by more.
        let errors = [[[1.0, 8000.0], [4.0, 1.0]], [[2.0, 1000.0], [1.0, 4.0]], [[0.0, 1.0], [9.0, 9.0]]];
        let comparison = comparison(errors);
        // c has no positive error on x at 10 steps, so that it takes no part, but 1 on y is the least there.
        assert_eq!(comparison.times_best(2, 0), None);
        assert!((comparison.times_best(0, 0).unwrap() - 8000f64.sqrt()).abs() < 1e-9);
        assert!((comparison.times_best(1, 0).unwrap() - 2000f64.sqrt()).abs() < 1e-9);
        assert_eq!((comparison.winner(0), comparison.wins(0, 0), comparison.wins(2, 0)), (Some(1), 1, 1));
        assert!((comparison.times_best(0, 1).unwrap() - 2.0).abs() < 1e-12);
        assert!(comparison.winners_in_words("steps").starts_with("b for 10 steps and a for 20"));
    }

    #[test]
    fn winners_of_neighbouring_columns_are_said_once() {
        let same = [[1.0, 1.0], [1.0, 1.0]];
        let worse = [[2.0, 2.0], [2.0, 2.0]];
        assert_eq!(comparison([worse, same, worse]).winners_in_words("steps"), "b for 10 to 20 steps");
        assert_eq!(join(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}
