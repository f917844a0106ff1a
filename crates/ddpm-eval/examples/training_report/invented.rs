//! A run that never took place, on real images: the curves follow from the digits' spectrum and from formulas, so that the layout is that
//! of a real report. Initialization, discretization and the floor are real; no other figure is a result.

use ddpm_core::{Level, Schedule};
use ddpm_data::picture::{GridLayout, Picture as Pixels};
use ddpm_data::{ImageSet, Split, digits};
use ddpm_eval::classical::classical_terms;
use ddpm_eval::denoising::{Measurement, spread, sum_weights, training_floor};
use ddpm_eval::{Estimate, EvalConfig, EvalError, Spectrum};
use ddpm_report::results::{DenoisingError, LevelError, SplitSum};
use ddpm_report::training_page::{
    DataFacts, LossPoint, Measured, PaperComparison, Picture, Pictures, RunFacts, Stage, TrainingReport,
};
use ddpm_sample::Threshold;
use std::ops::ControlFlow;
use tch::Device;

/// The report of the invented run.
pub(crate) fn report() -> Result<TrainingReport, EvalError> {
    let data = digits::load()?;
    let spectrum = Spectrum::of_images(&data.train)?;
    let visited: Vec<Level> = Schedule::linear(1000)?.levels().rev().collect();
    let error = error(&spectrum, &visited)?;
    let config = EvalConfig::default();
    let measurement = Measurement { config: &config, threshold: Threshold::None, device: Device::Cpu };
    let go_on = &mut |_| ControlFlow::Continue(());
    let floor = training_floor(&data, false, false, &visited, &measurement, go_on)?;
    let classical = classical_terms(&spectrum, &error, Some(&floor), &visited)?;
    Ok(TrainingReport {
        name: "digits".to_string(),
        data: DataFacts {
            name: "UCI digits".to_string(),
            shape: [1, 8, 8],
            train_images: data.train.len(),
            held_out_images: data.held_out.as_ref().map_or(0, ImageSet::len),
        },
        run: RunFacts {
            model: "U-Net".to_string(),
            parameters: 1_618_433,
            steps: 2000,
            batch_size: 128,
            device: "cpu, 2 threads".to_string(),
            stages: [("train", 131.4), ("sample", 21.7), ("evaluate", 12.25)]
                .map(|(name, seconds)| Stage { name: name.to_string(), seconds: Some(seconds) })
                .to_vec(),
            versions: vec![
                ("ddpm".to_string(), "0.1.0 (0123abcd)".to_string()),
                ("libtorch".to_string(), "2.13.0".to_string()),
            ],
        },
        pictures: pictures(&data.train)?,
        loss: loss(),
        denoising: Some(error),
        classical: Some(classical),
        decomposition: None,
        paper: Some(PaperComparison::ho2020_cifar10(
            1_618_433,
            2000,
            128,
            Measured::Not("needs Inception features of 50 000 samples".to_string()),
            Measured::WithError { value: 31.4, stderr: 0.6 },
            Measured::Value(4.021),
        )),
        config_toml: "[data]\nname = \"digits\"\n\n[model]\nsample_size = 8\nblock_out_channels = [32, 64]\n\n[train]\nsteps = 2000\n"
            .to_string(),
        commands: vec![
            "cargo xtask reproduce-digits".to_string(),
            "ddpm sample --checkpoint runs/digits/checkpoints/latest --num 64 --out grid.png".to_string(),
        ],
    })
}

/// Numbers in [-1, 1] that look random.
fn jitter(k: u64) -> f64 {
    // splitmix64 (Steele et al. 2014).
    let mut z = (k + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

fn loss() -> Vec<LossPoint> {
    (1..=200_u64)
        .map(|k| {
            let step = 10.0 * k as f64;
            let mean = 0.075 + 0.9 * (-step / 40.0).exp() + 0.12 * (-step / 500.0).exp();
            LossPoint {
                step: 10 * k,
                loss: mean * (0.08 * jitter(k)).exp(),
                gradient_norm: Some(0.35 * mean.sqrt() * (0.5 * jitter(k + 1000)).exp()),
                images_per_second: Some(1950.0 + 30.0 * jitter(k + 2000)),
            }
        })
        .collect()
}

/// Better than linear by a growing factor, and worse at the least noise, as networks are.
fn error(spectrum: &Spectrum, visited: &[Level]) -> Result<DenoisingError, EvalError> {
    let (dim, n) = (spectrum.mean.len(), 297);
    let positions = spread(visited, 50);
    let weights = sum_weights(visited.len(), &positions);
    let linear_mse = spectrum.linear_mse(visited)?;
    let mut result = DenoisingError {
        dim,
        visited: visited.len(),
        repeats: 1,
        seed: 0,
        sums: Vec::new(),
        levels: Vec::new(),
    };
    for (split, excess) in [(Split::HeldOut, 0.06), (Split::Train, 0.0)] {
        let (mut sum, mut loss) = (0.0, 0.0);
        for (&position, &weight) in positions.iter().zip(&weights) {
            let level = visited[position];
            let snr = level.snr();
            let learnt = 1.0 - 0.45 * snr / (snr + 2.0) + 0.4 * snr / (snr + 4000.0);
            let bump = 1.0 + excess * (4.0 * snr / (1.0 + snr).powi(2));
            let noise = 1.0 + 0.01 * jitter(position as u64 + split as u64 * 5000);
            let mse = linear_mse[position] * learnt * bump * noise;
            let stderr = 0.017 * mse;
            sum += weight * mse;
            let epsilon = snr * mse / dim as f64;
            loss += weight * epsilon / visited.len() as f64;
            result.levels.push(LevelError {
                split,
                t: Some((visited.len() - position) as u32),
                snr,
                mse,
                stderr,
                epsilon_mse: epsilon,
                epsilon_stderr: 0.017 * epsilon,
                n,
                weight,
            });
        }
        result.sums.push(SplitSum {
            split,
            mse_sum: Estimate { mean: sum, stderr: 0.009 * sum, n },
            loss: Estimate { mean: loss, stderr: 0.011 * loss, n },
        });
    }
    Ok(result)
}

fn pictures(images: &ImageSet) -> Result<Pictures, EvalError> {
    let grid =
        |first: usize, count: usize, columns: usize, caption: &str| -> Result<Option<Picture>, EvalError> {
            let indices: Vec<usize> = (first..first + count).collect();
            let layout = GridLayout::readable(columns, images.shape());
            let encoded =
                Pixels::grid(&images.gather(&indices, None), images.shape(), &layout)?.encode_png()?;
            Ok(Some(Picture { encoded, scale: 1, caption: caption.to_string() }))
        };
    Ok(Pictures {
        samples: grid(
            0,
            64,
            8,
            "The first of 64 samples: ddpm through 1000 noise levels, averaged weights, seed 0; not selected.",
        )?,
        data: grid(64, 64, 8, "Training images, drawn likewise.")?,
        reverse: grid(
            128,
            48,
            12,
            "4 samples on their way from noise (left) to an image (right), 12 states evenly spaced over the steps.",
        )?,
        forward: grid(
            176,
            48,
            12,
            "4 training images on their way to noise, 11 levels evenly spaced over the timesteps.",
        )?,
    })
}
