//! The ideal denoiser of the training images themselves: a model that knows them by heart.
//!
//! On training images no denoiser beats it in expectation, so its error there is the irreducible part of the training term. On held-out
//! images it is no floor: there it errs as a perfect memorizer does.

use super::Model;
use crate::EvalError;
use ddpm_core::{Level, PredictionKind};
use ddpm_data::ImageSet;
use ddpm_nets::pixels::from_u8;
use ddpm_nets::targets::EmpiricalTarget;
use ddpm_nets::{Denoiser, NetsError, Prediction};
use tch::{Device, Tensor};

/// The exact denoiser of the empirical measure of a set of images, each of equal weight.
#[derive(Debug)]
pub struct Memorizer {
    all: EmpiricalTarget,
    /// The measure of each class, for a model that is told the class.
    classes: Vec<EmpiricalTarget>,
}

impl Memorizer {
    /// The measure of a set of images on a device; with their mirror images if the network saw them too (`flips`), and of each class by
    /// itself if the network is told the class (`by_class`).
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
        Ok(Memorizer { all, classes })
    }
}

impl Model for Memorizer {
    fn denoiser(&self, labels: Option<&Tensor>) -> Box<dyn Denoiser + '_> {
        match labels {
            Some(labels) if !self.classes.is_empty() => {
                Box::new(ByClass { classes: &self.classes, labels: labels.shallow_clone() })
            }
            _ => Box::new(Whole(&self.all)),
        }
    }
}

struct Whole<'a>(&'a EmpiricalTarget);

impl Denoiser for Whole<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        self.0.predict(x_t, level)
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
        Ok(Prediction { kind: PredictionKind::X0, value, variance_fraction: None })
    }
}
