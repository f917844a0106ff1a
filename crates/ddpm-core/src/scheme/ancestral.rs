//! Ancestral sampling and its deterministic relatives: one evaluation a step.
//!
//! ```text
//! ddpm   x_s = a x_t + b D + sqrt(v) z                     q(x_s | x_t, x_0 = D), v a choice (Ho et al. 2020, algorithm 2)
//! ddim   x_s = alpha_s D + sqrt(sigma_s^2 - eta^2 post) eps + eta sqrt(post) z      (Song, Meng & Ermon 2021, eq. 12)
//!        eps = (x_t - alpha_t D)/sigma_t;  eta = 1 is ddpm with v = post, eta = 0 is deterministic
//! rate   x_s = (x_t + b score)/sqrt(1 - b) + sqrt(b) z     b = (t - s) beta(t), the rate frozen at the step's noisier end
//! ```

use super::{Combination, Step};
use crate::sde::Rates;
use crate::{CoreError, Level, LogVarianceRange, Posterior, Scale, Variance};

/// Ho et al.'s step with any variance. No noise is added to data.
///
/// `mse_per_component` is the denoiser's mean-square error at t, which `analytic` needs. With `learned-range` the step's draw has weight 1,
/// to be scaled by the standard deviation that the network picks from [`Step::learned_range`].
pub fn ancestral(
    t: &Level,
    s: &Level,
    variance: Variance,
    mse_per_component: Option<f64>,
) -> Result<Step, CoreError> {
    let posterior = Posterior::between(t, s);
    let mean = Combination::of(posterior.of_x_t, posterior.of_x0);
    if s.is_clean() {
        return Ok(Step::single(t, s, mean));
    }
    if variance == Variance::LearnedRange {
        let range = LogVarianceRange::of(&posterior, posterior.variance);
        let step = Step::single(t, s, mean.with_noise(0, 1.0));
        return Ok(Step { learned_range: Some(range), ..step });
    }
    let v = variance.of(&posterior, mse_per_component)?;
    Ok(Step::single(t, s, mean.with_noise(0, v.sqrt())))
}

/// DDIM with `eta` in 0..1.
pub fn ddim(t: &Level, s: &Level, eta: f64) -> Result<Step, CoreError> {
    CoreError::check("eta", "between 0 and 1", eta, (0.0..=1.0).contains(&eta))?;
    let posterior = Posterior::between(t, s);
    let noise = eta * posterior.variance.sqrt();
    // sigma_s^2 - post = sigma_s^2 snr_t/snr_s without cancellation: kept as sigma_s sqrt(1 - eta^2 lost).
    let of_epsilon = s.sigma() * (1.0 - eta * eta * posterior.snr_fraction_lost()).max(0.0).sqrt();
    let of_x = of_epsilon / t.sigma();
    Ok(Step::single(t, s, Combination::of(of_x, s.alpha() - of_x * t.alpha()).with_noise(0, noise)))
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
    let added = span * rates.diffusion_squared;
    let shrink = match scale {
        Scale::VarianceExploding => 1.0,
        Scale::VariancePreserving if added < 1.0 => (1.0 - added).sqrt(),
        Scale::VariancePreserving => {
            let expected = "below 1 in every step (take more steps)";
            return Err(CoreError::OutOfRange { name: "step times beta", expected, got: added });
        }
        Scale::SubVariancePreserving => {
            return Err(CoreError::Unsupported(
                "ancestral sampling is defined for vp and ve processes, not sub-vp; use em, ei or an ODE sampler".into(),
            ));
        }
    };
    let state = Combination::state();
    let output = state.clone().plus_score(added, t, &state).scaled(1.0 / shrink).with_noise(0, added.sqrt());
    Ok(Step::single(t, s, output))
}
