//! Numbers and targets in words, as several questions need them.

use crate::closed_form_target::{NamedTarget, TargetName};
use crate::comparison::Comparison;
use crate::plan::Plan;
use crate::report_section::Block;
use ddpm_report::kit::number;

/// Whether the divergences of a target are exact.
pub(super) fn exactness(plan: &Plan, target: &NamedTarget) -> String {
    if target.is_exact() {
        return "exact".to_owned();
    }
    format!("estimated from {} noising paths; ± is one standard error", plan.effort.paths)
}

/// `1.53 times`, `12 times`.
pub(super) fn times(factor: f64) -> String {
    let digits = if factor < 10.0 { 2 } else { 3 };
    format!("{} times", number::typeset(&number::plain(factor, digits)))
}

/// How many times the best the error of a candidate is, or a dash where it is not compared.
pub(super) fn times_best(comparison: &Comparison, candidate: usize, column: usize) -> String {
    comparison.times_best(candidate, column).map_or("–".into(), times)
}

/// A number with `digits` significant digits.
pub(super) fn short(value: f64, digits: usize) -> String {
    number::typeset(&number::plain(value, digits))
}

/// The place of the target that plots show: the digits, or else the first.
pub(super) fn shown(targets: &[&NamedTarget]) -> Option<usize> {
    let digits = targets.iter().position(|target| target.name == TargetName::DigitsGaussian);
    digits.or((!targets.is_empty()).then_some(0))
}

/// A heading and one table a target with its errors.
pub(super) fn tables_by_target<'a>(
    heading: &str,
    comparison: &'a Comparison,
    targets: &'a [&NamedTarget],
    caption: impl Fn(&NamedTarget) -> String + 'a,
) -> impl Iterator<Item = Block> + 'a {
    let tables = targets.iter().enumerate();
    let tables = tables.map(move |(k, target)| Block::Table(comparison.table_of(k, caption(target))));
    std::iter::once(Block::Subheading(heading.to_owned())).chain(tables)
}
