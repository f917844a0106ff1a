//! The U-Net of Ho et al. 2020 in the generality of diffusers' `UNet2DModel`, whose state-dict keys it shares.

mod blocks;
mod cost;
mod levels;
mod noise_classifier;
mod unet_config;

pub use cost::LayerCost;
pub use noise_classifier::{ClassifierConfig, NoiseClassifier};
pub use unet_config::{
    DownBlockType, SampleSize, TimeEmbeddingType, TimeScaleShift, UNetConfig, UpBlockType,
};

use crate::embedding::{FourierFeatures, LevelFeatures, Sinusoids, TimeEmbedding};
use crate::layers::{Builder, Conv2d, Embedding, GroupNorm};
use crate::parameters::{DEFAULT_INIT, NEARLY_ZERO};
use crate::{NetsError, Parameters, along_rows};
use levels::{DownLevel, Middle, UpLevel, attended, build_down, build_up};
use tch::{Device, Tensor};
use unet_config::check_input;

/// A noise-conditional U-Net.
#[derive(Debug)]
pub struct UNet {
    config: UNetConfig,
    parameters: Parameters,
    features: LevelFeatures,
    time_embedding: TimeEmbedding,
    class_embedding: Option<Embedding>,
    conv_in: Conv2d,
    down: Vec<DownLevel>,
    middle: Middle,
    up: Vec<UpLevel>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl UNet {
    /// A network with fresh weights drawn from `seed`, Ho et al.'s initialization (variance scaling, fan average, uniform; layers that
    /// close a residual branch start at 1e-10).
    pub fn new(config: UNetConfig, device: Device, seed: u64) -> Result<Self, NetsError> {
        config.validate()?;
        let mut parameters = Parameters::new(device, seed);
        let mut b = Builder::root(&mut parameters);
        let widths = config.block_out_channels.clone();
        let first = widths[0];

        let conv_in = Conv2d::same(b.sub("conv_in"), config.in_channels, first, DEFAULT_INIT);
        let (features, count) = match config.time_embedding_type {
            TimeEmbeddingType::Positional => {
                let (flip_sin_to_cos, freq_shift) = (config.flip_sin_to_cos, config.freq_shift);
                (LevelFeatures::Positional(Sinusoids { width: first, flip_sin_to_cos, freq_shift }), first)
            }
            TimeEmbeddingType::Fourier => {
                (LevelFeatures::Fourier(FourierFeatures::new(b.sub("time_proj"), first)), 2 * first)
            }
        };
        let time_embedding = TimeEmbedding::new(b.sub("time_embedding"), count, config.time_width());
        let class_embedding = config
            .num_class_embeds
            .map(|classes| Embedding::new(b.sub("class_embedding"), classes, config.time_width()));

        let mut skips = vec![first];
        let down = build_down(&mut b, &config, &mut skips);
        let middle = Middle::new(b.sub("mid_block"), &config);
        let up = build_up(&mut b, &config, &mut skips);
        assert!(skips.is_empty(), "every skip of the way down is used on the way up");

        let norm_out = GroupNorm::new(b.sub("conv_norm_out"), first, config.norm_num_groups, config.norm_eps);
        let conv_out = Conv2d::same(b.sub("conv_out"), first, config.out_channels, NEARLY_ZERO);
        Ok(UNet {
            config,
            parameters,
            features,
            time_embedding,
            class_embedding,
            conv_in,
            down,
            middle,
            up,
            norm_out,
            conv_out,
        })
    }

    /// The configuration it was built from.
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }

    /// Its weights.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The raw output [n, out_channels, h, w] for x [n, in_channels, h, w], times `[n]` (any numeric kind) and, for a class-conditional
    /// network, labels `[n]` i64. `train` switches dropout on. With Fourier features t is sigma, and the output is divided by it.
    ///
    /// Shapes must have been checked ([`UNet::check_input`]): libtorch panics on others.
    pub fn forward(&self, x: &Tensor, t: &Tensor, labels: Option<&Tensor>, train: bool) -> Tensor {
        let mut time = self.time_embedding.forward(&self.features.forward(t));
        if let (Some(table), Some(labels)) = (&self.class_embedding, labels) {
            time += table.forward(labels);
        }
        // The first operation of every residual block's time path, done once.
        let time = time.silu();

        let mut h = self.conv_in.forward(x);
        let mut skips = vec![h.shallow_clone()];
        for level in &self.down {
            for (block, attention) in &level.blocks {
                h = attended(block.forward(&h, &time, train), attention.as_ref());
                skips.push(h.shallow_clone());
            }
            if let Some(downsample) = &level.downsample {
                h = downsample.forward(&h);
                skips.push(h.shallow_clone());
            }
        }
        h = self.middle.forward(&h, &time, train);
        for level in &self.up {
            for (block, attention) in &level.blocks {
                if let Some(skip) = skips.pop() {
                    h = Tensor::cat(&[h, skip], 1);
                }
                h = attended(block.forward(&h, &time, train), attention.as_ref());
            }
            if let Some(upsample) = &level.upsample {
                h = upsample.forward(&h);
            }
        }
        let output = self.conv_out.forward(&self.norm_out.forward(&h).silu());
        match self.features {
            LevelFeatures::Positional(_) => output,
            LevelFeatures::Fourier(_) => output / along_rows(t, x),
        }
    }

    /// Checks shapes and labels of an input before libtorch sees it.
    pub fn check_input(&self, x: &Tensor, t: &Tensor, labels: Option<&Tensor>) -> Result<(), NetsError> {
        self.check_shapes(x, t, labels)?;
        if let (Some(classes), Some(y)) = (self.config.num_class_embeds, labels)
            && y.numel() > 0
        {
            let (least, most) = (y.min().int64_value(&[]), y.max().int64_value(&[]));
            if least < 0 || most >= classes {
                let expected = format!("labels 0..{}", classes - 1);
                return Err(NetsError::input("y", expected, format_args!("{least}..{most}")));
            }
        }
        Ok(())
    }

    /// The same without a look at the labels' values, for which a GPU would have to be waited.
    pub fn check_shapes(&self, x: &Tensor, t: &Tensor, labels: Option<&Tensor>) -> Result<(), NetsError> {
        let wrong = |expected: String, got: String| Err(NetsError::input("y", expected, got));
        check_input(self.config.sample_size, self.config.in_channels, x, t, ["x", "t"])?;
        let images = x.size()[0];
        match (self.config.num_class_embeds, labels) {
            (None, None) => Ok(()),
            (None, Some(_)) => wrong("no labels (the model is unconditional)".into(), "labels".into()),
            (Some(classes), None) => wrong(format!("labels 0..{}", classes - 1), "none".into()),
            (Some(_), Some(y)) if y.size() != [images] => {
                wrong(format!("[{images}]"), format!("{:?}", y.size()))
            }
            (Some(_), Some(_)) => Ok(()),
        }
    }
}
