//! Classifier-free guidance (Ho & Salimans 2022): D = D(x) + w (D(x|y) - D(x)), both halves in one evaluation.

use super::interval::Interval;
use ddpm_core::Level;
use ddpm_nets::{Denoiser, NetsError, Prediction};
use tch::{Kind, Tensor};

/// A denoiser that can be told a class.
///
/// Implemented by closures, so that a network needs no type of its own:
/// `|x: &Tensor, level: &Level, y: &Tensor| NetworkDenoiser::new(&network, kind, Some(y.shallow_clone())).predict(x, level)`.
pub trait ClassConditional {
    /// The prediction for `x_t` `[n, ...]`, each row of the class in `labels` `[n]` i64; one value of it means no class.
    fn predict(&self, x_t: &Tensor, level: &Level, labels: &Tensor) -> Result<Prediction, NetsError>;
}

impl<F: Fn(&Tensor, &Level, &Tensor) -> Result<Prediction, NetsError>> ClassConditional for F {
    fn predict(&self, x_t: &Tensor, level: &Level, labels: &Tensor) -> Result<Prediction, NetsError> {
        self(x_t, level, labels)
    }
}

/// A guided denoiser.
pub struct ClassifierFree<'a> {
    denoiser: &'a dyn ClassConditional,
    labels: Tensor,
    no_class: i64,
    weight: f64,
    interval: Interval,
}

impl<'a> ClassifierFree<'a> {
    /// `labels` `[n]` i64 for the batches to come, `no_class` the label that means none. `weight` 1 is the conditional denoiser, 0 the
    /// unconditional one, more than 1 guidance. Outside `interval` the weight is 1.
    pub fn new(
        denoiser: &'a dyn ClassConditional,
        labels: Tensor,
        no_class: i64,
        weight: f64,
        interval: Interval,
    ) -> Self {
        ClassifierFree { denoiser, labels, no_class, weight, interval }
    }
}

impl std::fmt::Debug for ClassifierFree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClassifierFree")
            .field("weight", &self.weight)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl Denoiser for ClassifierFree<'_> {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let (n, labels) = (x_t.size().first().copied().unwrap_or(0), self.labels.size());
        if labels != [n] || self.labels.kind() != Kind::Int64 {
            let (expected, got) =
                (format!("[{n}] of kind Int64"), format!("{labels:?} of kind {:?}", self.labels.kind()));
            return Err(NetsError::input("labels", expected, got));
        }
        let weight = if self.interval.contains(level) { self.weight } else { 1.0 };
        let none = self.labels.full_like(self.no_class);
        // One half suffices where the other would have no weight.
        if weight == 1.0 {
            return self.denoiser.predict(x_t, level, &self.labels);
        }
        if weight == 0.0 {
            return self.denoiser.predict(x_t, level, &none);
        }
        let (twice, classes) =
            torch_ext::fence(|| (Tensor::cat(&[x_t, x_t], 0), Tensor::cat(&[&self.labels, &none], 0)))?;
        let both = self.denoiser.predict(&twice, level, &classes)?;
        // Every kind of prediction is affine in x_0 with the same offset for both halves, so that any of them can be extrapolated.
        Ok(torch_ext::fence(|| {
            let halves = both.value.chunk(2, 0);
            let value = &halves[1] + (&halves[0] - &halves[1]) * weight;
            let variance_output = both.variance_output.map(|fraction| fraction.narrow(0, 0, n));
            Prediction { kind: both.kind, value, variance_output }
        })?)
    }
}
