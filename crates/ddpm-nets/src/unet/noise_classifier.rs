//! A classifier of images, noised ones for guidance or clean ones for features: the way down of a U-Net, a mean over positions, and a dense
//! layer. Dhariwal & Nichol (2021, sec. 4) pool by attention instead.

use super::levels::{DownLevel, Middle, attended, build_down};
use super::unet_config::{
    DownBlockType, SampleSize, TimeEmbeddingType, TimeScaleShift, UNetConfig, UpBlockType, check_input,
};
use crate::embedding::{Sinusoids, TimeEmbedding};
use crate::layers::{Builder, Conv2d, GroupNorm, Linear};
use crate::parameters::DEFAULT_INIT;
use crate::{NetsError, Parameters};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// The classifier's configuration; its keys have the meaning that they have for a U-Net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Height and width in pixels.
    pub sample_size: SampleSize,
    /// Channels of an image.
    #[serde(default = "three")]
    pub in_channels: i64,
    /// Number of classes.
    pub num_classes: i64,
    /// Width of each resolution level.
    pub block_out_channels: Vec<i64>,
    /// Residual blocks a level.
    #[serde(default = "two")]
    pub layers_per_block: i64,
    /// Levels, the finest first.
    pub down_block_types: Vec<DownBlockType>,
    /// Width of an attention head; none for one head as wide as the level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_head_dim: Option<i64>,
    /// Groups of every group norm.
    #[serde(default = "thirty_two")]
    pub norm_num_groups: i64,
    /// Probability that a feature is dropped inside a residual block while training.
    #[serde(default)]
    pub dropout: f64,
}

fn two() -> i64 {
    2
}
fn three() -> i64 {
    3
}
fn thirty_two() -> i64 {
    32
}

impl ClassifierConfig {
    /// Checks that a network of this configuration exists. The text names the key at fault.
    pub fn validate(&self) -> Result<(), NetsError> {
        if self.num_classes < 2 {
            let reason = format!("must be at least 2, got {}", self.num_classes);
            return Err(NetsError::model("num_classes", reason));
        }
        self.trunk().validate()
    }

    /// The U-Net whose way down it is.
    fn trunk(&self) -> UNetConfig {
        UNetConfig {
            sample_size: self.sample_size,
            in_channels: self.in_channels,
            out_channels: self.in_channels,
            block_out_channels: self.block_out_channels.clone(),
            layers_per_block: self.layers_per_block,
            down_block_types: self.down_block_types.clone(),
            up_block_types: vec![UpBlockType::UpBlock2D; self.block_out_channels.len()],
            attention_head_dim: self.attention_head_dim,
            add_attention: true,
            norm_num_groups: self.norm_num_groups,
            attn_norm_num_groups: None,
            norm_eps: 1e-5,
            dropout: self.dropout,
            downsample_padding: 1,
            mid_block_scale_factor: 1.0,
            time_embedding_type: TimeEmbeddingType::Positional,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
            time_embedding_dim: None,
            resnet_time_scale_shift: TimeScaleShift::Default,
            num_class_embeds: None,
        }
    }
}

/// A classifier of noised images.
#[derive(Debug)]
pub struct NoiseClassifier {
    config: ClassifierConfig,
    parameters: Parameters,
    sinusoids: Sinusoids,
    time_embedding: TimeEmbedding,
    conv_in: Conv2d,
    down: Vec<DownLevel>,
    middle: Middle,
    norm_out: GroupNorm,
    head: Linear,
}

impl NoiseClassifier {
    /// A network with fresh weights drawn from `seed`.
    pub fn new(config: ClassifierConfig, device: Device, seed: u64) -> Result<Self, NetsError> {
        config.validate()?;
        let trunk = config.trunk();
        let mut parameters = Parameters::new(device, seed);
        let mut b = Builder::root(&mut parameters);
        let first = trunk.block_out_channels[0];
        let conv_in = Conv2d::same(b.sub("conv_in"), trunk.in_channels, first, DEFAULT_INIT);
        let sinusoids =
            Sinusoids { width: first, flip_sin_to_cos: trunk.flip_sin_to_cos, freq_shift: trunk.freq_shift };
        let time_embedding = TimeEmbedding::new(b.sub("time_embedding"), first, trunk.time_width());
        let down = build_down(&mut b, &trunk, &mut Vec::new());
        let middle = Middle::new(b.sub("mid_block"), &trunk);
        let last = trunk.block_out_channels[trunk.block_out_channels.len() - 1];
        let norm_out = GroupNorm::new(b.sub("norm_out"), last, trunk.norm_num_groups, trunk.norm_eps);
        let head = Linear::new(b.sub("head"), last, config.num_classes, DEFAULT_INIT);
        Ok(NoiseClassifier {
            config,
            parameters,
            sinusoids,
            time_embedding,
            conv_in,
            down,
            middle,
            norm_out,
            head,
        })
    }

    /// The configuration it was built from.
    pub fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// Its weights.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// log p(y | x_t) of every class, [n, classes] f32, for x [n, c, h, w] and times `[n]`. `train` switches dropout on.
    ///
    /// Shapes must have been checked ([`NoiseClassifier::check_input`]): libtorch panics on others.
    pub fn log_probabilities(&self, x: &Tensor, t: &Tensor, train: bool) -> Tensor {
        self.log_probabilities_of(&self.features(x, t, train))
    }

    /// What the last layer reads, [n, width of the coarsest level] f32, for the same arguments.
    pub fn features(&self, x: &Tensor, t: &Tensor, train: bool) -> Tensor {
        let time = self.time_embedding.forward(&self.sinusoids.forward(t)).silu();
        let mut h = self.conv_in.forward(x);
        for level in &self.down {
            for (block, attention) in &level.blocks {
                h = attended(block.forward(&h, &time, train), attention.as_ref());
            }
            if let Some(downsample) = &level.downsample {
                h = downsample.forward(&h);
            }
        }
        let h = self.norm_out.forward(&self.middle.forward(&h, &time, train)).silu();
        h.mean_dim([2i64, 3].as_slice(), false, Kind::Float)
    }

    /// log p(y | x_t) from [`NoiseClassifier::features`].
    pub fn log_probabilities_of(&self, features: &Tensor) -> Tensor {
        self.head.forward(features).to_kind(Kind::Float).log_softmax(-1, Kind::Float)
    }

    /// Checks the shapes of an input before libtorch sees it.
    pub fn check_input(&self, x: &Tensor, t: &Tensor) -> Result<(), NetsError> {
        let names = ["x of the classifier", "t of the classifier"];
        check_input(self.config.sample_size, self.config.in_channels, x, t, names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ClassifierConfig {
        ClassifierConfig {
            sample_size: SampleSize::Square(8),
            in_channels: 1,
            num_classes: 3,
            block_out_channels: vec![8, 16],
            layers_per_block: 1,
            down_block_types: vec![DownBlockType::DownBlock2D, DownBlockType::AttnDownBlock2D],
            attention_head_dim: None,
            norm_num_groups: 4,
            dropout: 0.0,
        }
    }

    #[test]
    fn probabilities_depend_on_image_and_noise_and_have_gradients() {
        let network = NoiseClassifier::new(config(), Device::Cpu, 1).unwrap();
        tch::manual_seed(0);
        // Residual branches start near zero, so that the output would not depend on the time.
        tch::no_grad(|| {
            for weight in network.parameters().tensors() {
                let _ = weight.shallow_clone().g_add_(&(weight.randn_like() * 0.1));
            }
        });
        let x = Tensor::randn([2, 1, 8, 8], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let answer = |t: f32| network.log_probabilities(&x, &Tensor::from_slice(&[t, t]), false);
        let low = answer(3.0);
        let total = low.exp().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        assert!((total - 1.0).abs().max().double_value(&[]) < 1e-6);
        assert!(!low.allclose(&answer(900.0), 1e-4, 1e-4, false));
        assert!(!low.get(0).allclose(&low.get(1), 1e-4, 1e-4, false));
        low.get(0).get(1).backward();
        let grad = x.grad();
        assert!(
            grad.get(0).abs().max().double_value(&[]) > 0.0
                && grad.get(1).abs().max().double_value(&[]) == 0.0
        );
    }

    #[test]
    fn impossible_configurations_are_named() {
        let text = |config: ClassifierConfig| config.validate().unwrap_err().to_string();
        assert_eq!(
            text(ClassifierConfig { num_classes: 1, ..config() }),
            "model.num_classes: must be at least 2, got 1"
        );
        assert!(
            text(ClassifierConfig { norm_num_groups: 5, ..config() }).starts_with("model.norm_num_groups")
        );
        let network = NoiseClassifier::new(config(), Device::Cpu, 1).unwrap();
        let x = Tensor::zeros([2, 3, 8, 8], (Kind::Float, Device::Cpu));
        assert!(network.check_input(&x, &Tensor::zeros([2], (Kind::Float, Device::Cpu))).is_err());
    }
}
