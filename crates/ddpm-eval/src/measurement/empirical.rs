//! The empirical (memorizing) denoiser: the exact denoiser of the training images' empirical measure.
//!
//! ```text
//! D_emp(x_t) = sum_i w_i x^i          w_i proportional to exp(-|x_t - alpha x^i|^2 / (2 sigma^2))
//! ```
//!
//! On training images no denoiser has a smaller expected error, so its error there is the irreducible part of the training term. On held-out
//! images it is no lower bound.

use super::{ClassConditional, Unconditional};
use crate::EvalError;
use ddpm_core::{Level, PredictionKind};
use ddpm_data::ImageSet;
use ddpm_nets::pixels::from_u8;
use ddpm_nets::targets::EmpiricalTarget;
use ddpm_nets::{Denoiser, NetsError, Prediction};
use tch::{Device, Tensor};

/// The exact denoiser of a set of images, each of equal weight.
#[derive(Debug)]
pub struct EmpiricalDenoiser {
    all: EmpiricalTarget,
    /// One measure for each class, for a network that is conditioned on the class.
    classes: Vec<EmpiricalTarget>,
    /// 2 with mirror images, else 1.
    copies: f64,
}

impl EmpiricalDenoiser {
    /// The measure of a set of images on a device: with their mirror images if the network was trained on them too (`flips`), and one
    /// measure for each class if the network is class-conditional (`by_class`).
    pub fn new(images: &ImageSet, flips: bool, by_class: bool, device: Device) -> Result<Self, EvalError> {
        let shape = images.shape();
        let size = [images.len(), shape.channels, shape.height, shape.width].map(|side| side as i64);
        let data = torch_ext::fence(|| {
            from_u8(&Tensor::from_slice(images.pixels()).reshape(size).to_device(device))
        })?;
        let all = EmpiricalTarget::new(&data, flips)?;
        let mut classes = Vec::new();
        if by_class {
            let Some(labels) = images.labels() else {
                return Err(EvalError::mismatch("images of a class-conditional model", "labels", "none"));
            };
            for class in 0..images.class_names().len() as i64 {
                let rows: Vec<i64> =
                    (0..images.len()).filter(|&k| labels[k] == class).map(|k| k as i64).collect();
                classes.push(all.restricted(&Tensor::from_slice(&rows).to_device(device))?);
            }
        }
        Ok(EmpiricalDenoiser { all, classes, copies: if flips { 2.0 } else { 1.0 } })
    }

    /// The largest information about x_0 that x_t can hold, in nats: the log of the number of images in the measure, mirror images counted.
    /// Averaged over the images' classes if there is one measure for each.
    pub fn log_count(&self) -> f64 {
        let log_count = |measure: &EmpiricalTarget| (self.copies * measure.len() as f64).ln();
        if self.classes.is_empty() {
            return log_count(&self.all);
        }
        let size = |measure: &EmpiricalTarget| measure.len() as f64;
        let total: f64 = self.classes.iter().map(size).sum();
        self.classes.iter().map(|class| size(class) * log_count(class)).sum::<f64>() / total
    }
}

impl ClassConditional for EmpiricalDenoiser {
    fn with_labels(&self, labels: Option<&Tensor>) -> Box<dyn Denoiser + '_> {
        match labels {
            Some(labels) if !self.classes.is_empty() => {
                Box::new(ByClass { classes: &self.classes, labels: labels.shallow_clone() })
            }
            _ => Box::new(Unconditional(&self.all)),
        }
    }
}

/// Each row by the measure of its class.
struct ByClass<'a> {
    classes: &'a [EmpiricalTarget],
    labels: Tensor,
}

impl Denoiser for ByClass<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let mut value = torch_ext::fence(|| x_t.zeros_like())?;
        for (class, target) in self.classes.iter().enumerate() {
            let rows = torch_ext::fence(|| self.labels.eq(class as i64).nonzero().squeeze_dim(1))?;
            if rows.numel() > 0 {
                let predicted = target.predict(&torch_ext::fence(|| x_t.index_select(0, &rows))?, level)?;
                torch_ext::fence(|| {
                    let _ = value.index_copy_(0, &rows, &predicted.value);
                })?;
            }
        }
        Ok(Prediction { kind: PredictionKind::X0, value, variance_output: None })
    }
}
