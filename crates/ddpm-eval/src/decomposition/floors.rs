//! The decomposition by what stands for the ideal denoiser.

use super::context::{Context, SplitCurves};
use super::statistic::Statistic;
use crate::EvalError;
use crate::measurement::LevelCurve;
use ddpm_core::classical::discretization_ratios;
use ddpm_core::decomposition::ScheduleCurve;
use ddpm_core::decomposition::curve::{Parts, split_with};
use ddpm_core::interval::{CONFIDENCE, Interval};
use ddpm_data::Split;
use ddpm_report::results::{BoundReport, Floor, FloorReport, LevelEntry, StandardErrors};

/// The decomposition by one floor, with the curves that it came from.
pub(super) struct FloorTerms {
    pub(super) report: FloorReport,
    pub(super) stderr: StandardErrors,
    /// The network's error by level of the schedule.
    pub(super) mse: Vec<f64>,
    /// The floor by level of the schedule.
    pub(super) floor: Vec<f64>,
}

impl Context<'_> {
    /// The decomposition by a floor: `side` are the images of the network, whose bound is `bound`; `m` is the floor's curve, on the images of
    /// `floor_split`.
    pub(super) fn floor(
        &self,
        floor: Floor,
        side: &SplitCurves<'_>,
        bound: &BoundReport,
        m: &LevelCurve<'_>,
        floor_split: Split,
    ) -> Result<FloorTerms, EvalError> {
        let (w, own) = (&self.weights, side.split());
        let (error, riemann) = (side.network.sums(&w.error), m.sums(&w.error));
        let information = m.sums(&w.information);
        let of_floor = |factor, values: &[f64]| Statistic::default().plus(floor_split, factor, values);
        let discretization = Statistic::constant(self.mismatch).plus(floor_split, 1.0, &riemann).plus(
            floor_split,
            -1.0,
            &information,
        );
        let training = Statistic::mean(own, &error).plus(floor_split, -1.0, &riemann);
        // Not the sum of the two intervals: what is in both of them cancels within each image.
        let total = Statistic::constant(self.mismatch + self.init).plus(own, 1.0, &error).plus(
            floor_split,
            -1.0,
            &information,
        );

        let (mse, curve) = (side.network.at_all(), m.at_all());
        let (mse_visited, floor_visited) = (self.at_visited(&mse), self.at_visited(&curve));
        let dim = self.measured.dim;
        let gains = ScheduleCurve::new(self.plan().all().to_vec(), curve.clone(), dim)?
            .information(self.plan().visited())?;
        let (parts, sum) = split_with(&self.steps, dim, &mse_visited, &floor_visited, &gains)?;
        let sum_of = |curve: &LevelCurve<'_>| -> Result<Interval, EvalError> {
            Ok(curve.visited_sum()?.interval(CONFIDENCE))
        };
        let report = FloorReport {
            floor,
            images: bound.images,
            discretization_nats: discretization.interval_of(sum.discretization)?,
            training_nats: training.interval_of(sum.training)?,
            total_nats: total.interval_of(self.init + sum.discretization + sum.training)?,
            info_nats: of_floor(1.0, &information).interval_of(sum.information)?,
            l_t_nats: bound.l_t_nats,
            l_0_nats: bound.l_0_nats,
            vlb_nats: bound.vlb_nats,
            residual_nats: bound.vlb_nats.value - (bound.l_t_nats.value + sum.sum() + bound.l_0_nats.value),
            quadrature_error_nats: self.quadrature_error(&curve)?,
            mse_sum: sum_of(&side.network)?,
            floor_sum: sum_of(m)?,
            levels: self.entries(&mse_visited, &floor_visited, &parts),
        };
        let stderr = StandardErrors {
            init_nats: 0.0,
            discretization_nats: discretization.estimate()?.stderr,
            training_nats: training.estimate()?.stderr,
            total_nats: total.estimate()?.stderr,
        };
        Ok(FloorTerms { report, stderr, mse, floor: curve })
    }

    /// The visited levels, the least noisy first.
    fn entries(&self, mse: &[f64], floor: &[f64], parts: &[Parts]) -> Vec<LevelEntry> {
        let visited = self.plan().visited_levels();
        let ratios = discretization_ratios(&visited);
        let timesteps = &self.study.timesteps;
        let entry = |k: usize| LevelEntry {
            t: timesteps[k].one_based(),
            snr: visited[k].snr(),
            mmse: floor[k],
            mse: mse[k],
            discretization_nats: parts.get(k).map(|part| part.discretization),
            training_nats: parts.get(k).map(|part| part.training),
            discretization_ratio: ratios.get(k).copied(),
        };
        (0..timesteps.len()).rev().map(entry).collect()
    }
}
