//! A keyed pseudo-random permutation of `0..n`, evaluated at any position without being stored.
//!
//! The swap-or-not shuffle (Hoang, Morris, Rogaway, *An enciphering scheme based on a card shuffle*, CRYPTO 2012,
//! algorithm 1). Round `r` has a random `K_r` in `0..n` and a random bit for every unordered pair
//! `{x, K_r - x mod n}`; the pair changes places where its bit is 1:
//!
//! ```text
//! x' = K_r - x  (mod n)
//! x <- x'  if F(r, max(x, x')) = 1
//! ```
//!
//! Each round is an involution, so that any number of rounds is a bijection, for every `n` and not only for powers
//! of two. O(log n) rounds mix; [`ROUNDS`] is ample for any set that fits in memory, and a batch of 128 look-ups
//! takes a fraction of a millisecond.
//!
//! Randomness comes from SplitMix64 (Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, OOPSLA
//! 2014): its output function applied to a counter. It is fixed here, not taken from a crate, because the order of
//! a training run must not change with a dependency's version.

/// 6 log2(n) rounds are usual; this is that for n = 2^16. (Ethereum shuffles its validators, of which there are a
/// million, with 90 rounds.)
const ROUNDS: u64 = 96;

/// 2^64 divided by the golden ratio, the increment of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a random number is for: streams of different purposes are independent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The order of the images in an epoch.
    Shuffle = 1,
    /// Whether an image is mirrored.
    Flip = 2,
}

/// 64 random bits that depend on nothing but the arguments.
pub(crate) fn keyed_bits(seed: u64, purpose: Purpose, counter: u64) -> u64 {
    mix(mix(mix(seed).wrapping_add(purpose as u64)).wrapping_add(counter))
}

/// The element at position `x` of the permutation of `0..n` that belongs to `key`.
pub(crate) fn permute(key: u64, n: u64, mut x: u64) -> u64 {
    debug_assert!(x < n);
    for round in 0..ROUNDS {
        let round_key = mix(key.wrapping_add(round.wrapping_mul(GOLDEN)));
        let sum = below(round_key, n);
        let partner = if sum >= x { sum - x } else { sum + (n - x) };
        let pair = x.max(partner);
        if mix(round_key.wrapping_add(pair.wrapping_mul(GOLDEN))) >> 63 == 1 {
            x = partner;
        }
    }
    x
}

/// SplitMix64's output function after one increment: a bijection of 64-bit words with full avalanche.
fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Maps 64 random bits to `0..n`; the bias is below n / 2^64.
fn below(bits: u64, n: u64) -> u64 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mix_is_splitmix64() {
        // First outputs for seed 1234567, from the reference C code by S. Vigna.
        let expected: [u64; 3] = [6457827717110365317, 3203168211198807973, 9817491932198370423];
        for (k, &want) in expected.iter().enumerate() {
            assert_eq!(mix(1_234_567_u64.wrapping_add(GOLDEN.wrapping_mul(k as u64))), want);
        }
    }

    #[test]
    fn every_size_gives_a_bijection() {
        for n in (1..70).chain([255, 256, 257, 1500, 4099]) {
            let mut seen = vec![false; n as usize];
            for x in 0..n {
                let y = permute(99, n, x) as usize;
                assert!(!std::mem::replace(&mut seen[y], true), "n = {n}: {y} came twice");
            }
        }
    }

    /// Over many keys all 4! orders are equally likely: chi-squared with 23 degrees of freedom exceeds 49.7 with
    /// probability 0.001.
    #[test]
    fn small_permutations_are_uniform() {
        let keys = 24_000;
        let mut counts = std::collections::BTreeMap::new();
        for key in 0..keys {
            let order: Vec<u64> =
                (0..4).map(|x| permute(keyed_bits(7, Purpose::Shuffle, key), 4, x)).collect();
            *counts.entry(order).or_insert(0_u64) += 1;
        }
        assert_eq!(counts.len(), 24);
        let mean = keys as f64 / 24.0;
        let chi_squared: f64 = counts.values().map(|&c| (c as f64 - mean).powi(2) / mean).sum();
        assert!(chi_squared < 49.7, "chi-squared {chi_squared}");
    }

    /// Where position 0 goes, and how far neighbours end up apart, is uniform in a set of 1,000 (chi-squared with 9
    /// degrees of freedom exceeds 27.9 with probability 0.001).
    #[test]
    fn neighbours_are_separated() {
        let (n, keys) = (1_000, 5_000);
        let (mut first, mut gap) = ([0_u64; 10], [0_u64; 10]);
        for key in 0..keys {
            let key = keyed_bits(11, Purpose::Shuffle, key);
            let (a, b) = (permute(key, n, 0), permute(key, n, 1));
            first[(a / 100) as usize] += 1;
            gap[(((b + n - a) % n) / 100) as usize] += 1;
        }
        for counts in [first, gap] {
            let mean = keys as f64 / 10.0;
            let chi_squared: f64 = counts.iter().map(|&c| (c as f64 - mean).powi(2) / mean).sum();
            assert!(chi_squared < 27.9, "chi-squared {chi_squared}: {counts:?}");
        }
    }
}
