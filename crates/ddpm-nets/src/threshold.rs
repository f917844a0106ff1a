//! Clipping and dynamic thresholding of a predicted x_0.

use crate::NetsError;
use ddpm_core::Mismatch;
use tch::Tensor;

/// An operation that keeps a predicted x_0 within the range of the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threshold {
    /// None: for closed-form targets.
    #[default]
    None,
    /// Clipped to [-range, range] (Ho et al.'s samplers, range 1).
    Clip {
        /// The largest absolute value, in model space.
        range: f64,
    },
    /// Dynamic thresholding (Saharia et al. 2022, sec. 2.3): with q the quantile of |x_0| in each image and s = min(max(q, 1), cap), clipped
    /// to [-s, s] and divided by s.
    Dynamic {
        /// The quantile, in (0, 1]; 0.995 is usual.
        quantile: f64,
        /// The largest s; 1 is plain clipping.
        cap: f64,
    },
}

impl Threshold {
    /// Ho et al.'s clipping to [-1, 1].
    pub const UNIT: Threshold = Threshold::Clip { range: 1.0 };

    /// Checks the settings; the driver does so before it starts.
    pub fn check(&self) -> Result<(), NetsError> {
        let within = |name: &'static str, expected: &str, got: f64, ok: bool| {
            if ok { Ok(()) } else { Err(NetsError::Setting(Mismatch::new(name, expected, got))) }
        };
        match *self {
            Threshold::None => Ok(()),
            Threshold::Clip { range } => within("clip range", "positive", range, range > 0.0),
            Threshold::Dynamic { quantile, cap } => {
                within("threshold quantile", "in (0, 1]", quantile, quantile > 0.0 && quantile <= 1.0)?;
                within("threshold cap", "at least 1", cap, cap >= 1.0)
            }
        }
    }

    /// The x_0 [n, ...] that a sampler uses.
    pub fn apply(&self, x0: Tensor) -> Tensor {
        match *self {
            Threshold::None => x0,
            Threshold::Clip { range } => x0.clamp(-range, range),
            Threshold::Dynamic { quantile, cap } => {
                let n = x0.size()[0];
                let level =
                    x0.reshape([n, -1]).abs().quantile_scalar(quantile, 1, true, "linear").clamp(1.0, cap);
                let shape: Vec<i64> = std::iter::once(n).chain(vec![1; x0.dim() - 1]).collect();
                let level = level.reshape(&shape);
                x0.clamp_tensor(Some(-&level), Some(level.shallow_clone())) / level
            }
        }
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Threshold::None => f.write_str("none"),
            Threshold::Clip { range } => write!(f, "clipped to [-{range}, {range}]"),
            Threshold::Dynamic { quantile, cap } => {
                write!(f, "dynamic thresholding at quantile {quantile}, cap {cap}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_thresholding_saturates_each_image_by_its_own_quantile() {
        let x0 = Tensor::from_slice2(&[[0.5f32, -0.25, 0.0, 0.75], [4.0, -2.0, 1.0, 0.5]]);
        let out = Threshold::Dynamic { quantile: 1.0, cap: 3.0 }.apply(x0.shallow_clone());
        // The first image lies within [-1, 1] and stays; the second has its maximum 4 capped at 3.
        let expected =
            Tensor::from_slice2(&[[0.5f32, -0.25, 0.0, 0.75], [1.0, -2.0 / 3.0, 1.0 / 3.0, 0.5 / 3.0]]);
        assert!(out.allclose(&expected, 1e-6, 1e-6, false));
        assert!(Threshold::UNIT.apply(x0.shallow_clone()).equal(&x0.clamp(-1.0, 1.0)));
        assert!(Threshold::Dynamic { quantile: 0.0, cap: 1.0 }.check().is_err());
    }
}
