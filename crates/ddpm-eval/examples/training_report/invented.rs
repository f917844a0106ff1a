//! The report of an invented run on real images: the network's errors follow from the digits' spectrum and from formulas, so that the layout is
//! that of a real report. Initialization, discretization and the floor are real; no other figure is a result.

use ddpm_core::interval::Interval;
use ddpm_core::{Grid, Schedule, Variance};
use ddpm_data::picture::{GridLayout, Picture as Pixels};
use ddpm_data::{Dataset, ImageSet, Split, digits};
use ddpm_eval::measurement::{EmpiricalDenoiser, ErrorTable, ThresholdedDenoiser};
use ddpm_eval::{
    EvalConfig, EvalError, MeasuredErrors, NetworkStudy, Spectrum, StudyNames, classical_terms,
    denoising_error,
};
use ddpm_nets::Threshold;
use ddpm_report::sections::Picture;
use ddpm_report::training_page::{
    DataFacts, LossPoint, Measured, PaperComparison, Pictures, RunFacts, Stage, TrainingReport,
};
use std::ops::ControlFlow;
use tch::Device;

/// The report of the invented run.
pub(crate) fn report() -> Result<TrainingReport, EvalError> {
    let data = digits::load()?;
    let spectrum = Spectrum::of_images(&data.train)?;
    let measured = measured(&data, &spectrum)?;
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
        denoising: Some(denoising_error(&measured)?),
        classical: Some(classical_terms(&measured, &spectrum)?),
        decomposition: None,
        quality: None,
        neighbours: String::new(),
        paper: Some(PaperComparison::ho2020_cifar10(
            1_618_433,
            2000,
            128,
            Measured::Not("needs Inception features of 50 000 samples".to_string()),
            Measured::WithInterval(Interval::around(31.4, 0.6)),
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

/// The errors of an invented network: better than the best linear denoiser by a growing factor, and worse at the least noise, as networks are.
/// Those of the empirical denoiser are measured.
fn measured(data: &Dataset, spectrum: &Spectrum) -> Result<MeasuredErrors, EvalError> {
    let schedule = Schedule::linear(1000)?;
    let empirical = EmpiricalDenoiser::new(&data.train, false, false, Device::Cpu)?;
    let study = NetworkStudy {
        network: ThresholdedDenoiser::new(empirical, Threshold::None),
        reference: None,
        timesteps: Grid::Trailing.visit(&schedule, 1000)?,
        schedule,
        grid: Grid::Trailing,
        chosen: false,
        variance: Variance::FixedLarge,
        replaced_variance: None,
        flips: false,
        by_class: false,
        names: StudyNames::default(),
        workers: torch_ext::dist::Workers::alone(),
    };
    let go_on = &mut |_| ControlFlow::Continue(());
    let mut measured =
        study.measure(data, &EvalConfig { max_images: 100, ..EvalConfig::default() }, Device::Cpu, go_on)?;
    let levels = measured.plan.measured_levels();
    let linear_mse = spectrum.linear_mse(&levels)?;
    for errors in &mut measured.splits {
        let (excess, seed) = if errors.split == Split::HeldOut { (0.06, 5000) } else { (0.0, 0) };
        let mse = |level: usize| {
            let snr = levels[level].snr();
            let learnt = 1.0 - 0.45 * snr / (snr + 2.0) + 0.4 * snr / (snr + 4000.0);
            let bump = 1.0 + excess * (4.0 * snr / (1.0 + snr).powi(2));
            linear_mse[level] * learnt * bump
        };
        let of_image = |image: usize, level: usize| {
            let shared = 1.0 + 0.3 * jitter(seed + image as u64);
            mse(level) * shared * (1.0 + 0.5 * jitter(seed + ((image as u64) << 32) + level as u64))
        };
        let dim = measured.dim as f64;
        let table = |of: &dyn Fn(usize, usize) -> f64| -> ErrorTable { errors.network.map(of) };
        let epsilon = table(&|image, level| levels[level].snr() * of_image(image, level) / dim);
        (errors.network, errors.epsilon) = (table(&of_image), epsilon);
    }
    Ok(measured)
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
