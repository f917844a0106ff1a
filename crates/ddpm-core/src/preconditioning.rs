//! EDM's preconditioned prediction F (Karras et al. 2022, table 1), in the variance-exploding view y = x_t/alpha, k = sigma/alpha:
//!
//! ```text
//! D(y; k) = c_skip y + c_out F(c_in y; c_noise)
//! c_skip = s^2/(k^2 + s^2)   c_out = k s/sqrt(k^2 + s^2)   c_in = 1/sqrt(k^2 + s^2)   c_noise = log(k)/4
//! ```
//!
//! with s = sigma_data, the standard deviation of the data. For s = 1 on a variance-preserving level F is -v.

use crate::prediction::LinearMap;
use crate::{CoreError, Level};
use serde::{Deserialize, Serialize};

/// The preconditioning for data of one standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preconditioning {
    /// Standard deviation of the data, s.
    #[serde(default = "default_sigma_data")]
    pub sigma_data: f64,
}

fn default_sigma_data() -> f64 {
    Preconditioning::default().sigma_data
}

impl Default for Preconditioning {
    /// Karras et al.'s value for images in [-1, 1].
    fn default() -> Self {
        Preconditioning { sigma_data: 0.5 }
    }
}

impl Preconditioning {
    /// c_skip, weight of y.
    pub fn skip(&self, level: &Level) -> f64 {
        // s^2/(k^2 + s^2), finite also where k is not.
        1.0 / (1.0 + (level.relative_sigma() / self.sigma_data).powi(2))
    }

    /// c_out, weight of F.
    pub fn out(&self, level: &Level) -> f64 {
        // With q = s/k: s/sqrt(1 + q^2) for large k, written so that neither end overflows.
        let k = level.relative_sigma();
        if k > self.sigma_data {
            self.sigma_data / (self.sigma_data / k).hypot(1.0)
        } else {
            k / (k / self.sigma_data).hypot(1.0)
        }
    }

    /// The factor of x_t (not y) at the network's input: c_in/alpha, which is 1/sqrt(sigma^2 + alpha^2 s^2).
    pub fn input_scale(&self, level: &Level) -> f64 {
        1.0 / level.sigma().hypot(level.alpha() * self.sigma_data)
    }

    /// c_noise, the network's noise condition.
    pub fn noise_condition(&self, level: &Level) -> f64 {
        -level.log_snr() / 8.0
    }

    /// The map from F to x_0.
    pub fn to_x0(&self, level: &Level) -> LinearMap {
        // c_skip/alpha = alpha s^2/(sigma^2 + alpha^2 s^2): finite without signal.
        let scale = self.input_scale(level);
        let of_x_t = level.alpha() * self.sigma_data * self.sigma_data * scale * scale;
        LinearMap { of_x_t, of_input: self.out(level) }
    }

    /// The map from x_0 to F, the regression target. Fails at a level without noise.
    pub fn from_x0(&self, level: &Level) -> Result<LinearMap, CoreError> {
        let expected = "positive for the preconditioned prediction to be defined";
        CoreError::check("sigma", expected, level.sigma(), level.sigma() > 0.0)?;
        let to = self.to_x0(level);
        Ok(LinearMap { of_x_t: -to.of_x_t / to.of_input, of_input: 1.0 / to.of_input })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PredictionKind, Time};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn f_is_the_table_of_karras_and_converts_back(x0 in -2.0..2.0f64, eps in -2.0..2.0f64, log_snr in -9.0..9.0f64) {
            let edm = Preconditioning::default();
            let s = edm.sigma_data;
            for level in [Level::variance_preserving(log_snr, Time::Clean), Level::variance_exploding(log_snr, Time::Clean)] {
                let k = level.sigma() / level.alpha();
                let (x_t, y) = (level.alpha() * x0 + level.sigma() * eps, x0 + k * eps);
                let f = (x0 - s * s / (k * k + s * s) * y) / (k * s / (k * k + s * s).sqrt());
                let got = edm.from_x0(&level).unwrap().apply(x_t, x0);
                prop_assert!((got - f).abs() < 1e-9 * (1.0 + f.abs()), "{got} {f}");
                prop_assert!((edm.to_x0(&level).apply(x_t, got) - x0).abs() < 1e-12 * (1.0 + x_t.abs()));
                prop_assert!((edm.skip(&level) - s * s / (k * k + s * s)).abs() < 1e-12);
                prop_assert!((edm.input_scale(&level) * x_t - y / (k * k + s * s).sqrt()).abs() < 1e-11);
                prop_assert!((edm.noise_condition(&level) - k.ln() / 4.0).abs() < 1e-12);
            }
        }

        #[test]
        fn with_unit_data_f_is_minus_v(x_t in -3.0..3.0f64, x0 in -2.0..2.0f64, log_snr in -9.0..9.0f64) {
            let level = Level::variance_preserving(log_snr, Time::Clean);
            let f = Preconditioning { sigma_data: 1.0 }.from_x0(&level).unwrap().apply(x_t, x0);
            let v = PredictionKind::V.from_x0(&level).unwrap().apply(x_t, x0);
            prop_assert!((f + v).abs() < 1e-10 * (1.0 + v.abs()));
        }
    }

    #[test]
    fn no_signal_leaves_the_network_alone_and_no_noise_is_an_error() {
        let pure = Level::variance_preserving(f64::NEG_INFINITY, Time::Clean);
        assert_eq!(Preconditioning::default().to_x0(&pure), LinearMap { of_x_t: 0.0, of_input: 0.5 });
        assert!(Preconditioning::default().from_x0(&Level::CLEAN).is_err());
    }
}
