//! The variational bound of a chain at its training levels, step by step, as scalars.
//!
//! With post, b the variance of q(x_s | x_t, x_0) and its weight of x_0, D the predicted x_0 and v the model's variance, a step costs
//! (Ho et al. 2020, eq. 5 and 8; Nichol & Dhariwal 2021, sec. 3.1)
//!
//! ```text
//! L_{t-1} = KL( q(x_s | x_t, x_0) || N(mean(x_t, D), v I) ) = sum_i 1/2 [ log(v_i/post) + post/v_i - 1 + b^2 (x_0 - D)_i^2/v_i ]
//! L_0     = -log P(x_0's grey level) under N(D, v I)            at the lowest level, whose predecessor is data
//! L_T     = KL( q(x_T | x_0) || N(0, I) )                       see decomposition::prior_divergence
//! ```
//!
//! v is one number a step or, where it is learned, one a component ([`LearnedLogVariance`]).

use crate::{CoreError, LearnedLogVariance, Posterior, Schedule, Variance};

/// The model's variance in a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepVariance {
    /// The same in every component: its logarithm.
    Fixed(f64),
    /// The network's output gives that of each component.
    Learned(LearnedLogVariance),
}

impl StepVariance {
    /// The log variance where the network's output for it is `output`, which a fixed variance ignores.
    pub fn log(&self, output: f64) -> f64 {
        match self {
            StepVariance::Fixed(log) => *log,
            StepVariance::Learned(learned) => learned.log_variance(output),
        }
    }
}

/// A step of the bound from a training level to the one below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundStep {
    /// q(x_s | x_t, x_0).
    pub posterior: Posterior,
    /// Log of the posterior's variance; at the step to data, where that is 0, of the next level's.
    pub log_posterior: f64,
    /// The model's variance.
    pub model: StepVariance,
    /// Whether x_s is data: the term is L_0.
    pub to_data: bool,
}

impl BoundStep {
    /// b^2/(2v): the divergence by unit of squared error of x_0. Fails for a learned variance, where it differs from component to component.
    pub fn error_weight(&self) -> Result<f64, CoreError> {
        match self.model {
            StepVariance::Fixed(log) => Ok(0.5 * self.posterior.of_x0.powi(2) * (-log).exp()),
            StepVariance::Learned(_) => Err(CoreError::Unsupported(
                "a learned variance weighs every component by itself; the vlb weight takes fixed-small or fixed-large"
                    .into(),
            )),
        }
    }

    /// L_{t-1} of one component in nats: `error` is x_0 - D, `output` the network's for a learned variance.
    pub fn divergence(&self, error: f64, output: f64) -> f64 {
        let log = self.model.log(output);
        let gap = self.log_posterior - log;
        0.5 * (gap.exp_m1() - gap + (self.posterior.of_x0 * error).powi(2) * (-log).exp())
    }
}

/// The steps of all training levels, index 0 the one to data. `mse_per_component` has an entry a level, which `analytic` needs.
///
/// The decoder's variance is that of the second-lowest level's posterior for both fixed variances, as in Ho et al.'s code; a learned one
/// has it in the place of the posterior's (Nichol & Dhariwal's code).
pub fn bound_steps(
    schedule: &Schedule,
    variance: Variance,
    mse_per_component: Option<&[f64]>,
) -> Result<Vec<BoundStep>, CoreError> {
    if let Some(mse) = mse_per_component.filter(|mse| mse.len() != schedule.steps()) {
        let what = "mean-square errors by level".to_owned();
        return Err(CoreError::Dimension { what, expected: schedule.steps(), got: mse.len() });
    }
    let posteriors: Vec<Posterior> = schedule.posteriors().collect();
    let clipped = posteriors.get(1).map_or(posteriors[0].transition_variance, |second| second.variance);
    posteriors
        .iter()
        .enumerate()
        .map(|(t, posterior)| {
            let to_data = t == 0;
            let fixed = matches!(variance, Variance::FixedSmall | Variance::FixedLarge);
            let model = match LearnedLogVariance::of(variance, posterior, clipped) {
                Some(learned) => StepVariance::Learned(learned),
                None if to_data && fixed => StepVariance::Fixed(clipped.ln()),
                None => {
                    StepVariance::Fixed(variance.of(posterior, mse_per_component.map(|mse| mse[t]))?.ln())
                }
            };
            let log_posterior = if to_data { clipped.ln() } else { posterior.variance.ln() };
            Ok(BoundStep { posterior: *posterior, log_posterior, model, to_data })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decomposition::ReverseStep;
    use crate::{Level, TimeIndex};

    #[test]
    fn a_step_costs_what_the_decomposition_says() {
        let schedule = Schedule::linear(50).unwrap();
        let mse = vec![0.02; 50];
        for variance in [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic] {
            let steps = bound_steps(&schedule, variance, Some(&mse)).unwrap();
            for t in 1..50u32 {
                let (step, at) = (&steps[t as usize], |t| schedule.level(TimeIndex(t)));
                let other = ReverseStep::new(&at(t), &at(t - 1), variance, Some(0.02)).unwrap();
                let expected = other.variance_mismatch() + other.error_weight() * 0.09;
                assert!((step.divergence(0.3, 0.0) - expected).abs() < 1e-10 * (1.0 + expected));
                assert!((step.error_weight().unwrap() / other.error_weight() - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_step_to_data_has_the_decoders_variance_and_a_range_both_ends() {
        let schedule = Schedule::cosine(20).unwrap();
        let visited: Vec<Level> = schedule.levels().rev().collect();
        let decoder = crate::decomposition::decoder_variance(&visited).unwrap();
        for variance in [Variance::FixedSmall, Variance::FixedLarge] {
            let first = bound_steps(&schedule, variance, None).unwrap()[0];
            assert!(first.to_data && (first.model.log(0.0) - decoder.ln()).abs() < 1e-14);
        }
        let learned = bound_steps(&schedule, Variance::LearnedRange, None).unwrap();
        assert!((learned[0].model.log(-1.0) - decoder.ln()).abs() < 1e-14);
        for (t, beta) in schedule.betas().into_iter().enumerate() {
            assert!((learned[t].model.log(1.0) - beta.ln()).abs() < 1e-12);
            assert!(learned[t].error_weight().is_err());
        }
        // At its lower end the model is the posterior, as the free variance is at 0: only the error costs.
        assert!(learned[7].divergence(0.0, -1.0).abs() < 1e-15);
        let free = bound_steps(&schedule, Variance::Learned, None).unwrap();
        assert!(free[7].divergence(0.0, 0.0).abs() < 1e-15 && free[7].divergence(0.0, 1.0) > 0.1);
        assert!((free[0].model.log(0.0) - decoder.ln()).abs() < 1e-14);
        assert!(bound_steps(&schedule, Variance::Analytic, None).is_err());
        assert!(bound_steps(&schedule, Variance::Analytic, Some(&[0.1])).is_err());
    }
}
