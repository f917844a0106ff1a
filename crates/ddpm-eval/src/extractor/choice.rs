//! Which extractor, as the command line names it.

use super::classifier::ClassifierFeatures;
use super::feature_extractor::FeatureExtractor;
use super::inception::InceptionFeatures;
use super::pixels::PixelFeatures;
use super::torch_script::TorchScriptFeatures;
use crate::EvalError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tch::Device;

/// Which extractor, as a word of the command line: `inception`, `inception:FILE`, `torchscript:FILE`, `classifier:DIR` or `pixels`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtractorChoice {
    /// The Inception network of 2015-12-05, from a file, or fetched where there is none.
    Inception(Option<PathBuf>),
    /// A TorchScript module.
    TorchScript(PathBuf),
    /// The checkpoint of a classifier of clean images.
    Classifier(PathBuf),
    /// The values of the pixels.
    Pixels,
}

impl FromStr for ExtractorChoice {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let (kind, place) = word.split_once(':').map_or((word, None), |(kind, place)| (kind, Some(place)));
        let place = place.filter(|place| !place.is_empty()).map(PathBuf::from);
        match (kind, place) {
            ("inception", place) if !word.ends_with(':') => Ok(ExtractorChoice::Inception(place)),
            ("torchscript", Some(file)) => Ok(ExtractorChoice::TorchScript(file)),
            ("classifier", Some(folder)) => Ok(ExtractorChoice::Classifier(folder)),
            ("pixels", None) if !word.ends_with(':') => Ok(ExtractorChoice::Pixels),
            _ => Err("expected inception, inception:FILE, torchscript:FILE, classifier:DIR or pixels".into()),
        }
    }
}

impl fmt::Display for ExtractorChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExtractorChoice::Inception(None) => write!(f, "inception"),
            ExtractorChoice::Inception(Some(file)) => write!(f, "inception:{}", file.display()),
            ExtractorChoice::TorchScript(file) => write!(f, "torchscript:{}", file.display()),
            ExtractorChoice::Classifier(folder) => write!(f, "classifier:{}", folder.display()),
            ExtractorChoice::Pixels => write!(f, "pixels"),
        }
    }
}

impl ExtractorChoice {
    /// The extractor on a device. `inception` is the file of the Inception network where the choice names none.
    pub fn load(&self, inception: &Path, device: Device) -> Result<Box<dyn FeatureExtractor>, EvalError> {
        Ok(match self {
            ExtractorChoice::Inception(file) => {
                Box::new(InceptionFeatures::load(file.as_deref().unwrap_or(inception), device)?)
            }
            ExtractorChoice::TorchScript(file) => Box::new(TorchScriptFeatures::load(file, device)?),
            ExtractorChoice::Classifier(folder) => Box::new(ClassifierFeatures::load(folder, device)?),
            ExtractorChoice::Pixels => Box::new(PixelFeatures),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_read_back_from_its_own_text_and_others_are_refused() {
        for word in ["inception", "inception:a.pt", "torchscript:b/c.pt", "classifier:d", "pixels"] {
            assert_eq!(word.parse::<ExtractorChoice>().unwrap().to_string(), word);
        }
        for word in [
            "",
            "Inception",
            "torchscript",
            "torchscript:",
            "classifier:",
            "pixels:",
            "pixels:x",
            "inception:",
        ] {
            assert!(word.parse::<ExtractorChoice>().is_err(), "{word}");
        }
    }
}
