//! The closed-form targets of the sweep: their laws, and the digests that stand for them in keys.

use anyhow::Result;
use ddpm_core::targets::{Component, Covariance, Gaussian, Mixture};
use ddpm_core::{CoreError, Target, TargetSpec};
use ddpm_data::moments::moments;
use ddpm_data::sha256_bytes;
use ddpm_data::{Dataset, ImageSet};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantArray};

/// The published spectrum of CIFAR-10's covariance, as little-endian f32 behind a header of 128 bytes (NumPy's format 1.0).
const CIFAR10_EIGENVALUES: &[u8] =
    include_bytes!("../../ddpm-core/tests/fixtures/cifar10-gaussian-eigenvalues.npy");
const NPY_HEADER: usize = 128;

/// A target of the sweep.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum TargetName {
    /// Two Gaussians on the line.
    #[serde(rename = "mixture-1d")]
    #[strum(serialize = "mixture-1d")]
    Mixture1d,
    /// Eight Gaussians on a ring.
    #[serde(rename = "mixture-2d")]
    #[strum(serialize = "mixture-2d")]
    Mixture2d,
    /// One Gaussian with unequal axes.
    #[serde(rename = "gaussian-2d")]
    #[strum(serialize = "gaussian-2d")]
    Gaussian2d,
    /// Fitted to the digits.
    DigitsGaussian,
    /// Fitted to Fashion-MNIST.
    FashionGaussian,
    /// The published spectrum of CIFAR-10.
    #[strum(serialize = "cifar10-gaussian")]
    Cifar10Gaussian,
}

impl TargetName {
    /// A description for reports.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            TargetName::Mixture1d => {
                "two Gaussians on the line: weights 0.3 and 0.7, means −1.5 and 1, standard deviations 0.25 and 0.4"
            }
            TargetName::Mixture2d => {
                "eight equal Gaussians of standard deviation 0.15 on a ring of radius 1.25 in the plane"
            }
            TargetName::Gaussian2d => "one Gaussian in the plane: mean (0.5, −1), variances 0.09 and 1.44",
            TargetName::DigitsGaussian => {
                "the Gaussian with the mean and covariance of the 1 500 training digits of 8 × 8 pixels"
            }
            TargetName::FashionGaussian => {
                "the Gaussian with the mean and covariance of the 60 000 training images of Fashion-MNIST, 28 × 28 pixels"
            }
            TargetName::Cifar10Gaussian => {
                "the centred Gaussian with the published covariance spectrum of CIFAR-10 (Pierret & Galerne 2025)"
            }
        }
    }
}

/// A target with its law.
#[derive(Clone, Debug)]
pub(crate) struct NamedTarget {
    /// Its name.
    pub(crate) name: TargetName,
    /// Its law.
    pub(crate) law: Target,
    /// SHA-256 of the law's numbers.
    pub(crate) digest: String,
}

impl NamedTarget {
    /// A target under its name.
    pub(crate) fn new(name: TargetName, law: Target) -> Self {
        NamedTarget { name, digest: digest(&law), law }
    }

    /// Builds a target. Two of them are fitted to `digits` and `fashion`; the one on Fashion-MNIST is none without the data.
    pub(crate) fn build(
        name: TargetName,
        digits: &Dataset,
        fashion: Option<&Dataset>,
    ) -> Result<Option<Self>> {
        let law = match name {
            TargetName::Mixture1d => TargetSpec::Mixture {
                weights: vec![0.3, 0.7],
                means: vec![vec![-1.5], vec![1.0]],
                stds: Some(vec![0.25, 0.4]),
                covs: None,
            }
            .build()?,
            TargetName::Mixture2d => Target::Mixture(ring(8, 1.25, 0.15)?),
            TargetName::Gaussian2d => Target::Gaussian(Gaussian::new(
                vec![0.5, -1.0],
                Covariance::diagonal("var", vec![0.09, 1.44])?,
            )?),
            TargetName::DigitsGaussian => fitted(&digits.train)?,
            TargetName::FashionGaussian => {
                let Some(fashion) = fashion else { return Ok(None) };
                fitted(&fashion.train)?
            }
            TargetName::Cifar10Gaussian => {
                let variances = cifar10_eigenvalues();
                let mean = vec![0.0; variances.len()];
                Target::Gaussian(Gaussian::new(mean, Covariance::Diagonal(variances))?)
            }
        };
        Ok(Some(Self::new(name, law)))
    }

    /// sqrt(E|x_0 - E x_0|^2), the scale of distances.
    pub(crate) fn spread(&self) -> f64 {
        let mean: f64 = self.law.mean().iter().map(|m| m * m).sum();
        (self.law.second_moment() - mean).sqrt()
    }

    /// Whether its divergences are exact; they are estimated from noising paths otherwise.
    pub(crate) fn is_exact(&self) -> bool {
        self.law.dim() == 1 || matches!(self.law, Target::Gaussian(_))
    }
}

/// Equal isotropic Gaussians at even angles.
fn ring(count: usize, radius: f64, std: f64) -> Result<Mixture, CoreError> {
    let component = |k: usize| {
        let angle = std::f64::consts::TAU * k as f64 / count as f64;
        let mean = vec![radius * angle.cos(), radius * angle.sin()];
        let law = Gaussian::new(mean, Covariance::isotropic("std", std * std, 2)?)?;
        Ok(Component { weight: 1.0 / count as f64, law })
    };
    Mixture::new((0..count).map(component).collect::<Result<_, CoreError>>()?)
}

/// The Gaussian with a data set's moments: that of `ddpm data fit-gaussian`.
fn fitted(images: &ImageSet) -> Result<Target> {
    let moments = moments(images)?;
    Ok(Target::Gaussian(Gaussian::from_moments(moments.mean, &moments.covariance)?))
}

/// The published eigenvalues; those that are negative by rounding are taken as 0.
fn cifar10_eigenvalues() -> Vec<f64> {
    let value = |bytes: &[u8]| bytes.try_into().map_or(0.0, |bytes| f64::from(f32::from_le_bytes(bytes)));
    CIFAR10_EIGENVALUES[NPY_HEADER..].chunks_exact(4).map(|bytes| value(bytes).max(0.0)).collect()
}

/// SHA-256 of every number that makes the law. Its name is no part of it.
fn digest(law: &Target) -> String {
    let mut bytes = Vec::new();
    match law {
        Target::Gaussian(law) => {
            bytes.extend(b"gaussian");
            push_gaussian(&mut bytes, law);
        }
        Target::Mixture(law) => {
            bytes.extend(b"mixture");
            for component in law.components() {
                push(&mut bytes, &[component.weight]);
                push_gaussian(&mut bytes, &component.law);
            }
        }
        Target::Empirical(law) => {
            bytes.extend(b"empirical");
            push(&mut bytes, &[law.dim() as f64, law.second_moment()]);
            push(&mut bytes, &law.mean());
        }
    }
    sha256_bytes(&bytes)
}

fn push_gaussian(bytes: &mut Vec<u8>, law: &Gaussian) {
    push(bytes, &[law.dim() as f64]);
    push(bytes, law.mean());
    push(bytes, &law.covariance().eigenvalues());
    if let Covariance::Full { vectors, .. } = law.covariance() {
        push(bytes, vectors.as_slice());
    }
}

fn push(bytes: &mut Vec<u8>, values: &[f64]) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(mean: f64, variance: f64) -> Target {
        Target::Gaussian(Gaussian::new(vec![mean, 0.0], Covariance::Diagonal(vec![variance, 1.0])).unwrap())
    }

    #[test]
    fn a_digest_changes_with_every_number_and_not_with_the_name() {
        let of = |name, law| NamedTarget::new(name, law).digest;
        let base = of(TargetName::Gaussian2d, gaussian(0.5, 2.0));
        assert_eq!(base, of(TargetName::DigitsGaussian, gaussian(0.5, 2.0)));
        assert_ne!(base, of(TargetName::Gaussian2d, gaussian(0.5 + 1e-15, 2.0)));
        assert_ne!(base, of(TargetName::Gaussian2d, gaussian(0.5, 2.0 + 1e-15)));
        let mixture = |weights: [f64; 2], std: f64| {
            let (weights, stds) = (weights.to_vec(), Some(vec![std, 0.4]));
            let means = vec![vec![-1.5], vec![1.0]];
            let law = TargetSpec::Mixture { weights, means, stds, covs: None }.build().unwrap();
            of(TargetName::Mixture1d, law)
        };
        assert_ne!(mixture([0.3, 0.7], 0.25), mixture([0.4, 0.6], 0.25));
        assert_ne!(mixture([0.3, 0.7], 0.25), mixture([0.3, 0.7], 0.26));
    }

    #[test]
    fn the_targets_are_what_their_summaries_say() {
        let digits =
            ddpm_data::load(ddpm_data::DatasetName::Digits, &ddpm_data::Source::Managed(Default::default()))
                .unwrap();
        assert_eq!(digits.train.len(), 1500);
        let build = |name| NamedTarget::build(name, &digits, None).unwrap();
        assert!(build(TargetName::FashionGaussian).is_none());
        let dims: Vec<usize> =
            TargetName::VARIANTS.iter().copied().filter_map(build).map(|target| target.law.dim()).collect();
        assert_eq!(dims, [1, 2, 2, 64, 3072]);
        let cifar = build(TargetName::Cifar10Gaussian).unwrap();
        assert!((cifar.law.second_moment() - 761.62).abs() < 0.01);
        let ring = build(TargetName::Mixture2d).unwrap();
        assert!((ring.spread().powi(2) - (1.25f64.powi(2) + 2.0 * 0.15f64.powi(2))).abs() < 1e-12);
    }
}
