//! Whether samples are nearer to training images than new images are.

use super::neighbours::nearest;
use crate::EvalError;
use ddpm_core::interval::NORMAL_QUANTILE;
use ddpm_report::results::TrainingNeighbours;
use tch::Tensor;

/// Share of the held-out images that count as near to a training image.
const NEAR: f64 = 0.05;

/// Distances of samples [n, d] and of held-out images to their nearest training image [m, d] in feature space.
pub fn memorization(
    samples: &Tensor,
    train: &Tensor,
    held_out: Option<&Tensor>,
    progress: &mut dyn FnMut(usize, usize) -> Result<(), EvalError>,
) -> Result<TrainingNeighbours, EvalError> {
    let of_samples = sorted(&nearest(samples, train, 1, progress)?.0)?;
    let of_held_out = held_out.map(|images| sorted(&nearest(images, train, 1, progress)?.0)).transpose()?;
    let share = of_held_out.as_ref().map(|distances| {
        let limit = distances[((NEAR * distances.len() as f64) as usize).min(distances.len() - 1)];
        of_samples.iter().filter(|&&distance| distance < limit).count() as f64 / of_samples.len() as f64
    });
    Ok(TrainingNeighbours {
        samples_median: median(&of_samples),
        held_out_median: of_held_out.as_deref().map(median),
        near_share: share,
        near_interval: share.map(|share| wilson(share, of_samples.len() as f64)),
    })
}

/// Distances as numbers, rising.
fn sorted(distances: &Tensor) -> Result<Vec<f64>, EvalError> {
    let distances = torch_ext::fence(|| distances.reshape([-1]))?;
    let mut distances: Vec<f64> = Vec::try_from(distances).map_err(torch_ext::TorchError::from)?;
    distances.sort_by(f64::total_cmp);
    Ok(distances)
}

fn median(rising: &[f64]) -> f64 {
    let middle = rising.len() / 2;
    if rising.len() % 2 == 1 { rising[middle] } else { 0.5 * (rising[middle - 1] + rising[middle]) }
}

/// The 95 % interval of a share of n (Wilson 1927), which is right near 0 and 1 too.
fn wilson(share: f64, n: f64) -> [f64; 2] {
    let z2 = NORMAL_QUANTILE * NORMAL_QUANTILE;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = NORMAL_QUANTILE / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn copies_are_near_and_new_images_are_as_near_as_held_out_ones() {
        tch::manual_seed(4);
        let draw = |n: i64| Tensor::randn([n, 3], (Kind::Float, Device::Cpu));
        let (train, held_out) = (draw(400), draw(400));
        let of =
            |samples: &Tensor| memorization(samples, &train, Some(&held_out), &mut |_, _| Ok(())).unwrap();
        let copies = of(&(train.narrow(0, 0, 300) + 1e-4));
        assert!(copies.near_share == Some(1.0) && copies.samples_median < 1e-3);
        let new = of(&draw(2000));
        let [low, high] = new.near_interval.unwrap();
        // 5 % of the held-out images are below the limit, with a standard error of 1 %.
        assert!(low < 0.07 && high > 0.03, "{new:?}");
    }

    #[test]
    fn wilsons_interval_is_that_of_the_printed_example() {
        // 8 of 80 (Newcombe 1998, table I, method 3: 0.0515 to 0.1851 for 8/80).
        let [low, high] = wilson(0.1, 80.0);
        assert!((low - 0.0515).abs() < 1e-3 && (high - 0.1851).abs() < 1e-3, "{low} {high}");
        assert_eq!(wilson(0.0, 10.0)[0], 0.0);
    }
}
