//! The training images' covariance spectrum, computed once for all stages that need it.

use anyhow::Result;
use ddpm_data::Dataset;
use ddpm_eval::Spectrum;

/// A spectrum that is computed when it is first asked for: it takes seconds for thousands of dimensions.
pub(crate) struct LazySpectrum<'a> {
    dataset: &'a Dataset,
    spectrum: Option<Spectrum>,
}

impl<'a> LazySpectrum<'a> {
    /// Of a data set's training images.
    pub(crate) fn new(dataset: &'a Dataset) -> Self {
        LazySpectrum { dataset, spectrum: None }
    }

    /// The spectrum.
    pub(crate) fn get(&mut self) -> Result<&Spectrum> {
        let spectrum = match self.spectrum.take() {
            Some(spectrum) => spectrum,
            None => Spectrum::of_images(&self.dataset.train)?,
        };
        Ok(self.spectrum.insert(spectrum))
    }
}
