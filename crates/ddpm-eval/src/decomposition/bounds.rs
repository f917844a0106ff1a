//! The variational bound on the images of each split, what the network remembers of its images, and the bracket of its training error.

use super::context::{Context, SplitCurves};
use super::statistic::Statistic;
use crate::EvalError;
use crate::measurement::{ErrorTable, LevelCurve, SplitErrors};
use ddpm_core::decomposition::{VariationalBound, prior_divergence};
use ddpm_core::interval::Interval;
use ddpm_data::Split;
use ddpm_report::results::{BoundReport, Images, Memorization, TrainingErrorBracket};
use std::f64::consts::LN_2;

impl Context<'_> {
    /// L_T + sum L_{t-1} + L_0 on the images of a split.
    pub(super) fn bound(&self, side: &SplitCurves<'_>) -> Result<BoundReport, EvalError> {
        let (split, dim) = (side.split(), self.measured.dim);
        let start = &self.steps[0].t;
        let squared_norms = &side.errors.squared_norms;
        let prior: Vec<f64> = squared_norms.iter().map(|&norm| prior_divergence(norm, dim, start)).collect();
        let error = side.network.sums(&self.weights.error);
        let decoder = &side.errors.code_lengths;
        let denoising = Statistic::constant(self.mismatch).plus(split, 1.0, &error);
        let vlb = denoising.clone().plus(split, 1.0, &prior).plus(split, 1.0, decoder);
        let gap = denoising.clone().plus(split, -1.0, &side.network.sums(&self.weights.continuum));

        let curve = side.network.at_all();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let exact = VariationalBound::new(
            &self.steps,
            dim,
            mean(squared_norms),
            &self.at_visited(&curve),
            mean(decoder),
        )?;
        let vlb_nats = vlb.interval_of(exact.nats())?;
        Ok(BoundReport {
            images: match split {
                Split::Train => Images::Train,
                Split::HeldOut => Images::HeldOut,
            },
            vlb_bits_per_dim: vlb_nats.scaled(1.0 / (dim as f64 * LN_2), 0.0),
            vlb_nats,
            l_t_nats: Statistic::mean(split, &prior).interval_of(exact.prior)?,
            denoising_nats: denoising.interval()?,
            l_0_nats: Statistic::mean(split, decoder).interval_of(exact.decoder)?,
            continuum_gap_nats: gap.interval()?,
            error_nats: Statistic::mean(split, &error).interval()?,
            quadrature_error_nats: self.quadrature_error(&curve)?,
        })
    }

    /// mse(held-out) - mse(train) in nats, and the same of the empirical denoiser.
    pub(super) fn memorization(&self) -> Result<Option<Memorization>, EvalError> {
        let Some(held_out) = &self.held_out else { return Ok(None) };
        Ok(Some(Memorization {
            nats: self.held_out_less_train(&held_out.network, &self.train.network)?,
            memorizer_nats: self.held_out_less_train(&held_out.empirical, &self.train.empirical)?,
        }))
    }

    /// The population's training error lies between the network's error less the best that is known on held-out images, and the network's
    /// error less that of the empirical denoiser on its own images.
    pub(super) fn training_bracket(&self) -> Result<Option<TrainingErrorBracket>, EvalError> {
        let Some(side) = &self.held_out else { return Ok(None) };
        let weights = &self.weights.error;
        let best = best_known(side.errors);
        let lower = Statistic::mean(Split::HeldOut, &side.network.sums(weights)).plus(
            Split::HeldOut,
            -1.0,
            &LevelCurve::new(self.plan(), &best)?.sums(weights),
        );
        Ok(Some(TrainingErrorBracket {
            lower_nats: lower.interval()?,
            upper_nats: self.held_out_less_train(&side.network, &self.train.empirical)?,
        }))
    }

    fn held_out_less_train(
        &self,
        held_out: &LevelCurve<'_>,
        train: &LevelCurve<'_>,
    ) -> Result<Interval, EvalError> {
        let weights = &self.weights.error;
        Statistic::mean(Split::HeldOut, &held_out.sums(weights))
            .plus(Split::Train, -1.0, &train.sums(weights))
            .interval()
    }
}

/// The errors of the best of network, empirical denoiser and reference at each level. Which is best for one half of the images is found on
/// the other, since the least of several noisy means is too small.
fn best_known(errors: &SplitErrors) -> ErrorTable {
    let empirical = errors.empirical.as_ref().map(|empirical| &empirical.error);
    let candidates: Vec<&ErrorTable> =
        [Some(&errors.network), empirical, errors.reference.as_ref()].into_iter().flatten().collect();
    let best_of_half = |half: usize| -> Vec<usize> {
        let means: Vec<Vec<f64>> =
            candidates.iter().map(|table| table.select(|image| image % 2 == half).means()).collect();
        let least = |level: usize| {
            (0..means.len()).min_by(|&a, &b| means[a][level].total_cmp(&means[b][level])).unwrap_or_default()
        };
        (0..means[0].len()).map(least).collect()
    };
    let by_half = [best_of_half(0), best_of_half(1)];
    errors.network.map(|image, level| candidates[by_half[1 - image % 2][level]].row(image)[level])
}
