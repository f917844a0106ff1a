//! Feature extractors: what maps an image to the vector by which sets of images are compared.

mod choice;
mod classifier;
mod extraction;
mod feature_extractor;
mod feature_file;
mod inception;
mod pixels;
mod torch_script;

pub use choice::ExtractorChoice;
pub use classifier::ClassifierFeatures;
pub use extraction::{FeatureSet, extract};
pub use feature_extractor::{FeatureExtractor, Features};
pub use feature_file::FeatureFile;
pub use inception::{
    INCEPTION, INCEPTION_FILE, INCEPTION_SHA256, INCEPTION_SIZE, INCEPTION_URL, InceptionFeatures,
};
pub use pixels::PixelFeatures;
pub use torch_script::TorchScriptFeatures;
