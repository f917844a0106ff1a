//! Layers of the networks, over [`Parameters`].

use crate::parameters::{DEFAULT_INIT, Init, Parameters};
use tch::{Device, Tensor};

/// Names and collects the weights of the layers while a network is built.
pub(crate) struct Builder<'a> {
    pub(crate) parameters: &'a mut Parameters,
    prefix: String,
}

impl<'a> Builder<'a> {
    pub(crate) fn root(parameters: &'a mut Parameters) -> Self {
        Builder { parameters, prefix: String::new() }
    }

    /// A builder whose names begin with `name.`.
    pub(crate) fn sub(&mut self, name: impl std::fmt::Display) -> Builder<'_> {
        Builder { prefix: format!("{}{name}.", self.prefix), parameters: self.parameters }
    }

    fn add(&mut self, name: &str, shape: &[i64], init: Init) -> Tensor {
        self.parameters.add(format!("{}{name}", self.prefix), shape, init)
    }

    /// A tensor that is not trained: `factor` times a standard normal draw.
    pub(crate) fn add_fixed(&mut self, name: &str, shape: &[i64], factor: f64) -> Tensor {
        self.parameters.add_fixed(format!("{}{name}", self.prefix), shape, factor)
    }
}

/// A square 2-D convolution with bias.
#[derive(Debug)]
pub(crate) struct Conv2d {
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
}

impl Conv2d {
    /// A 3x3 convolution that keeps the size.
    pub(crate) fn same(mut b: Builder<'_>, from: i64, to: i64, init: Init) -> Self {
        Self::new(&mut b, from, to, 3, 1, 1, init)
    }

    /// A 1x1 convolution.
    pub(crate) fn pointwise(mut b: Builder<'_>, from: i64, to: i64) -> Self {
        Self::new(&mut b, from, to, 1, 1, 0, DEFAULT_INIT)
    }

    /// A 3x3 convolution of stride 2.
    pub(crate) fn strided(mut b: Builder<'_>, channels: i64, padding: i64) -> Self {
        Self::new(&mut b, channels, channels, 3, 2, padding, DEFAULT_INIT)
    }

    fn new(
        b: &mut Builder<'_>,
        from: i64,
        to: i64,
        size: i64,
        stride: i64,
        padding: i64,
        init: Init,
    ) -> Self {
        Conv2d {
            weight: b.add("weight", &[to, from, size, size], init),
            bias: b.add("bias", &[to], Init::Zeros),
            stride,
            padding,
        }
    }

    /// [n, from, h, w] -> [n, to, h', w'].
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        x.conv2d(&self.weight, Some(&self.bias), stride, padding, [1, 1], 1)
    }
}

/// A dense layer.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub(crate) fn new(mut b: Builder<'_>, from: i64, to: i64, init: Init) -> Self {
        let weight = b.add("weight", &[to, from], init);
        Linear { weight, bias: Some(b.add("bias", &[to], Init::Zeros)) }
    }

    /// Without a bias.
    pub(crate) fn homogeneous(mut b: Builder<'_>, from: i64, to: i64, init: Init) -> Self {
        Linear { weight: b.add("weight", &[to, from], init), bias: None }
    }

    /// [..., from] -> [..., to].
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref())
    }
}

/// Group normalization with learned scale and shift.
#[derive(Debug)]
pub(crate) struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: i64,
    eps: f64,
}

impl GroupNorm {
    pub(crate) fn new(mut b: Builder<'_>, channels: i64, groups: i64, eps: f64) -> Self {
        GroupNorm {
            weight: b.add("weight", &[channels], Init::Ones),
            bias: b.add("bias", &[channels], Init::Zeros),
            groups,
            eps,
        }
    }

    /// [n, c, ...] -> the same shape.
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        x.group_norm(self.groups, Some(&self.weight), Some(&self.bias), self.eps, x.device() != Device::Cpu)
    }
}

/// A table of vectors, one a class.
#[derive(Debug)]
pub(crate) struct Embedding {
    weight: Tensor,
}

impl Embedding {
    pub(crate) fn new(mut b: Builder<'_>, entries: i64, width: i64) -> Self {
        Embedding { weight: b.add("weight", &[entries, width], Init::Normal) }
    }

    /// [n] i64 -> [n, width].
    pub(crate) fn forward(&self, index: &Tensor) -> Tensor {
        Tensor::embedding(&self.weight, index, -1, false, false)
    }
}
