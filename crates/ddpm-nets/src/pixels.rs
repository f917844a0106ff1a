//! Conversion between bytes and model space, the range [-1, 1] that networks see.

use tch::{Kind, Tensor};

/// Bytes 0..255 to model space, f32 of the same shape on the same device: x / 127.5 - 1.
pub fn from_u8(bytes: &Tensor) -> Tensor {
    bytes.to_kind(Kind::Float) / 127.5 - 1.0
}

/// Model space to bytes 0..255 of the same shape: round(255 clamp(x/2 + 1/2, 0, 1)), halves to even, as diffusers' pipelines do it.
pub fn to_u8(x: &Tensor) -> Tensor {
    ((x.to_kind(Kind::Float) / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round().to_kind(Kind::Uint8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_model_space_and_what_lies_outside_is_clamped() {
        let bytes = Tensor::arange(256, (Kind::Uint8, tch::Device::Cpu));
        assert!(to_u8(&from_u8(&bytes)).equal(&bytes));
        let out = to_u8(&Tensor::from_slice(&[-7.0f32, 0.0, 1.5]));
        assert_eq!(Vec::<u8>::try_from(out).unwrap(), [0, 128, 255]);
    }
}
