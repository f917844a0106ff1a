//! The denoising error of a model by noise level, as `denoising_error.json` in a checkpoint has it.

use super::format::{Format, read_result};
use crate::ReportError;
use ddpm_core::decomposition::curve::ErrorCurve;
use ddpm_core::interval::Estimate;
use ddpm_core::{Level, Time};
use ddpm_data::{Split, atomic};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file's name inside a checkpoint.
pub const FILE_NAME: &str = "denoising_error.json";
/// What to do with a file that cannot be read.
const REMEDY: &str = "run `ddpm reproduce` on its run again, which measures the error anew";

/// The denoising error of a model at a choice of levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenoisingError {
    /// Version of the format.
    #[serde(default)]
    pub format: Format<1>,
    /// Components of an image.
    pub dim: usize,
    /// Number of levels that the sampler visits. The curve is measured at some or all of them, and at others of the schedule.
    pub visited: usize,
    /// Noise draws for each image and level.
    pub repeats: usize,
    /// Seed of the noise and of the choice of images.
    pub seed: u64,
    /// Sums over all visited levels on each split.
    pub sums: Vec<SplitSum>,
    /// The curve: each split's levels, the noisiest first.
    pub levels: Vec<LevelError>,
}

/// The error at one level on one split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelError {
    /// Which images.
    pub split: Split,
    /// The training timestep, counted from 1; absent for levels of continuous processes.
    pub t: Option<u32>,
    /// Signal-to-noise ratio alpha^2/sigma^2.
    pub snr: f64,
    /// E|x_0 - D(x_t)|^2, summed over the components. On training images, where the empirical denoiser D_emp was measured too, it is estimated as
    /// E|x_0 - D_emp|^2 + E|D - D_emp|^2, which has the same mean and less noise.
    pub mse: f64,
    /// Standard error of `mse` over images.
    pub stderr: f64,
    /// E|eps - eps_theta(x_t)|^2 a component.
    pub epsilon_mse: f64,
    /// Standard error of `epsilon_mse` over images.
    pub epsilon_stderr: f64,
    /// Number of images.
    pub n: usize,
    /// The weight of `mse` in its sum over all visited levels, those that are interpolated included.
    pub weight: f64,
    /// The weight of `epsilon_mse` in its sum over all visited levels; equal to `weight` in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon_weight: Option<f64>,
}

/// Sums over all visited levels on one split. Between measured levels an error is a power of the signal-to-noise ratio ([`ErrorCurve`]).
/// Standard errors are over images: an image's errors are summed over its levels first, because they are not independent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitSum {
    /// Which images.
    pub split: Split,
    /// The classical training term: the sum of E|x_0 - D(x_t)|^2.
    pub mse_sum: Estimate,
    /// The mean of E|eps - eps_theta(x_t)|^2 a component: L_simple, if the sampler visits every training level.
    pub loss: Estimate,
}

impl LevelError {
    /// `mse` as an estimate.
    pub fn mse_estimate(&self) -> Estimate {
        Estimate { mean: self.mse, stderr: self.stderr, n: self.n }
    }

    /// `epsilon_mse` as an estimate.
    pub fn epsilon_estimate(&self) -> Estimate {
        Estimate { mean: self.epsilon_mse, stderr: self.epsilon_stderr, n: self.n }
    }
}

impl DenoisingError {
    /// The curve on one split, the noisiest level first; empty if the split was not measured.
    pub fn curve(&self, split: Split) -> Vec<LevelError> {
        self.levels.iter().filter(|level| level.split == split).copied().collect()
    }

    /// The classical training term on one split.
    pub fn mse_sum(&self, split: Split) -> Option<Estimate> {
        self.sum(split).map(|sum| sum.mse_sum)
    }

    /// The loss on one split: the mean of E|eps - eps_theta(x_t)|^2 a component over all visited levels.
    pub fn loss(&self, split: Split) -> Option<Estimate> {
        self.sum(split).map(|sum| sum.loss)
    }

    fn sum(&self, split: Split) -> Option<&SplitSum> {
        self.sums.iter().find(|sum| sum.split == split)
    }

    /// One split's curve as a function of the level, interpolated between the measured ones; an error if the split was not measured.
    pub fn interpolated(&self, split: Split) -> Result<ErrorCurve, ReportError> {
        let measured = || self.levels.iter().filter(|level| level.split == split);
        let levels: Vec<Level> = measured()
            .map(|l| Level::variance_preserving(l.snr.ln(), Time::Sigma(l.snr.sqrt().recip())))
            .collect();
        let values: Vec<f64> = measured().map(|l| l.mse).collect();
        Ok(ErrorCurve::new(&levels, &values)?)
    }

    /// E|x_0 - D(x_t)|^2 at any level, from one split's curve; `None` if the split was not measured.
    pub fn mse_at(&self, split: Split, level: &Level) -> Option<f64> {
        self.interpolated(split).ok().map(|curve| curve.at(level))
    }

    /// Writes the file into a checkpoint's folder; it appears complete or not at all.
    pub fn write(&self, checkpoint: &Path) -> Result<(), ReportError> {
        let path = checkpoint.join(FILE_NAME);
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|error| ReportError::format(&path, error.to_string()))?;
        text.push(b'\n');
        Ok(atomic::write_bytes(path, &text)?)
    }

    /// Reads the file from a checkpoint's folder.
    pub fn read(checkpoint: &Path) -> Result<Self, ReportError> {
        let path = checkpoint.join(FILE_NAME);
        let file: DenoisingError = read_result(&path, REMEDY)?;
        for split in [Split::HeldOut, Split::Train] {
            if !file.curve(split).is_sorted_by(|a, b| a.snr < b.snr) {
                let reason = format!("the {split} levels must be listed from the noisiest, with rising snr");
                return Err(ReportError::format(&path, reason));
            }
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as the first version of this program wrote it: without `format`, without `epsilon_weight`, and with a field that is gone.
    const EARLIER: &str = r#"{
        "dim": 64, "visited": 1000, "repeats": 1, "seed": 0,
        "sums": [{"split": "train", "mse_sum": {"mean": 18.8, "stderr": 0.1, "n": 200}, "loss": {"mean": 0.05, "stderr": 0.001, "n": 200}}],
        "levels": [
            {"split": "train", "t": 1000, "snr": 4e-5, "mse": 20.0, "stderr": 0.2, "epsilon_mse": 1e-5, "epsilon_stderr": 1e-7, "n": 200, "weight": 500.5},
            {"split": "train", "t": 1, "snr": 9999.0, "mse": 0.005, "stderr": 1e-4, "epsilon_mse": 0.7, "epsilon_stderr": 1e-3, "n": 200, "weight": 499.5}
        ],
        "memorizer": null
    }"#;

    #[test]
    fn a_file_of_an_earlier_version_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), EARLIER).unwrap();
        let file = DenoisingError::read(folder.path()).unwrap();
        assert_eq!((file.levels.len(), file.levels[0].epsilon_weight), (2, None));
        assert_eq!(file.mse_sum(Split::Train).map(|sum| sum.mean), Some(18.8));
        let level = Level::variance_preserving(9999f64.ln(), Time::Clean);
        assert!((file.mse_at(Split::Train, &level).unwrap() - 0.005).abs() < 1e-12);
        // What is read is written in the present format, and read back the same.
        file.write(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join(FILE_NAME)).unwrap();
        assert!(text.starts_with("{\n  \"format\": 1,"), "{text}");
        assert_eq!(DenoisingError::read(folder.path()).unwrap(), file);
    }

    #[test]
    fn a_file_that_lacks_what_is_needed_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), EARLIER.replace("\"sums\"", "\"totals\"")).unwrap();
        let error = DenoisingError::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("denoising_error.json: missing field `sums`"), "{error}");
        assert!(error.contains("run `ddpm reproduce` on its run again"), "{error}");
    }
}
