//! The U-Net's configuration: keys and defaults of diffusers' `UNet2DModel`.

use crate::NetsError;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// A resolution level on the way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DownBlockType {
    /// Residual blocks.
    DownBlock2D,
    /// Residual blocks, each followed by self-attention.
    AttnDownBlock2D,
}

/// A resolution level on the way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpBlockType {
    /// Residual blocks.
    UpBlock2D,
    /// Residual blocks, each followed by self-attention.
    AttnUpBlock2D,
}

/// How the time enters a residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeScaleShift {
    /// Added before the second norm.
    #[default]
    Default,
    /// Scales and shifts the second norm's output.
    ScaleShift,
}

/// The features of the noise level that the time embedding starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeEmbeddingType {
    /// Sinusoids of fixed frequencies.
    #[default]
    Positional,
    /// Sinusoids of the logarithm of sigma with frequencies drawn once from N(0, 16^2); the output is divided by sigma, as the score is
    /// (Song et al. 2021, appendix H; diffusers' `fourier`). The network is told sigma.
    Fourier,
}

/// Height and width of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a side in pixels, or [height, width]")]
pub enum SampleSize {
    /// Height and width are equal.
    Square(i64),
    /// Height, then width.
    Rectangle([i64; 2]),
}

impl SampleSize {
    /// [height, width].
    pub fn height_width(self) -> [i64; 2] {
        match self {
            SampleSize::Square(side) => [side, side],
            SampleSize::Rectangle(size) => size,
        }
    }
}

/// Checks that images x are [n, channels, height, width] and their times t are `[n]`, before libtorch sees them.
pub(super) fn check_input(
    size: SampleSize,
    channels: i64,
    x: &Tensor,
    t: &Tensor,
    names: [&'static str; 2],
) -> Result<(), NetsError> {
    let [height, width] = size.height_width();
    let (x, t) = (x.size(), t.size());
    if x.len() != 4 || x[1..] != [channels, height, width] {
        let expected = format!("[n, {channels}, {height}, {width}]");
        return Err(NetsError::input(names[0], expected, format_args!("{x:?}")));
    }
    if t != [x[0]] {
        return Err(NetsError::input(names[1], format_args!("[{}]", x[0]), format_args!("{t:?}")));
    }
    Ok(())
}

/// The U-Net's configuration. Defaults are diffusers' for an absent key, save for the block lists, which have none, and for
/// `attention_head_dim`, whose absence means one head (a TOML file cannot say null).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetConfig {
    /// Height and width in pixels.
    pub sample_size: SampleSize,
    /// Channels of an image.
    #[serde(default = "three")]
    pub in_channels: i64,
    /// Channels of the prediction: twice the image's when the variance is learned too.
    #[serde(default = "three")]
    pub out_channels: i64,
    /// Width of each resolution level.
    pub block_out_channels: Vec<i64>,
    /// Residual blocks a level on the way down; one more on the way up.
    #[serde(default = "two")]
    pub layers_per_block: i64,
    /// Levels on the way down, the finest first.
    pub down_block_types: Vec<DownBlockType>,
    /// Levels on the way up, the coarsest first.
    pub up_block_types: Vec<UpBlockType>,
    /// Width of an attention head; none for one head as wide as the level.
    #[serde(default)]
    pub attention_head_dim: Option<i64>,
    /// Attention in the middle block.
    #[serde(default = "yes")]
    pub add_attention: bool,
    /// Groups of every group norm.
    #[serde(default = "thirty_two")]
    pub norm_num_groups: i64,
    /// Groups of the middle attention's norm; none for `norm_num_groups`, or for no norm under scale-shift.
    #[serde(default)]
    pub attn_norm_num_groups: Option<i64>,
    /// Added to the variance in every group norm.
    #[serde(default = "norm_eps")]
    pub norm_eps: f64,
    /// Probability that a feature is dropped inside a residual block while training.
    #[serde(default)]
    pub dropout: f64,
    /// 1 pads evenly, 0 pads right and bottom (Ho et al.).
    #[serde(default = "one")]
    pub downsample_padding: i64,
    /// Divides the sums of the middle block.
    #[serde(default = "unit")]
    pub mid_block_scale_factor: f64,
    /// The features of the noise level that the time embedding starts from.
    #[serde(default)]
    pub time_embedding_type: TimeEmbeddingType,
    /// Cosines before sines in the time embedding.
    #[serde(default = "yes")]
    pub flip_sin_to_cos: bool,
    /// The time embedding's exponent is divided by half its width minus this (1 in Ho et al.'s code).
    #[serde(default)]
    pub freq_shift: f64,
    /// Width of the embedded time; none for four times the first level's width.
    #[serde(default)]
    pub time_embedding_dim: Option<i64>,
    /// How the time enters a residual block.
    #[serde(default)]
    pub resnet_time_scale_shift: TimeScaleShift,
    /// Rows of the class table, the null class included; none for an unconditional model.
    #[serde(default)]
    pub num_class_embeds: Option<i64>,
}

fn one() -> i64 {
    1
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
fn norm_eps() -> f64 {
    1e-5
}
fn unit() -> f64 {
    1.0
}
fn yes() -> bool {
    true
}

/// The largest width or count of anything.
const MOST_COUNT: i64 = 10_000_000;
/// Weights of the largest network that is accepted: 40 GB in f32.
const MOST_WEIGHTS: f64 = 1e10;
/// Values in the largest image that is accepted.
const MOST_VALUES: f64 = 1e9;

impl UNetConfig {
    /// Width of the embedded time.
    pub(crate) fn time_width(&self) -> i64 {
        self.time_embedding_dim.unwrap_or(4 * self.block_out_channels[0])
    }

    /// Number of attention heads at a level of this width.
    pub(crate) fn heads(&self, channels: i64) -> i64 {
        channels / self.attention_head_dim.unwrap_or(channels)
    }

    /// Groups of the middle attention's norm, if it has one.
    pub(crate) fn middle_attention_groups(&self) -> Option<i64> {
        match (self.attn_norm_num_groups, self.resnet_time_scale_shift) {
            (Some(groups), _) => Some(groups),
            (None, TimeScaleShift::Default) => Some(self.norm_num_groups),
            (None, TimeScaleShift::ScaleShift) => None,
        }
    }

    /// Checks that a network of this configuration exists. The text names the key at fault and a value that would do.
    pub fn validate(&self) -> Result<(), NetsError> {
        let levels = self.block_out_channels.len();
        if levels == 0 {
            return Err(NetsError::model(
                "block_out_channels",
                "is empty, expected a width for each resolution level",
            ));
        }
        for (key, got) in
            [("down_block_types", self.down_block_types.len()), ("up_block_types", self.up_block_types.len())]
        {
            if got != levels {
                return Err(NetsError::model(
                    key,
                    format!("has {got} entries, expected {levels} as in block_out_channels"),
                ));
            }
        }
        for (key, value) in [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("layers_per_block", self.layers_per_block),
            ("norm_num_groups", self.norm_num_groups),
            ("attention_head_dim", self.attention_head_dim.unwrap_or(1)),
            ("attn_norm_num_groups", self.attn_norm_num_groups.unwrap_or(1)),
            ("time_embedding_dim", self.time_embedding_dim.unwrap_or(1)),
            ("num_class_embeds", self.num_class_embeds.unwrap_or(1)),
            ("block_out_channels", self.block_out_channels.iter().copied().min().unwrap_or(1)),
        ] {
            if value < 1 {
                return Err(NetsError::model(key, format!("must be at least 1, got {value}")));
            }
        }
        for (key, value) in [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("layers_per_block", self.layers_per_block),
            ("time_embedding_dim", self.time_embedding_dim.unwrap_or(1)),
            ("num_class_embeds", self.num_class_embeds.unwrap_or(1)),
            ("block_out_channels", self.block_out_channels.iter().copied().max().unwrap_or(1)),
        ] {
            if value > MOST_COUNT {
                return Err(NetsError::model(key, format!("must be at most {MOST_COUNT}, got {value}")));
            }
        }
        if self.block_out_channels[0] < 2 {
            return Err(NetsError::model(
                "block_out_channels",
                "must begin with at least 2 (sines and cosines of the time)",
            ));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(NetsError::model("dropout", format!("must lie in [0, 1), got {}", self.dropout)));
        }
        if !(0..=1).contains(&self.downsample_padding) {
            return Err(NetsError::model(
                "downsample_padding",
                format!("must be 0 or 1, got {}", self.downsample_padding),
            ));
        }
        if self.norm_eps <= 0.0 || !self.norm_eps.is_finite() {
            return Err(NetsError::model("norm_eps", format!("must be positive, got {}", self.norm_eps)));
        }
        if self.mid_block_scale_factor == 0.0 || !self.mid_block_scale_factor.is_finite() {
            return Err(NetsError::model("mid_block_scale_factor", "must be finite and not 0"));
        }
        if self.freq_shift >= (self.block_out_channels[0] / 2) as f64 {
            return Err(NetsError::model(
                "freq_shift",
                format!("must be below {}", self.block_out_channels[0] / 2),
            ));
        }
        self.validate_memory()?;
        self.validate_widths()?;
        self.validate_size()
    }

    fn validate_widths(&self) -> Result<(), NetsError> {
        let groups = self.norm_num_groups;
        if let Some(width) = self.norm_widths().into_iter().find(|width| width % groups != 0) {
            let reason = format!(
                "norm_num_groups {groups} does not divide a norm of {width} channels; choose a divisor of every width"
            );
            return Err(NetsError::model("norm_num_groups", reason));
        }
        let bottom = self.block_out_channels[self.block_out_channels.len() - 1];
        if let Some(groups) = self.attn_norm_num_groups.filter(|groups| bottom % groups != 0) {
            return Err(NetsError::model(
                "attn_norm_num_groups",
                format!("{groups} does not divide the middle block's {bottom} channels"),
            ));
        }
        if let Some(head) = self.attention_head_dim
            && let Some(width) = self.attention_widths().into_iter().find(|width| width % head != 0)
        {
            let reason = format!(
                "{head} does not divide the {width} channels of a level with attention; choose a divisor"
            );
            return Err(NetsError::model("attention_head_dim", reason));
        }
        Ok(())
    }

    /// Channel counts of every group norm in a residual block (the norms of skips concatenated on the way up included).
    fn norm_widths(&self) -> Vec<i64> {
        let down = &self.block_out_channels;
        let mut widths = down.clone();
        for level in 0..down.len() {
            let below = down[(level + 1).min(down.len() - 1)];
            let above = down[level.saturating_sub(1)];
            // First block: from the coarser level, with a skip of this one; last block: with the skip that came from the finer level.
            widths.extend([below + down[level], 2 * down[level], down[level] + above]);
        }
        widths
    }

    fn attention_widths(&self) -> Vec<i64> {
        let down = self.block_out_channels.iter().zip(&self.down_block_types);
        let up = self.block_out_channels.iter().rev().zip(&self.up_block_types);
        let middle = self.block_out_channels.last().filter(|_| self.add_attention);
        down.filter(|(_, kind)| **kind == DownBlockType::AttnDownBlock2D)
            .map(|(width, _)| *width)
            .chain(up.filter(|(_, kind)| **kind == UpBlockType::AttnUpBlock2D).map(|(width, _)| *width))
            .chain(middle.copied())
            .collect()
    }

    /// Refuses what no memory holds, before it is asked for. Integer products of the keys could overflow: the figures are f64.
    fn validate_memory(&self) -> Result<(), NetsError> {
        let widths = self.block_out_channels.iter().map(|&width| width as f64);
        let blocks = 2.0 * self.layers_per_block as f64 + 1.0;
        // One 3x3 convolution a residual block: a lower bound.
        let convolutions: f64 = widths.map(|width| 9.0 * width * width * blocks).sum();
        let time =
            self.time_embedding_dim.map_or(4.0 * self.block_out_channels[0] as f64, |width| width as f64);
        let tables = time * (time + self.num_class_embeds.unwrap_or(0) as f64);
        for (key, weights) in [("block_out_channels", convolutions), ("num_class_embeds", tables)] {
            if weights > MOST_WEIGHTS {
                let reason = format!("asks for {weights:.1e} weights, expected at most {MOST_WEIGHTS:.0e}");
                return Err(NetsError::model(key, reason));
            }
        }
        let [height, width] = self.sample_size.height_width().map(|side| side as f64);
        let values = height * width * self.in_channels.max(self.out_channels) as f64;
        if values > MOST_VALUES {
            let reason = format!("asks for {values:.1e} values an image, expected at most {MOST_VALUES:.0e}");
            return Err(NetsError::model("sample_size", reason));
        }
        Ok(())
    }

    fn validate_size(&self) -> Result<(), NetsError> {
        let factor = 1i64 << (self.block_out_channels.len() - 1).min(62);
        let size = self.sample_size.height_width();
        if size.iter().any(|side| *side < factor || side % factor != 0) {
            let reason = format!(
                "{}x{} cannot be halved {} times; use a multiple of {factor}, or fewer entries in block_out_channels",
                size[0],
                size[1],
                self.block_out_channels.len() - 1
            );
            return Err(NetsError::model("sample_size", reason));
        }
        Ok(())
    }
}
