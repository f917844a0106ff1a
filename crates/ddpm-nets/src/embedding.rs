//! The time embedding: sinusoids of geometrically spaced frequencies (Vaswani et al. 2017, sec. 3.5), then two dense layers.

use crate::layers::{Builder, Linear};
use crate::parameters::DEFAULT_INIT;
use tch::{Kind, Tensor};

/// Fixed sinusoidal features of a time.
#[derive(Debug)]
pub(crate) struct Sinusoids {
    /// Number of features.
    pub(crate) width: i64,
    /// Cosines before sines.
    pub(crate) flip_sin_to_cos: bool,
    /// The divisor of the exponent is width/2 minus this: 1 in Ho et al.'s code.
    pub(crate) freq_shift: f64,
}

impl Sinusoids {
    /// t [n] -> [n, width]. In f32 like the implementations whose weights are loaded: phases of t near 1000 differ visibly otherwise.
    pub(crate) fn forward(&self, t: &Tensor) -> Tensor {
        let half = self.width / 2;
        let exponent = Tensor::arange(half, (Kind::Float, t.device())) * -(10_000f64.ln());
        let frequencies = (exponent / (half as f64 - self.freq_shift)).exp();
        let phases = t.to_kind(Kind::Float).unsqueeze(1) * frequencies.unsqueeze(0);
        let (sin, cos) = (phases.sin(), phases.cos());
        let features =
            if self.flip_sin_to_cos { Tensor::cat(&[cos, sin], 1) } else { Tensor::cat(&[sin, cos], 1) };
        if self.width % 2 == 1 { features.constant_pad_nd([0, 1]) } else { features }
    }
}

/// Features of the logarithm of a noise level: sinusoids whose frequencies are drawn once and not trained (Song et al. 2021, appendix H, after
/// Tancik et al. 2020).
#[derive(Debug)]
pub(crate) struct FourierFeatures {
    frequencies: Tensor,
}

/// Standard deviation of the frequencies, in Song et al.'s code and in diffusers.
const FREQUENCY_STD: f64 = 16.0;

impl FourierFeatures {
    pub(crate) fn new(mut b: Builder<'_>, frequencies: i64) -> Self {
        FourierFeatures { frequencies: b.add_fixed("weight", &[frequencies], FREQUENCY_STD) }
    }

    /// sigma [n] -> [n, 2 frequencies], sines before cosines.
    fn forward(&self, sigma: &Tensor) -> Tensor {
        let phases = sigma.to_kind(Kind::Float).log().unsqueeze(1)
            * self.frequencies.unsqueeze(0)
            * std::f64::consts::TAU;
        Tensor::cat(&[phases.sin(), phases.cos()], 1)
    }
}

/// The features of a noise level that an embedding starts from.
#[derive(Debug)]
pub(crate) enum LevelFeatures {
    Positional(Sinusoids),
    Fourier(FourierFeatures),
}

impl LevelFeatures {
    /// The number that tells the level [n] -> [n, features].
    pub(crate) fn forward(&self, t: &Tensor) -> Tensor {
        match self {
            LevelFeatures::Positional(sinusoids) => sinusoids.forward(t),
            LevelFeatures::Fourier(features) => features.forward(t),
        }
    }
}

/// dense, SiLU, dense.
#[derive(Debug)]
pub(crate) struct TimeEmbedding {
    linear_1: Linear,
    linear_2: Linear,
}

impl TimeEmbedding {
    pub(crate) fn new(mut b: Builder<'_>, from: i64, to: i64) -> Self {
        TimeEmbedding {
            linear_1: Linear::new(b.sub("linear_1"), from, to, DEFAULT_INIT),
            linear_2: Linear::new(b.sub("linear_2"), to, to, DEFAULT_INIT),
        }
    }

    /// [n, from] -> [n, to].
    pub(crate) fn forward(&self, features: &Tensor) -> Tensor {
        self.linear_2.forward(&self.linear_1.forward(features).silu())
    }
}
