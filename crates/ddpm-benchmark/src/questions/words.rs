//! Words that several questions share.

use crate::closed_form_target::NamedTarget;
use crate::plan::Plan;
use ddpm_report::kit::number;

/// The names of targets.
pub(super) fn names(targets: &[&NamedTarget]) -> Vec<String> {
    targets.iter().map(|target| target.name.to_string()).collect()
}

/// Whether a target's divergences are exact.
pub(super) fn kind_of(plan: &Plan, target: &NamedTarget) -> String {
    if target.is_exact() {
        return "exact".to_owned();
    }
    format!("estimated from {} noising paths", plan.effort.paths)
}

/// `1.53 times`, `12 times`.
pub(super) fn times(factor: f64) -> String {
    let digits = if factor < 10.0 { 2 } else { 3 };
    format!("{} times", number::typeset(&number::plain(factor, digits)))
}
