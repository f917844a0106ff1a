//! The resolution levels of the U-Net: the way down, the middle block, the way up.

use super::blocks::{Attention, Downsample, ResidualBlock, Upsample};
use super::unet_config::{DownBlockType, UNetConfig, UpBlockType};
use crate::layers::Builder;
use tch::Tensor;

/// A resolution level on the way down.
#[derive(Debug)]
pub(super) struct DownLevel {
    pub(super) blocks: Vec<(ResidualBlock, Option<Attention>)>,
    pub(super) downsample: Option<Downsample>,
}

/// The middle block.
#[derive(Debug)]
pub(super) struct Middle {
    first: ResidualBlock,
    attention: Option<Attention>,
    second: ResidualBlock,
}

/// A resolution level on the way up.
#[derive(Debug)]
pub(super) struct UpLevel {
    pub(super) blocks: Vec<(ResidualBlock, Option<Attention>)>,
    pub(super) upsample: Option<Upsample>,
}

pub(super) fn attended(h: Tensor, attention: Option<&Attention>) -> Tensor {
    match attention {
        Some(attention) => attention.forward(&h),
        None => h,
    }
}

pub(super) fn build_down(b: &mut Builder<'_>, config: &UNetConfig, skips: &mut Vec<i64>) -> Vec<DownLevel> {
    let mut b = b.sub("down_blocks");
    let mut from = config.block_out_channels[0];
    let mut levels = Vec::new();
    for (i, (&to, kind)) in config.block_out_channels.iter().zip(&config.down_block_types).enumerate() {
        let mut b = b.sub(i);
        let mut blocks = Vec::new();
        for k in 0..config.layers_per_block {
            let block = ResidualBlock::new(b.sub(format_args!("resnets.{k}")), config, from, to, 1.0);
            let attention = (*kind == DownBlockType::AttnDownBlock2D)
                .then(|| attention_at(b.sub(format_args!("attentions.{k}")), config, to));
            blocks.push((block, attention));
            skips.push(to);
            from = to;
        }
        let downsample = (i + 1 < config.block_out_channels.len()).then(|| {
            skips.push(to);
            Downsample::new(b.sub("downsamplers.0"), config, to)
        });
        levels.push(DownLevel { blocks, downsample });
    }
    levels
}

pub(super) fn build_up(b: &mut Builder<'_>, config: &UNetConfig, skips: &mut Vec<i64>) -> Vec<UpLevel> {
    let mut b = b.sub("up_blocks");
    let widths: Vec<i64> = config.block_out_channels.iter().rev().copied().collect();
    let mut from = widths[0];
    let mut levels = Vec::new();
    for (i, (&to, kind)) in widths.iter().zip(&config.up_block_types).enumerate() {
        let mut b = b.sub(i);
        let mut blocks = Vec::new();
        for k in 0..=config.layers_per_block {
            let skip = skips.pop().expect("one skip for each block on the way up");
            let block = ResidualBlock::new(b.sub(format_args!("resnets.{k}")), config, from + skip, to, 1.0);
            let attention = (*kind == UpBlockType::AttnUpBlock2D)
                .then(|| attention_at(b.sub(format_args!("attentions.{k}")), config, to));
            blocks.push((block, attention));
            from = to;
        }
        let upsample = (i + 1 < widths.len()).then(|| Upsample::new(b.sub("upsamplers.0"), to));
        levels.push(UpLevel { blocks, upsample });
    }
    levels
}

fn attention_at(b: Builder<'_>, config: &UNetConfig, channels: i64) -> Attention {
    Attention::new(b, config, channels, Some(config.norm_num_groups), 1.0)
}

impl Middle {
    pub(super) fn new(mut b: Builder<'_>, config: &UNetConfig) -> Self {
        let width = config.block_out_channels[config.block_out_channels.len() - 1];
        let scale = config.mid_block_scale_factor;
        Middle {
            first: ResidualBlock::new(b.sub("resnets.0"), config, width, width, scale),
            attention: config.add_attention.then(|| {
                let groups = config.middle_attention_groups();
                Attention::new(b.sub("attentions.0"), config, width, groups, scale)
            }),
            second: ResidualBlock::new(b.sub("resnets.1"), config, width, width, scale),
        }
    }

    pub(super) fn forward(&self, x: &Tensor, time: &Tensor, train: bool) -> Tensor {
        let h = attended(self.first.forward(x, time, train), self.attention.as_ref());
        self.second.forward(&h, time, train)
    }
}
