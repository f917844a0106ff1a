//! Exponents that theory predicts for the errors of a sampler: y is proportional to x^p.
//!
//! With N steps the discretization of the ancestral sampler falls as 1/N where the noise ratios of its steps shrink. On a schedule whose noise
//! variance starts in proportion to t, the ratios of the lowest levels do not shrink as T grows: with `fixed-small` the term then tends to
//! [`FIXED_SMALL_LIMIT`] a dimension. The error of a sampler of order k in W2 falls as N^-k.

use crate::Variance;
use serde::Serialize;

/// Limit of the discretization with the variance `fixed-small`, all levels of a linear schedule visited, as T grows: gamma/2 nats a dimension,
/// gamma the Euler-Mascheroni constant.
pub const FIXED_SMALL_LIMIT: f64 = 0.5 * EULER_MASCHERONI;

const EULER_MASCHERONI: f64 = 0.577_215_664_901_532_9;

/// An exponent that theory predicts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedExponent {
    /// It has this value.
    Is(f64),
    /// It lies between these values, because the range of x does not reach the limit.
    Between(f64, f64),
    /// It tends to 0, because the quantity has a limit that is not zero.
    TendsToZero,
}

impl ExpectedExponent {
    /// Of the discretization of the ancestral sampler by the number of steps, on data with a density.
    pub fn of_discretization(variance: Variance) -> Self {
        match variance {
            Variance::FixedSmall => ExpectedExponent::TendsToZero,
            _ => ExpectedExponent::Is(-1.0),
        }
    }

    /// Of the error in W2 of a sampler of this order, by the number of steps.
    pub fn of_order(order: u32) -> Self {
        ExpectedExponent::Is(-f64::from(order))
    }

    /// The exponent where it is one number.
    pub fn value(self) -> Option<f64> {
        if let ExpectedExponent::Is(value) = self { Some(value) } else { None }
    }

    /// Whether a measured exponent agrees within `slack`; none where only the limit is known.
    pub fn agrees(self, measured: f64, slack: f64) -> Option<bool> {
        match self {
            ExpectedExponent::Is(value) => Some((measured - value).abs() <= slack),
            ExpectedExponent::Between(low, high) => Some(low - slack <= measured && measured <= high + slack),
            ExpectedExponent::TendsToZero => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decomposition::{Settings, decompose};
    use crate::{Level, ScheduleConfig, ScheduleKind, TargetSpec};

    #[test]
    fn fixed_small_tends_to_its_limit() {
        let target = TargetSpec::Mixture {
            weights: vec![1.0],
            means: vec![vec![0.0]],
            stds: Some(vec![1.0]),
            covs: None,
        };
        let target = target.build().unwrap();
        let discretization = |steps| {
            let schedule = ScheduleConfig::with_steps(ScheduleKind::Linear, steps).build().unwrap();
            let levels: Vec<Level> = schedule.levels().rev().collect();
            decompose(&target, &levels, &Settings::new(Variance::FixedSmall)).unwrap().discretization.value
        };
        let (short, long) = (discretization(2000), discretization(16_000));
        assert!((long - FIXED_SMALL_LIMIT).abs() < 0.02 && short > long, "{short} {long}");
    }

    #[test]
    fn agreement_is_judged_within_the_slack() {
        assert_eq!(ExpectedExponent::of_order(2).agrees(-1.9, 0.15), Some(true));
        assert_eq!(ExpectedExponent::of_order(2).agrees(-1.8, 0.15), Some(false));
        assert_eq!(ExpectedExponent::Between(-1.0, 0.0).agrees(-1.2, 0.15), Some(false));
        assert_eq!(ExpectedExponent::of_discretization(Variance::FixedSmall).agrees(0.0, 1.0), None);
    }
}
