//! A number with its standard error, and the rows that it is computed from.

use crate::EvalError;
use tch::{Device, Kind, Tensor};

/// Groups of images of a delete-a-group jackknife.
pub const GROUPS: usize = 20;

/// A number with the standard error of its estimate over images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub stderr: f64,
}

/// Features [n, d] as f64 on the CPU; at least `least` rows of finite numbers, and as many columns as those of `other`.
pub(super) fn checked(features: &Tensor, least: i64, other: Option<&Tensor>) -> Result<Tensor, EvalError> {
    let size = features.size();
    if size.len() != 2 || size[1] == 0 || size[0] < least {
        return Err(EvalError::mismatch(
            "features",
            format!("[n, d] with n of at least {least}"),
            format!("{size:?}"),
        ));
    }
    if let Some(other) = other
        && other.size().get(1) != size.get(1)
    {
        return Err(EvalError::mismatch(
            "features of two sets",
            format!("{} columns in both", size[1]),
            format!("{:?}", other.size()),
        ));
    }
    let features = torch_ext::fence(|| features.to_device(Device::Cpu).to_kind(Kind::Double).contiguous())?;
    if torch_ext::fence(|| features.isfinite().all().int64_value(&[]))? == 0 {
        return Err(EvalError::mismatch("features", "finite numbers", "NaN or infinity"));
    }
    Ok(features)
}
