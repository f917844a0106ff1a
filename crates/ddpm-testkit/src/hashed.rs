//! Weights and inputs that follow an integer hash, so that a golden file holds outputs only.
//!
//! `python/hashed.py` computes the same numbers for the generators of golden files.

/// 32-bit FNV-1a of a name.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |h, byte| (h ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// `count` numbers in [-1, 1), each a function of the name and of its position alone.
pub fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let offset = fnv1a(name);
    (0..count as u32).map(move |k| {
        let mut h = k.wrapping_mul(0x9E37_79B1).wrapping_add(offset);
        h ^= h >> 16;
        h = h.wrapping_mul(0x85EB_CA6B);
        h ^= h >> 13;
        h = h.wrapping_mul(0xC2B2_AE35);
        h ^= h >> 16;
        f64::from(h) / 2f64.powi(31) - 1.0
    })
}

/// A network's parameter of the given name and shape, row after row.
///
/// One-dimensional weights (scales of normalization layers) lie in [0.9, 1.1], other one-dimensional parameters in
/// [-0.1, 0.1]. All others have variance 1 / fan-in.
pub fn weight(name: &str, shape: &[i64]) -> Vec<f32> {
    let count: i64 = shape.iter().product();
    let fan_in: i64 = shape[1..].iter().product();
    let (scale, offset) = match shape.len() {
        1 => (0.1, if name.ends_with("weight") { 1.0 } else { 0.0 }),
        _ => ((3.0 / fan_in as f64).sqrt(), 0.0),
    };
    uniform(name, count as usize).map(|u| (u * scale + offset) as f32).collect()
}

/// Noise of standard deviation 0.98: uniform in [-1.7, 1.7).
pub fn noise(name: &str, count: usize) -> Vec<f32> {
    uniform(name, count).map(|u| (1.7 * u) as f32).collect()
}

/// Grey levels 0..=255, scaled to [-1, 1].
pub fn images(name: &str, count: usize) -> Vec<f32> {
    uniform(name, count).map(|u| (((u + 1.0) * 128.0).floor() / 127.5 - 1.0) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two implementations agree: python/hashed.py prints the values of `uniform("x", 4)`.
    #[test]
    fn numbers_are_those_of_the_python_module() {
        let values: Vec<f64> = uniform("x", 4).map(|u| (u * 1e6).round() / 1e6).collect();
        assert_eq!(values, [-0.629976, 0.759853, -0.511932, 0.983134]);
    }
}
