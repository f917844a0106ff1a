//! Candidates compared over numbers of steps and targets: the cells that are needed, and which candidate has the least error.
//!
//! ```text
//! r_c = exp(mean over targets of log(e_c / least e of the target))     how many times the best the error of candidate c is
//! ```
//!
//! Monte Carlo errors e have a standard error s. Two candidates are told apart where the difference of their mean logarithms exceeds 1.96
//! standard errors of it, the root of the sum of (s/e)^2 / targets^2 over both (delta method). All candidates that are not told apart from the
//! least error share the first place.

use crate::cell::Cell;
use crate::closed_form_target::NamedTarget;
use crate::outcome::Outcome;
use crate::sweep::Results;
use anyhow::Result;
use ddpm_core::decomposition::Estimate;
use ddpm_core::interval::{Interval, NORMAL_QUANTILE};
use ddpm_report::kit::{self, Axis, Plot, Point, Series, Table, Text, listed, number};
use serde_json::{Value, json};

/// Curves of a plot that have colours of their own.
const MOST_CURVES: usize = 6;

/// Gives the cells of a candidate at a number of steps on a target.
type CellsOf<'a> = Box<dyn Fn(usize, usize, &NamedTarget) -> Vec<Cell> + 'a>;

/// A comparison before its cells are computed.
pub(crate) struct ComparisonPlan<'a> {
    /// The kind of candidate, such as `schedule`.
    pub(crate) kind: &'static str,
    /// The unit of the columns, such as `steps`.
    pub(crate) unit: &'static str,
    /// Names of the candidates.
    pub(crate) candidates: Vec<String>,
    /// Numbers of steps (or evaluations).
    pub(crate) columns: Vec<usize>,
    /// The targets.
    pub(crate) targets: Vec<&'a NamedTarget>,
    /// The cells of (candidate, number of steps, target). The least error of the cells counts; without cells the candidate does not take part.
    pub(crate) cells: CellsOf<'a>,
    /// Reads the error of a cell.
    pub(crate) error: fn(&Outcome) -> Result<Estimate>,
}

impl ComparisonPlan<'_> {
    /// All cells.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for target in &self.targets {
            for &steps in &self.columns {
                for candidate in 0..self.candidates.len() {
                    cells.extend((self.cells)(candidate, steps, target));
                }
            }
        }
        cells
    }

    /// The comparison from the results of the cells.
    pub(crate) fn compare(self, results: &Results) -> Result<Comparison> {
        let error = |candidate: usize, steps: usize, target: &NamedTarget| -> Result<Option<Estimate>> {
            let mut least: Option<Estimate> = None;
            for cell in (self.cells)(candidate, steps, target) {
                let error = (self.error)(results.get(&cell)?)?;
                if error.value > 0.0
                    && error.value.is_finite()
                    && least.is_none_or(|least| error.value < least.value)
                {
                    least = Some(error);
                }
            }
            Ok(least)
        };
        let column = |candidate: usize, steps: usize| -> Result<Vec<Option<Estimate>>> {
            self.targets.iter().map(|target| error(candidate, steps, target)).collect()
        };
        let errors = (0..self.candidates.len())
            .map(|candidate| self.columns.iter().map(|&steps| column(candidate, steps)).collect())
            .collect::<Result<_>>()?;
        Ok(Comparison {
            heading: format!("{}, by {}", self.kind, self.unit),
            unit: self.unit,
            candidates: self.candidates,
            columns: self.columns,
            targets: self.targets.iter().map(|target| target.name.to_string()).collect(),
            errors,
        })
    }
}

/// Errors of candidates by number of steps and target. Smaller is better.
#[derive(Debug)]
pub(crate) struct Comparison {
    heading: String,
    unit: &'static str,
    candidates: Vec<String>,
    columns: Vec<usize>,
    targets: Vec<String>,
    /// [candidate][column][target]; none where the candidate does not take part.
    errors: Vec<Vec<Vec<Option<Estimate>>>>,
}

/// The logarithm of an error and its variance.
#[derive(Clone, Copy)]
struct LogError {
    value: f64,
    variance: f64,
}

impl LogError {
    fn of(error: Estimate) -> Self {
        LogError { value: error.value.ln(), variance: (error.stderr / error.value).powi(2) }
    }

    /// Whether the difference from a smaller error lies within its 95 % interval.
    fn ties_with(self, least: LogError) -> bool {
        self.value - least.value <= NORMAL_QUANTILE * (self.variance + least.variance).sqrt()
            && self.variance + least.variance > 0.0
    }
}

/// The index of the least error and of those that are not told apart from it, in order.
fn first_places(errors: impl Iterator<Item = Option<LogError>>) -> Vec<usize> {
    let errors: Vec<(usize, LogError)> =
        errors.enumerate().filter_map(|(k, error)| Some((k, error?))).collect();
    let Some(&(best, least)) = errors.iter().min_by(|a, b| a.1.value.total_cmp(&b.1.value)) else {
        return Vec::new();
    };
    errors.iter().filter(|(k, error)| *k == best || error.ties_with(least)).map(|(k, _)| *k).collect()
}

impl Comparison {
    /// The number of targets.
    pub(crate) fn targets(&self) -> usize {
        self.targets.len()
    }

    /// The numbers of steps.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The mean logarithm of the error as a multiple of the least. None unless the candidate takes part on all targets.
    fn mean_log(&self, candidate: usize, column: usize) -> Option<LogError> {
        let count = self.targets.len();
        let (mut value, mut variance) = (0.0, 0.0);
        for target in 0..count {
            let own = self.errors[candidate][column][target]?;
            let least = self
                .errors
                .iter()
                .filter_map(|rows| rows[column][target])
                .map(|error| error.value)
                .min_by(f64::total_cmp)?;
            value += (own.value / least).ln();
            variance += LogError::of(own).variance;
        }
        let n = count as f64;
        (count > 0).then_some(LogError { value: value / n, variance: variance / (n * n) })
    }

    /// How many times the best the error of a candidate is: the geometric mean over targets. None unless it takes part on all.
    pub(crate) fn times_best(&self, candidate: usize, column: usize) -> Option<f64> {
        self.mean_log(candidate, column).map(|error| error.value.exp())
    }

    /// The candidate with the least mean error and those that are not told apart from it.
    pub(crate) fn winners(&self, column: usize) -> Vec<usize> {
        first_places((0..self.candidates.len()).map(|candidate| self.mean_log(candidate, column)))
    }

    fn winners_on(&self, column: usize, target: usize) -> Vec<usize> {
        first_places(self.errors.iter().map(|rows| rows[column][target].map(LogError::of)))
    }

    /// The number of targets on which the candidate alone has the least error.
    pub(crate) fn wins(&self, candidate: usize, column: usize) -> usize {
        (0..self.targets.len()).filter(|&target| self.winners_on(column, target) == [candidate]).count()
    }

    /// The number of cases (targets and numbers of steps) without a sole winner.
    pub(crate) fn undecided(&self) -> usize {
        let cases = (0..self.columns.len())
            .flat_map(|column| (0..self.targets.len()).map(move |target| (column, target)));
        cases.filter(|&(column, target)| self.winners_on(column, target).len() != 1).count()
    }

    /// The winners in words: `cosine for 10 to 50 steps and linear or karras for 100`.
    pub(crate) fn winners_in_words(&self) -> String {
        let mut runs: Vec<(Vec<usize>, usize, usize)> = Vec::new();
        for (column, &steps) in self.columns.iter().enumerate() {
            let winners = self.winners(column);
            match runs.last_mut().filter(|run| run.0 == winners) {
                Some(run) => run.2 = steps,
                None if winners.is_empty() => {}
                None => runs.push((winners, steps, steps)),
            }
        }
        let in_words = |(k, (winners, first, last)): (usize, &(Vec<usize>, usize, usize))| {
            let unit = if k == 0 { format!(" {}", self.unit) } else { String::new() };
            let range = if first == last { first.to_string() } else { format!("{first} to {last}") };
            let names: Vec<&str> = winners.iter().map(|&winner| self.candidates[winner].as_str()).collect();
            format!("{} for {range}{unit}", names.join(" or "))
        };
        listed(&runs.iter().enumerate().map(in_words).collect::<Vec<_>>())
    }

    /// The figures of the comparison for `results.json`.
    pub(crate) fn figures(&self) -> Value {
        let rows: Vec<Value> = (0..self.candidates.len())
            .map(|candidate| {
                let times: Vec<Option<f64>> =
                    (0..self.columns.len()).map(|column| self.times_best(candidate, column)).collect();
                let values = |by_target: &Vec<Option<Estimate>>| {
                    by_target.iter().map(|error| error.map(|error| error.value)).collect::<Vec<_>>()
                };
                let errors: Vec<_> = self.errors[candidate].iter().map(values).collect();
                json!({"candidate": self.candidates[candidate], "times_best": times, "errors": errors})
            })
            .collect();
        json!({"columns": self.columns, "targets": self.targets, "candidates": rows})
    }

    /// How many times the best each candidate is, by number of steps. The first places are bold.
    pub(crate) fn table(&self, caption: impl Into<Text>) -> Table {
        self.filled(caption, |candidate, column| {
            let text = significant(self.times_best(candidate, column)?);
            Some((text, self.winners(column).contains(&candidate)))
        })
    }

    /// The errors on one target. The first places are bold.
    pub(crate) fn table_of(&self, target: usize, caption: impl Into<Text>) -> Table {
        self.filled(caption, |candidate, column| {
            let Estimate { value, stderr } = self.errors[candidate][column][target]?;
            let text = if stderr > 0.0 { number::measured(value, stderr) } else { significant(value) };
            Some((text, self.winners_on(column, target).contains(&candidate)))
        })
    }

    fn filled(
        &self,
        caption: impl Into<Text>,
        text: impl Fn(usize, usize) -> Option<(String, bool)>,
    ) -> Table {
        let columns = self.columns.iter().map(|n| number::count(*n as u64));
        let mut table = Table::new(caption, std::iter::once(self.heading.clone()).chain(columns));
        for (candidate, name) in self.candidates.iter().enumerate() {
            let cells = (0..self.columns.len()).map(|column| match text(candidate, column) {
                Some((text, true)) => kit::Cell::Numeral(Text::default().strong(text)),
                Some((text, false)) => kit::Cell::Numeral(text.into()),
                None => kit::Cell::Empty,
            });
            table.push(std::iter::once(kit::Cell::from(name.as_str())).chain(cells));
        }
        table
    }

    /// The errors on one target as curves, with 95 % intervals where they are estimated: those of the candidates `always`, then the best at each
    /// number of steps, then the second best, and so on, as long as there are colours.
    pub(crate) fn plot(&self, target: usize, always: &[&str], x: &str, y: &str) -> Plot {
        let title = format!(
            "Error by {}, {}",
            self.heading.split(',').next().unwrap_or_default(),
            self.targets[target]
        );
        let mut plot = Plot::new(title, Axis::log(x), Axis::log(y));
        for candidate in self.leaders(always) {
            let points =
                self.columns.iter().zip(&self.errors[candidate]).filter_map(|(&steps, by_target)| {
                    let Estimate { value, stderr } = by_target[target]?;
                    let point = Point::from((steps as f64, Interval::normal(value, stderr)));
                    Some(if stderr > 0.0 { point } else { Point { interval: None, ..point } })
                });
            let points: Vec<Point> = points.collect();
            if !points.is_empty() {
                plot = plot.series(Series::line_and_points(self.candidates[candidate].as_str(), points));
            }
        }
        plot
    }

    fn leaders(&self, always: &[&str]) -> Vec<usize> {
        let named = |name: &&str| self.candidates.iter().position(|own| own == name);
        let mut chosen: Vec<usize> = always.iter().filter_map(named).collect();
        let ranked: Vec<Vec<usize>> = (0..self.columns.len())
            .map(|column| {
                let of = |candidate: usize| Some((candidate, self.times_best(candidate, column)?));
                let mut ranked: Vec<(usize, f64)> = (0..self.candidates.len()).filter_map(of).collect();
                ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
                ranked.into_iter().map(|(candidate, _)| candidate).collect()
            })
            .collect();
        for place in 0..self.candidates.len() {
            for candidate in ranked.iter().filter_map(|column| column.get(place)) {
                if chosen.len() < MOST_CURVES && !chosen.contains(candidate) {
                    chosen.push(*candidate);
                }
            }
        }
        chosen.sort_unstable();
        chosen
    }
}

/// Three significant digits; whole numbers keep all of theirs.
fn significant(value: f64) -> String {
    number::typeset(&number::plain(value, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors [candidate][column][target] with one relative standard error.
    fn comparison(errors: [[[f64; 2]; 2]; 3], relative: f64) -> Comparison {
        let estimate = |value: f64| (value > 0.0).then_some(Estimate { value, stderr: relative * value });
        Comparison {
            heading: "letter, by steps".to_owned(),
            unit: "steps",
            candidates: ["a", "b", "c"].map(str::to_owned).to_vec(),
            columns: vec![10, 20],
            targets: ["x", "y"].map(str::to_owned).to_vec(),
            errors: errors.map(|rows| rows.map(|row| row.map(estimate).to_vec()).to_vec()).to_vec(),
        }
    }

    #[test]
    fn the_best_is_relative_to_each_target() {
        // On target y all errors are a thousand times larger; a is best on x, b on y by more.
        let errors = [[[1.0, 8000.0], [4.0, 1.0]], [[2.0, 1000.0], [1.0, 4.0]], [[0.0, 1.0], [9.0, 9.0]]];
        let comparison = comparison(errors, 0.0);
        // c has no positive error on x at 10 steps, so that it takes no part, but 1 on y is the least there.
        assert_eq!(comparison.times_best(2, 0), None);
        assert!((comparison.times_best(0, 0).unwrap() - 8000f64.sqrt()).abs() < 1e-9);
        assert!((comparison.times_best(1, 0).unwrap() - 2000f64.sqrt()).abs() < 1e-9);
        assert_eq!((comparison.winners(0), comparison.wins(0, 0), comparison.wins(2, 0)), (vec![1], 1, 1));
        assert!((comparison.times_best(0, 1).unwrap() - 2.0).abs() < 1e-12);
        assert!(comparison.winners_in_words().starts_with("b for 10 steps and a for 20"));
    }

    #[test]
    fn winners_of_neighbouring_columns_are_said_once() {
        let same = [[1.0, 1.0], [1.0, 1.0]];
        let worse = [[2.0, 2.0], [2.0, 2.0]];
        assert_eq!(comparison([worse, same, worse], 0.0).winners_in_words(), "b for 10 to 20 steps");
    }

    #[test]
    fn a_difference_within_its_interval_makes_no_winner() {
        // b is 10 % better than a at 10 steps and 50 % at 20; c is never close.
        let errors = [[[1.1, 1.1], [1.5, 1.5]], [[1.0, 1.0], [1.0, 1.0]], [[9.0, 9.0], [9.0, 9.0]]];
        let noisy = comparison(errors, 0.1);
        assert_eq!((noisy.winners(0), noisy.winners(1)), (vec![0, 1], vec![1]));
        assert_eq!(noisy.winners_in_words(), "a or b for 10 steps and b for 20");
        assert_eq!((noisy.wins(1, 0), noisy.wins(1, 1), noisy.undecided()), (0, 2, 2));
        // The same figures without statistical error are told apart.
        assert_eq!(comparison(errors, 0.0).winners(0), [1]);
    }

    #[test]
    fn a_plot_has_no_more_curves_than_colours() {
        let mut many = comparison([[[1.0; 2]; 2]; 3], 0.0);
        for k in 0..20 {
            many.candidates.push(format!("candidate {k}"));
            many.errors.push(vec![vec![Some(Estimate::exact(2.0 + f64::from(k))); 2]; 2]);
        }
        let leaders = many.leaders(&["candidate 19"]);
        assert_eq!(leaders, [0, 1, 2, 3, 4, 22]);
    }
}
