//! What would reduce the error most, by the curves of one floor.

use super::context::Context;
use super::floors::FloorTerms;
use super::statistic::Statistic;
use crate::EvalError;
use ddpm_core::decomposition::curve::ErrorCurve;
use ddpm_core::decomposition::{MeasuredModel, ScheduleCurve};
use ddpm_core::interval::Interval;
use ddpm_core::{TimeIndex, Variance};
use ddpm_report::results::{AdviceBasis, AdviceReport, Images, VarianceReport, advice_sentences};

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
        let floor =
            ScheduleCurve::new(plan.all().to_vec(), chosen.floor.clone(), measured.dim)?.with_fit(fitted)?;
        let (visited, variance) = (plan.visited(), self.study.variance);
        let now = Setting { levels: visited, variance };
        let mut others = Vec::new();
        for other in [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic] {
            let gain = self.gain(chosen, &floor, &now, &Setting { variance: other, ..now })?;
            others.extend((gain.low > 0.0).then_some(other));
        }
        let input = MeasuredModel {
            floor,
            mse: chosen.mse.clone(),
            init: self.init,
            grid: self.study.grid,
            chosen: self.study.chosen.then(|| visited.to_vec()),
            steps: self.study.timesteps.len(),
            variance,
            others,
        };
        let advice = input.advise()?;
        let continued = input.floor.down_to_the_lowest(visited.to_vec());
        let continued = Setting { levels: &continued, variance };
        let every: Vec<usize> = (0..plan.all().len()).collect();
        let uncertainty = |levels: &[usize]| -> Result<f64, EvalError> {
            let other = Setting { levels, variance: advice.best_variance };
            let gain = self.gain(chosen, &input.floor, &continued, &other)?;
            Ok(0.5 * (gain.high - gain.low) / advice.compared_total().max(f64::MIN_POSITIVE))
        };
        let basis = AdviceBasis {
            terms: [
                Interval::around(self.init, 0.0),
                chosen.report.discretization_nats,
                chosen.report.training_nats,
            ],
            total: chosen.report.total_nats,
            floor: Some(chosen.report.floor),
            uncertainty: [uncertainty(&advice.placement.positions)?, uncertainty(&every)?],
        };
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
        Ok((report, advice_sentences(&advice, &input, &basis).to_vec()))
    }

    /// By how many nats discretization and training fall from one setting to another with the same lowest level. The floor's information is in
    /// both and cancels, so that what is left is a mean over images of the network's own error:
    ///
    /// ```text
    /// sum d/2 [log(v/post) + post/v - 1] + sum c^2/(2v) mse_t
    /// ```
    ///
    /// The half width has the standard error over images and the error of interpolating between measured levels.
    fn gain(
        &self,
        chosen: &FloorTerms,
        floor: &ScheduleCurve,
        from: &Setting<'_>,
        to: &Setting<'_>,
    ) -> Result<Interval, EvalError> {
        let side = match (chosen.report.images, &self.held_out) {
            (Images::HeldOut, Some(side)) => side,
            _ => &self.train,
        };
        let dim = self.measured.dim as f64;
        let mut mismatch = 0.0;
        let mut weights = vec![0.0; floor.levels().len()];
        for (setting, sign) in [(from, 1.0), (to, -1.0)] {
            for pair in setting.levels.windows(2) {
                let step = floor.step(pair[0], pair[1], setting.variance)?;
                mismatch += sign * dim * step.variance_mismatch();
                weights[pair[0]] += sign * step.error_weight();
            }
        }
        let gain =
            Statistic::constant(mismatch).plus(side.split(), 1.0, &side.network.sums(&weights)).interval()?;
        let interpolation = self.quadrature_error(&side.network.at_all())?;
        // Only the levels whose weight changes matter: as a share of the error, the interpolation is as exact there as elsewhere.
        let own = &self.weights.error;
        let sum = |weights: &[f64]| weights.iter().zip(&chosen.mse).map(|(w, m)| (w * m).abs()).sum::<f64>();
        let interpolation = interpolation * sum(&weights) / sum(own).max(f64::MIN_POSITIVE);
        Ok(Interval::around(gain.value, (0.5 * (gain.high - gain.low)).hypot(interpolation)))
    }
}

/// Levels by position, the noisiest first, and the variance of the steps between them.
#[derive(Clone, Copy)]
struct Setting<'a> {
    levels: &'a [usize],
    variance: Variance,
}
