//! The parts of the U-Net: residual blocks, self-attention, and the changes of resolution.

use super::unet_config::{TimeScaleShift, UNetConfig};
use crate::layers::{Builder, Conv2d, GroupNorm, Linear};
use crate::parameters::{DEFAULT_INIT, NEARLY_ZERO};
use tch::Tensor;

/// norm, SiLU, conv, + dense(SiLU(time)), norm, SiLU, dropout, conv, + shortcut.
#[derive(Debug)]
pub(super) struct ResidualBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    scale_shift: bool,
    dropout: f64,
    output_scale: f64,
}

impl ResidualBlock {
    pub(super) fn new(
        mut b: Builder<'_>,
        config: &UNetConfig,
        from: i64,
        to: i64,
        output_scale: f64,
    ) -> Self {
        let groups = config.norm_num_groups;
        let scale_shift = config.resnet_time_scale_shift == TimeScaleShift::ScaleShift;
        let time_width = if scale_shift { 2 * to } else { to };
        ResidualBlock {
            norm1: GroupNorm::new(b.sub("norm1"), from, groups, config.norm_eps),
            conv1: Conv2d::same(b.sub("conv1"), from, to, DEFAULT_INIT),
            time_emb_proj: Linear::new(b.sub("time_emb_proj"), config.time_width(), time_width, DEFAULT_INIT),
            norm2: GroupNorm::new(b.sub("norm2"), to, groups, config.norm_eps),
            conv2: Conv2d::same(b.sub("conv2"), to, to, NEARLY_ZERO),
            conv_shortcut: (from != to).then(|| Conv2d::pointwise(b.sub("conv_shortcut"), from, to)),
            scale_shift,
            dropout: config.dropout,
            output_scale,
        }
    }

    /// x [n, from, h, w] and the activated time embedding [n, width] -> [n, to, h, w].
    pub(super) fn forward(&self, x: &Tensor, time: &Tensor, train: bool) -> Tensor {
        let h = self.conv1.forward(&self.norm1.forward(x).silu());
        let time = self.time_emb_proj.forward(time).unsqueeze(-1).unsqueeze(-1);
        let h = if self.scale_shift {
            let parts = time.chunk(2, 1);
            self.norm2.forward(&h) * (&parts[0] + 1.0) + &parts[1]
        } else {
            self.norm2.forward(&(h + time))
        };
        let h = self.conv2.forward(&h.silu().dropout(self.dropout, train));
        let sum = match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(x) + h,
            None => x + h,
        };
        scaled(sum, self.output_scale)
    }
}

/// Self-attention over the positions of an image, with a residual connection.
#[derive(Debug)]
pub(super) struct Attention {
    group_norm: Option<GroupNorm>,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: i64,
    output_scale: f64,
}

impl Attention {
    /// `norm_groups` is none where diffusers leaves the norm out (the middle block under scale-shift).
    pub(super) fn new(
        mut b: Builder<'_>,
        config: &UNetConfig,
        channels: i64,
        norm_groups: Option<i64>,
        output_scale: f64,
    ) -> Self {
        Attention {
            group_norm: norm_groups
                .map(|groups| GroupNorm::new(b.sub("group_norm"), channels, groups, config.norm_eps)),
            to_q: Linear::new(b.sub("to_q"), channels, channels, DEFAULT_INIT),
            to_k: Linear::new(b.sub("to_k"), channels, channels, DEFAULT_INIT),
            to_v: Linear::new(b.sub("to_v"), channels, channels, DEFAULT_INIT),
            to_out: Linear::new(b.sub("to_out.0"), channels, channels, NEARLY_ZERO),
            heads: config.heads(channels),
            output_scale,
        }
    }

    /// [n, c, h, w] -> the same shape. Matrix products rather than the fused kernel: it is faster for one wide head on a CPU, and it can
    /// be differentiated twice.
    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        let (n, c, height, width) = match x.size()[..] {
            [n, c, h, w] => (n, c, h, w),
            _ => unreachable!("the U-Net works on [n, c, h, w]"),
        };
        let (positions, head_width) = (height * width, c / self.heads);
        let normed = match &self.group_norm {
            Some(norm) => norm.forward(x),
            None => x.shallow_clone(),
        };
        let tokens = normed.reshape([n, c, positions]).transpose(1, 2);
        let split = |t: Tensor| t.reshape([n, positions, self.heads, head_width]).transpose(1, 2);
        let (q, k, v) = (
            split(self.to_q.forward(&tokens)),
            split(self.to_k.forward(&tokens)),
            split(self.to_v.forward(&tokens)),
        );
        let scores = (q * (head_width as f64).powf(-0.5)).matmul(&k.transpose(-2, -1));
        let mixed = scores.softmax(-1, tch::Kind::Float).matmul(&v);
        let mixed = mixed.transpose(1, 2).reshape([n, positions, c]);
        let out = self.to_out.forward(&mixed).transpose(1, 2).reshape([n, c, height, width]);
        scaled(out + x, self.output_scale)
    }
}

fn scaled(x: Tensor, output_scale: f64) -> Tensor {
    if output_scale == 1.0 { x } else { x / output_scale }
}

/// Halves height and width. Padding 0 pads right and bottom by one, as TensorFlow's SAME does for even sizes.
#[derive(Debug)]
pub(super) struct Downsample {
    conv: Conv2d,
    pad_right_bottom: bool,
}

impl Downsample {
    pub(super) fn new(mut b: Builder<'_>, config: &UNetConfig, channels: i64) -> Self {
        Downsample {
            conv: Conv2d::strided(b.sub("conv"), channels, config.downsample_padding),
            pad_right_bottom: config.downsample_padding == 0,
        }
    }

    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        if self.pad_right_bottom {
            self.conv.forward(&x.constant_pad_nd([0, 1, 0, 1]))
        } else {
            self.conv.forward(x)
        }
    }
}

/// Doubles height and width: nearest neighbour, then a 3x3 convolution.
#[derive(Debug)]
pub(super) struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    pub(super) fn new(mut b: Builder<'_>, channels: i64) -> Self {
        Upsample { conv: Conv2d::same(b.sub("conv"), channels, channels, DEFAULT_INIT) }
    }

    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        let size = x.size();
        self.conv.forward(&x.upsample_nearest2d([size[2] * 2, size[3] * 2], None, None))
    }
}
