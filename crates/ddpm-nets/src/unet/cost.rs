//! What the layers of a U-Net compute and move, for comparison with what a device can do.

use super::unet_config::{DownBlockType, TimeEmbeddingType, TimeScaleShift, UNetConfig, UpBlockType};

/// One layer in a forward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerCost {
    /// Multiplications with an addition, for one image: two floating-point operations each.
    pub multiply_adds: u64,
    /// Numbers that are read and written for one image.
    pub activations: u64,
    /// Numbers of weights, which are read once for a whole batch.
    pub weights: u64,
}

/// Layers in the order in which they are computed, at one resolution after another.
struct Walk {
    layers: Vec<LayerCost>,
    positions: u64,
    time_width: u64,
    scale_shift: bool,
}

impl UNetConfig {
    /// The cost of every layer of a forward pass: convolutions, products, and what is computed number by number (norms, activations, sums).
    pub fn layer_costs(&self) -> Vec<LayerCost> {
        let [height, width] = self.sample_size.height_width();
        let unsigned = |n: i64| n.max(0) as u64;
        let widths: Vec<u64> = self.block_out_channels.iter().copied().map(unsigned).collect();
        let (Some(&first), Some(&last)) = (widths.first(), widths.last()) else { return Vec::new() };
        let mut walk = Walk {
            layers: Vec::new(),
            positions: unsigned(height) * unsigned(width),
            time_width: unsigned(self.time_width()),
            scale_shift: self.resnet_time_scale_shift == TimeScaleShift::ScaleShift,
        };
        let features = match self.time_embedding_type {
            TimeEmbeddingType::Positional => first,
            TimeEmbeddingType::Fourier => 2 * first,
        };
        walk.dense(1, features, walk.time_width);
        walk.dense(1, walk.time_width, walk.time_width);
        walk.convolution(unsigned(self.in_channels), first, 3);

        let mut skips = vec![first];
        let mut from = first;
        let blocks = unsigned(self.layers_per_block);
        for (level, (&to, kind)) in widths.iter().zip(&self.down_block_types).enumerate() {
            for _ in 0..blocks {
                walk.residual_block(from, to);
                if *kind == DownBlockType::AttnDownBlock2D {
                    walk.attention(to);
                }
                from = to;
                skips.push(to);
            }
            if level + 1 < widths.len() {
                walk.positions /= 4;
                walk.convolution(to, to, 3);
                skips.push(to);
            }
        }
        walk.residual_block(last, last);
        if self.add_attention {
            walk.attention(last);
        }
        walk.residual_block(last, last);
        for (level, (&to, kind)) in widths.iter().rev().zip(&self.up_block_types).enumerate() {
            for _ in 0..=blocks {
                let joined = from + skips.pop().unwrap_or_default();
                walk.by_number(joined, 2);
                walk.residual_block(joined, to);
                if *kind == UpBlockType::AttnUpBlock2D {
                    walk.attention(to);
                }
                from = to;
            }
            if level + 1 < widths.len() {
                walk.positions *= 4;
                walk.by_number(to, 1);
                walk.convolution(to, to, 3);
            }
        }
        walk.norm(first);
        walk.by_number(first, 2);
        walk.convolution(first, unsigned(self.out_channels), 3);
        walk.layers
    }

    /// Floating-point operations of the convolutions and products of a forward pass of one image. A training step takes three times as many: the
    /// backward pass computes the gradients by the inputs and by the weights.
    pub fn forward_flops(&self) -> u64 {
        self.layer_costs().iter().map(|layer| 2 * layer.multiply_adds).sum()
    }
}

impl Walk {
    /// A dense layer at each of some positions.
    fn dense(&mut self, positions: u64, from: u64, to: u64) {
        let (multiply_adds, activations) = (positions * from * to, positions * (from + to));
        self.layers.push(LayerCost { multiply_adds, activations, weights: from * to + to });
    }

    /// A convolution whose output has the present number of positions.
    fn convolution(&mut self, from: u64, to: u64, side: u64) {
        let kernel = side * side * from * to;
        let (multiply_adds, activations) = (self.positions * kernel, self.positions * (from + to));
        self.layers.push(LayerCost { multiply_adds, activations, weights: kernel + to });
    }

    /// An operation on each number that reads and writes `passes` numbers in all.
    fn by_number(&mut self, channels: u64, passes: u64) {
        let activations = passes * self.positions * channels;
        self.layers.push(LayerCost { activations, ..LayerCost::default() });
    }

    /// Reads twice, first for the statistics, and writes.
    fn norm(&mut self, channels: u64) {
        let activations = 3 * self.positions * channels;
        self.layers.push(LayerCost { activations, weights: 2 * channels, ..LayerCost::default() });
    }

    fn residual_block(&mut self, from: u64, to: u64) {
        self.norm(from);
        self.by_number(from, 2);
        self.convolution(from, to, 3);
        self.dense(1, self.time_width, if self.scale_shift { 2 * to } else { to });
        self.by_number(to, 2);
        self.norm(to);
        self.by_number(to, 2);
        self.convolution(to, to, 3);
        if from != to {
            self.convolution(from, to, 1);
        }
        self.by_number(to, 3);
    }

    /// Self-attention: a norm, three dense layers, two products over pairs of positions with a softmax between them, a dense layer, a sum.
    fn attention(&mut self, channels: u64) {
        self.norm(channels);
        for _ in 0..3 {
            self.dense(self.positions, channels, channels);
        }
        let pairs = self.positions * self.positions;
        let product = LayerCost {
            multiply_adds: pairs * channels,
            activations: pairs + 2 * self.positions * channels,
            weights: 0,
        };
        self.layers.push(product);
        self.layers.push(LayerCost { activations: 2 * pairs, ..LayerCost::default() });
        self.layers.push(product);
        self.dense(self.positions, channels, channels);
        self.by_number(channels, 3);
    }
}
