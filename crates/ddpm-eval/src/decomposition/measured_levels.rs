//! What was measured, level by level, and the identities that hold for any network.

use super::context::Context;
use super::statistic::Statistic;
use crate::EvalError;
use crate::measurement::ErrorTable;
use ddpm_core::TimeIndex;
use ddpm_core::interval::{CONFIDENCE, Interval};
use ddpm_data::Split;
use ddpm_report::results::{Checks, FloorReport, MeasuredLevel, MeasurementFacts};

impl Context<'_> {
    /// The measured levels, the noisiest first.
    pub(super) fn measured_levels(&self) -> Result<Vec<MeasuredLevel>, EvalError> {
        let plan = self.plan();
        let last = plan.all().len() - 1;
        let (train, held_out) = (&self.train, self.held_out.as_ref());
        let level = |(k, &position): (usize, &usize)| {
            let at = |table: &ErrorTable| -> Result<Interval, EvalError> {
                Ok(table.estimate(k)?.interval(CONFIDENCE))
            };
            let maybe = |table: Option<&ErrorTable>| table.map(at).transpose();
            Ok(MeasuredLevel {
                t: TimeIndex((last - position) as u32).one_based(),
                snr: plan.all()[position].snr(),
                visited: plan.visited().binary_search(&position).is_ok(),
                train: at(&train.errors.network)?,
                held_out: maybe(held_out.map(|side| &side.errors.network))?,
                empirical_train: at(&train.empirical_errors.error)?,
                empirical_held_out: maybe(held_out.map(|side| &side.empirical_errors.error))?,
                gap_train: at(&train.empirical_errors.gap)?,
                reference_held_out: maybe(held_out.and_then(|side| side.errors.reference.as_ref()))?,
                fitted: self.measured.fit.as_ref().map(|fit| fit.mse[k]),
            })
        };
        plan.measured().iter().enumerate().map(level).collect()
    }

    /// What must hold whatever the network is.
    pub(super) fn checks(&self, floors: &[FloorReport]) -> Result<Checks, EvalError> {
        let (train, weights) = (&self.train, &self.weights);
        let on_train = |values: &[f64]| Statistic::mean(Split::Train, values).interval();
        // With the weights of the network's own curve: interpolated by itself the cross term, whose sign changes, has no power law.
        let cross = train.empirical_errors.cross.dot(&train.network.weights(&weights.error));
        Ok(Checks {
            empirical_information_nats: on_train(&train.empirical.sums(&weights.information))?,
            log_n_nats: self.measured.log_count.unwrap_or_default(),
            cross_term_nats: on_train(&cross)?,
            largest_relative_residual: floors
                .iter()
                .map(|floor| (floor.residual_nats / floor.vlb_nats.value).abs())
                .fold(0.0, f64::max),
        })
    }

    pub(super) fn facts(&self) -> MeasurementFacts {
        let (study, measured) = (self.study, self.measured);
        MeasurementFacts {
            data: study.names.data.clone(),
            reference: study.names.reference.clone(),
            train_steps: self.plan().all().len(),
            grid: study.grid,
            chosen_levels: study.chosen,
            train_images: self.train.errors.images(),
            held_out_images: self.held_out.as_ref().map_or(0, |side| side.errors.images()),
            training_set: measured.training_set,
            flips: study.flips,
            class_conditional: study.by_class,
            fitting_images: measured.fit.as_ref().map_or(0, |fit| fit.images),
            repeats: measured.repeats,
            seed: measured.seed,
            grey_levels: usize::from(measured.grey_levels),
            threshold: study.network.threshold.to_string(),
            confidence: CONFIDENCE,
        }
    }
}
