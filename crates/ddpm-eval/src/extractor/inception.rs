//! The Inception network of 2015-12-05, by whose 2048 features the literature computes FID.
//!
//! TensorFlow's frozen graph `inception-2015-12-05.tgz` exists as a TorchScript module (Karras et al. 2020, stylegan2-ada-pytorch), which resizes
//! images as TensorFlow 1 does. Its `forward(img, return_features, use_fp16, no_output_bias)` takes bytes [n, 3, h, w].

use super::feature_extractor::{FeatureExtractor, Features, check_colour, checked, in_three_channels};
use super::torch_script::{failed, load_module};
use crate::EvalError;
use ddpm_data::ImageShape;
use ddpm_data::sha256_file;
use std::path::Path;
use tch::{CModule, Device, IValue, Kind, Tensor};

/// The file's name in the cache.
pub const INCEPTION_FILE: &str = "inception-2015-12-05.pt";

/// Where it is published.
pub const INCEPTION_URL: &str =
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt";

/// Its size in bytes.
pub const INCEPTION_SIZE: u64 = 95_607_719;

/// Its SHA-256.
pub const INCEPTION_SHA256: &str = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4";

/// The name of the published network, for which alone a distance is a FID.
pub const INCEPTION: &str = "inception-2015-12-05";

/// Number of features of the published network.
const WIDTH: i64 = 2048;

/// The network; its logits are without the bias of the last layer, as the Inception Score is computed.
#[derive(Debug)]
pub struct InceptionFeatures {
    name: String,
    module: CModule,
    /// [classes, 2048].
    classes: Tensor,
    device: Device,
}

impl InceptionFeatures {
    /// Loads the network onto a device. A file with another digest than the published one is called by its digest, and its distances are no FID.
    pub fn load(path: &Path, device: Device) -> Result<Self, EvalError> {
        let module = load_module(path, device)?;
        let parameters = module.named_parameters().map_err(torch_ext::TorchError::from)?;
        let classes = parameters
            .into_iter()
            .find_map(|(name, tensor)| (name == "output.weight").then_some(tensor))
            .ok_or_else(|| {
                EvalError::extractor(path.display(), "has no output.weight, which the Inception network has")
            })?;
        let digest = sha256_file(path)?;
        let name = if digest == INCEPTION_SHA256 {
            INCEPTION.to_string()
        } else {
            format!("inception of another file (SHA-256 {})", &digest[..16])
        };
        Ok(InceptionFeatures { name, module, classes, device })
    }
}

impl FeatureExtractor for InceptionFeatures {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn check(&self, shape: ImageShape) -> Result<(), EvalError> {
        check_colour(&self.name, shape)
    }

    fn features(&self, images: &Tensor) -> Result<Features, EvalError> {
        let input = torch_ext::fence(|| in_three_channels(images).to_device(self.device))?;
        let answer = tch::no_grad(|| self.module.forward_is(&[IValue::Tensor(input), IValue::Bool(true)]));
        let IValue::Tensor(values) = answer.map_err(|error| failed(&self.name, &error))? else {
            return Err(EvalError::extractor(
                &self.name,
                "must return one tensor with return_features = true",
            ));
        };
        let rows = images.size()[0];
        if values.size() != [rows, WIDTH] {
            let reason = format!("must return features [{rows}, {WIDTH}], got {:?}", values.size());
            return Err(EvalError::extractor(&self.name, reason));
        }
        let logits =
            torch_ext::fence(|| values.to_kind(Kind::Float).matmul(&self.classes.to_kind(Kind::Float).tr()))?;
        Ok(Features {
            features: checked(&self.name, "features", rows, &values)?,
            logits: Some(checked(&self.name, "logits", rows, &logits)?),
        })
    }
}
