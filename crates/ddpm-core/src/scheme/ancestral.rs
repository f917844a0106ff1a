//! Ancestral sampling and its deterministic relatives: one evaluation a step.
//!
//! ```text
//! ddpm   x_s = a x_t + b D + sqrt(v) z                     q(x_s | x_t, x_0 = D), v a choice (Ho et al. 2020, algorithm 2)
//! ddim   x_s = alpha_s D + sqrt(sigma_s^2 - eta^2 post) eps + eta sqrt(post) z      (Song, Meng & Ermon 2021, eq. 12)
//!        eps = (x_t - alpha_t D)/sigma_t;  eta = 1 is ddpm with v = post, eta = 0 is deterministic
//!        where D is thresholded, eps is that of D before it, the network's own (use_clipped_model_output = false in diffusers)
//! rate   x_s = (x_t + b score)/sqrt(1 - b) + sqrt(b) z     b = (t - s) beta(t), the rate frozen at the step's noisier end
//! ```

use super::algebra::{StepBuilder, score};
use super::step::Step;
use crate::sde::Rates;
use crate::{CoreError, LearnedLogVariance, Level, Posterior, Scale, Variance};

/// Ho et al.'s step with any variance. No noise is added to data.
///
/// `mse_per_component` is the denoiser's mean-square error at t, which `analytic` needs. Where the variance is learned the step's draw has
/// weight 1, to be scaled by the standard deviation that the network's output stands for by [`Step::learned_variance`].
pub fn ancestral(
    t: &Level,
    s: &Level,
    variance: Variance,
    mse_per_component: Option<f64>,
) -> Result<Step, CoreError> {
    let posterior = Posterior::between(t, s);
    let std = match variance {
        _ if s.is_clean() => 0.0,
        _ if variance.is_learned() => 1.0,
        _ => variance.of(&posterior, mse_per_component)?.sqrt(),
    };
    let mut step = StepBuilder::new(t, s);
    let x = step.x();
    let d = step.denoise(t, &x);
    let output = posterior.of_x_t * x + posterior.of_x0 * d + std * step.z();
    let learned = LearnedLogVariance::of(variance, &posterior, posterior.variance);
    let learned_variance = learned.filter(|_| !s.is_clean());
    Ok(Step { learned_variance, ..step.finish(output) })
}

/// The decoder's step to data: x_0 = D(x_t).
pub(crate) fn decode(t: &Level) -> Step {
    let mut step = StepBuilder::new(t, &Level::CLEAN);
    let d = step.denoise(t, &step.x());
    step.finish(d)
}

/// DDIM with `eta` in 0..1. Where the predicted x_0 is thresholded, eps is the network's own, or with `use_clipped_model_output` recomputed
/// from the thresholded x_0.
pub fn ddim(t: &Level, s: &Level, eta: f64, use_clipped_model_output: bool) -> Result<Step, CoreError> {
    CoreError::check("eta", "between 0 and 1", eta, (0.0..=1.0).contains(&eta))?;
    let posterior = Posterior::between(t, s);
    // sigma_s^2 - post = sigma_s^2 snr_t/snr_s without cancellation: kept as sigma_s sqrt(1 - eta^2 lost).
    let of_epsilon = s.sigma() * (1.0 - eta * eta * posterior.snr_fraction_lost()).max(0.0).sqrt();
    let mut step = StepBuilder::new(t, s);
    let x = step.x();
    let d = step.denoise(t, &x);
    let output = s.alpha() * &d
        + of_epsilon / t.sigma() * (x - t.alpha() * d)
        + eta * posterior.variance.sqrt() * step.z();
    let of_excess = if use_clipped_model_output { 0.0 } else { -of_epsilon * t.alpha() / t.sigma() };
    Ok(Step { of_excess, ..step.finish(output) })
}

/// The ancestral step of a continuous process with its rate frozen at t, as Song et al. (2021, appendix E) and Pierret & Galerne (2025)
/// discretize it. `span` is the time from t to s, positive.
pub fn ancestral_rate(
    t: &Level,
    s: &Level,
    scale: Scale,
    rates: &Rates,
    span: f64,
) -> Result<Step, CoreError> {
    let b = span * rates.diffusion_squared;
    let shrink = match scale {
        Scale::VarianceExploding => 1.0,
        Scale::VariancePreserving if b < 1.0 => (1.0 - b).sqrt(),
        Scale::VariancePreserving => {
            let expected = "below 1 in every step (take more steps)";
            return Err(CoreError::OutOfRange { name: "step times beta", expected, got: b });
        }
        Scale::SubVariancePreserving => {
            return Err(CoreError::Unsupported(
                "ancestral sampling is defined for vp and ve processes, not sub-vp; use em, ei or an ODE sampler".into(),
            ));
        }
    };
    let mut step = StepBuilder::new(t, s);
    let x = step.x();
    let d = step.denoise(t, &x);
    let output = (&x + b * score(t, &x, &d)) / shrink + b.sqrt() * step.z();
    Ok(step.finish(output))
}
