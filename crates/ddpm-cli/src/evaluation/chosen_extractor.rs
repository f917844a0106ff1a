//! The extractor that a configuration or the command line asks for, the data set's own classifier being trained where it is wanted.

use super::feature_classifier::{has_classes, train_features};
use super::image_set::load_extractor;
use crate::config::{ImageData, QualityExtractor};
use crate::runtime::StopFlag;
use crate::workers::in_turn;
use anyhow::Result;
use ddpm_data::Dataset;
use ddpm_eval::extractor::{ExtractorChoice, FeatureExtractor};
use std::path::Path;
use tch::Device;
use torch_ext::dist::Workers;

/// What is asked for.
pub(crate) struct WantedExtractor<'a> {
    /// Its name.
    pub(crate) extractor: &'a QualityExtractor,
    /// The data set, for a classifier of its images.
    pub(crate) data: &'a ImageData,
    /// Its images.
    pub(crate) dataset: &'a Dataset,
    /// Where that classifier lies or will lie.
    pub(crate) folder: &'a Path,
    /// The seed of its training.
    pub(crate) seed: u64,
    /// Where features are computed.
    pub(crate) device: Device,
}

/// An extractor with its name on the command line.
pub(crate) struct ChosenExtractor {
    pub(crate) choice: ExtractorChoice,
    pub(crate) extractor: Box<dyn FeatureExtractor>,
    /// For a classifier that was trained for this: held-out images, and the share that is assigned to its class.
    pub(crate) accuracy: Option<(u64, f64)>,
}

impl WantedExtractor<'_> {
    /// Loads the extractor, or trains it: the first of several processes does, and the others read it.
    pub(crate) fn load(&self, workers: &Workers, stop: &StopFlag) -> Result<ChosenExtractor> {
        let given = |choice: ExtractorChoice| -> Result<ChosenExtractor> {
            let extractor = load_extractor(&choice, self.device)?;
            Ok(ChosenExtractor { choice, extractor, accuracy: None })
        };
        match self.extractor {
            QualityExtractor::Given(choice) => given(choice.clone()),
            QualityExtractor::Own if !has_classes(self.dataset) => given(ExtractorChoice::Pixels),
            QualityExtractor::Own => {
                let data = ImageData { stream: false, ..self.data.clone() };
                let trained = in_turn(workers, || {
                    train_features(&data, self.dataset, self.folder, self.seed, self.device, stop)
                })?;
                Ok(ChosenExtractor {
                    choice: ExtractorChoice::Classifier(self.folder.to_path_buf()),
                    accuracy: Some((trained.tested as u64, trained.accuracy)),
                    extractor: Box::new(trained.extractor),
                })
            }
        }
    }
}
