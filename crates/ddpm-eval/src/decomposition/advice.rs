//! What would reduce the error most, by the curves of one floor.

use super::context::Context;
use super::floors::FloorTerms;
use crate::EvalError;
use ddpm_core::TimeIndex;
use ddpm_core::decomposition::curve::ErrorCurve;
use ddpm_core::decomposition::{MeasuredModel, ScheduleCurve};
use ddpm_core::interval::Interval;
use ddpm_report::results::{AdviceReport, VarianceReport, advice_sentences};

impl Context<'_> {
    /// The numbers, and three sentences about them.
    pub(super) fn advice(&self, chosen: &FloorTerms) -> Result<(AdviceReport, Vec<String>), EvalError> {
        let (plan, measured) = (self.plan(), self.measured);
        let fitted = match &measured.fit {
            Some(fit) => {
                let curve = ErrorCurve::new(&plan.measured_levels(), &fit.mse)?;
                plan.all().iter().map(|level| curve.at(level)).collect()
            }
            None => chosen.mse.clone(),
        };
        let floor = ScheduleCurve::new(plan.all().to_vec(), chosen.floor.clone(), measured.dim)?;
        let input = MeasuredModel {
            floor: floor.with_fit(fitted)?,
            mse: chosen.mse.clone(),
            init: self.init,
            grid: self.study.grid,
            steps: self.study.timesteps.len(),
            variance: self.study.variance,
        };
        let advice = input.advise()?;
        let last = plan.all().len() - 1;
        let by_variance = advice.by_variance.iter().map(|&(variance, discretization_nats, training_nats)| {
            VarianceReport { variance, discretization_nats, training_nats }
        });
        let report = AdviceReport {
            best_variance: advice.best_variance,
            by_variance: by_variance.collect(),
            best_levels: advice
                .placement
                .positions
                .iter()
                .map(|&position| TimeIndex((last - position) as u32).one_based())
                .collect(),
            best_discretization_nats: advice.placement.discretization,
            discretization_of_all_nats: advice.discretization_of_all,
            enough_steps: advice.enough_steps,
            shares: advice.shares(),
        };
        Ok((report, advice_sentences(&advice, &input, &Interval::around(self.init, 0.0)).to_vec()))
    }
}
