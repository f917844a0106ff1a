//! The denoising error against closed forms, and its independence of batches.
#![allow(clippy::unwrap_used)]

use ddpm_core::decomposition::curve::log_trapezoid;
use ddpm_core::{Grid, Level, PredictionKind, Schedule, TimeIndex, Variance};
use ddpm_data::{Dataset, ImageSet, ImageShape, Split};
use ddpm_eval::measurement::{
    EmpiricalDenoiser, Measurement, SplitErrors, ThresholdedDenoiser, TrainedNetwork, Unconditional,
};
use ddpm_eval::{EvalConfig, EvalError, NetworkStudy, Progress, Spectrum, StudyNames, denoising_error};
use ddpm_nets::Threshold;
use ddpm_nets::{Denoiser, NetsError, Prediction, UNet, UNetConfig};
use ddpm_report::results::{DenoisingError, LevelError};
use std::ops::ControlFlow;
use tch::{Device, Tensor};

/// D(x_t) = a x_t + c.
struct Affine {
    a: f64,
    c: f64,
}

impl Denoiser for Affine {
    fn predict(&self, x_t: &Tensor, _: &Level) -> Result<Prediction, NetsError> {
        let value = x_t * self.a + self.c;
        Ok(Prediction { kind: PredictionKind::X0, value, variance_output: None })
    }
}

const SHAPE: ImageShape = ImageShape::new(2, 4, 4);

/// Images whose bytes are a hash of their place: no two alike.
fn images(count: usize, key: u64) -> ImageSet {
    let byte = |k: u64| ((k + key).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8;
    ImageSet::new(SHAPE, (0..(count * SHAPE.dimension()) as u64).map(byte).collect()).unwrap()
}

fn x0(images: &ImageSet, index: usize) -> Vec<f64> {
    images.image(index).iter().map(|&byte| f64::from(byte) / 127.5 - 1.0).collect()
}

fn levels() -> Vec<Level> {
    let schedule = Schedule::linear(1000).unwrap();
    [999, 500, 100, 0].map(|t| schedule.level(TimeIndex(t))).to_vec()
}

/// `count` images of a split at all [`levels`].
fn run(
    denoiser: &dyn Denoiser,
    set: &ImageSet,
    (split, count): (Split, usize),
    config: &EvalConfig,
    threshold: Threshold,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<SplitErrors, EvalError> {
    let network = ThresholdedDenoiser::new(Unconditional(denoiser), threshold);
    let levels = levels();
    let measurement = Measurement {
        network: &network,
        empirical: None,
        reference: None,
        decoder: None,
        levels: &levels,
        config,
        device: Device::Cpu,
        workers: &torch_ext::dist::Workers::alone(),
    };
    measurement.of_split(set, split, count, progress)
}

fn measure(
    denoiser: &dyn Denoiser,
    set: &ImageSet,
    config: &EvalConfig,
    threshold: Threshold,
) -> SplitErrors {
    let all = (Split::HeldOut, usize::MAX);
    run(denoiser, set, all, config, threshold, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// A study of a network that visits every level of a schedule.
fn study<'a>(network: ThresholdedDenoiser<'a>, schedule: &Schedule, by_class: bool) -> NetworkStudy<'a> {
    NetworkStudy {
        network,
        reference: None,
        schedule: schedule.clone(),
        timesteps: Grid::Trailing.visit(schedule, schedule.steps()).unwrap(),
        grid: Grid::Trailing,
        chosen: false,
        variance: Variance::FixedLarge,
        replaced_variance: None,
        flips: false,
        by_class,
        names: StudyNames::default(),
        workers: torch_ext::dist::Workers::alone(),
    }
}

#[test]
fn a_constant_denoiser_errs_by_its_distance_from_each_image() {
    let set = images(7, 1);
    let config = EvalConfig { batch_size: 3, ..EvalConfig::default() };
    let errors = measure(&Affine { a: 0.0, c: 0.2 }, &set, &config, Threshold::None);
    assert_eq!((errors.images(), errors.squared_norms.len()), (7, 7));
    for image in 0..7 {
        let expected: f64 = x0(&set, image).iter().map(|x| (x - 0.2).powi(2)).sum();
        for error in errors.network.row(image) {
            assert!((error / expected - 1.0).abs() < 1e-6);
        }
    }
    // eps - eps_hat = (alpha/sigma)(D - x_0): the two errors differ by the factor snr / d.
    for (position, level) in levels().iter().enumerate() {
        let (mse, epsilon) =
            (errors.network.estimate(position).unwrap(), errors.epsilon.estimate(position).unwrap());
        assert!((epsilon.mean / (level.snr() * mse.mean / 32.0) - 1.0).abs() < 2e-4, "{epsilon:?}");
    }
    // Summed over levels within an image, identical errors give identical relative errors.
    let sum = errors.network.weighted_sum(&[1.0, 0.5, 0.25, 0.25]).unwrap();
    let mse = errors.network.estimate(0).unwrap();
    assert!((sum.mean / mse.mean - 2.0).abs() < 1e-6 && (sum.stderr / mse.stderr - 2.0).abs() < 1e-6);
    assert!(errors.network.weighted_sum(&[1.0]).is_err());
}

#[test]
fn a_linear_denoiser_errs_as_its_closed_form_says_and_intervals_cover() {
    // E|x_0 - a x_t|^2 = (1 - a alpha)^2 |x_0|^2 + a^2 sigma^2 d, averaged over the same images: the noise alone is random.
    let (set, a) = (images(40, 2), 0.7);
    let norm = (0..40).map(|k| x0(&set, k).iter().map(|x| x * x).sum::<f64>()).sum::<f64>() / 40.0;
    let seeds = 100;
    let mut covered = [0; 4];
    for seed in 0..seeds {
        let config = EvalConfig { seed, ..EvalConfig::default() };
        let errors = measure(&Affine { a, c: 0.0 }, &set, &config, Threshold::None);
        for (position, level) in levels().iter().enumerate() {
            let expected = (1.0 - a * level.alpha()).powi(2) * norm + (a * level.sigma()).powi(2) * 32.0;
            let estimate = errors.network.estimate(position).unwrap();
            assert!((estimate.mean - expected).abs() < 5.0 * estimate.stderr);
            covered[position] += usize::from(estimate.interval(0.95).contains(expected));
        }
    }
    // The images are fixed here, so at little noise the interval, which allows for another choice of images, covers more often.
    assert!((90..=100).contains(&covered[0]), "{covered:?}");
    assert!(covered.iter().all(|&count| count >= 90), "{covered:?}");
}

#[test]
fn neither_batches_nor_other_images_change_an_error() {
    let set = images(9, 3);
    let denoiser = Affine { a: 0.5, c: 0.1 };
    let of = |config: &EvalConfig| measure(&denoiser, &set, config, Threshold::UNIT);
    let whole = of(&EvalConfig::default());
    for batch_size in [1, 4] {
        assert_eq!(whole, of(&EvalConfig { batch_size, ..EvalConfig::default() }));
    }
    assert_ne!(whole, of(&EvalConfig { seed: 1, ..EvalConfig::default() }));

    let some_of = |split| {
        let go_on = &mut |_| ControlFlow::Continue(());
        run(&denoiser, &set, (split, 4), &EvalConfig::default(), Threshold::UNIT, go_on).unwrap()
    };
    let some = some_of(Split::HeldOut);
    assert_eq!(some.images(), 4);
    for (row, &index) in some.indices.iter().enumerate() {
        assert_eq!(some.network.row(row), whole.network.row(index));
    }
    // The same image in the other split has noise of its own.
    assert_ne!(some_of(Split::Train).network.row(0), some.network.row(0));

    // Repeats average: the first draw of each is that of a single repeat at the first level.
    let repeated = of(&EvalConfig { repeats: 200, ..EvalConfig::default() });
    let spread = |errors: &SplitErrors| errors.network.estimate(0).unwrap().stderr;
    assert!(spread(&repeated) < spread(&whole));
}

#[test]
fn thresholding_is_the_samplers() {
    let set = images(5, 4);
    let config = EvalConfig::default();
    let clipped = measure(&Affine { a: 0.0, c: 7.0 }, &set, &config, Threshold::UNIT);
    let one = measure(&Affine { a: 0.0, c: 1.0 }, &set, &config, Threshold::None);
    assert_eq!(clipped.network.row(3), one.network.row(3));
    // The network's own error is that of the prediction as it is.
    assert!(clipped.epsilon.estimate(1).unwrap().mean > 10.0 * one.epsilon.estimate(1).unwrap().mean);
}

#[test]
fn what_is_not_finite_is_an_error_that_names_the_place() {
    struct Broken;
    impl Denoiser for Broken {
        fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
            let value = if level.snr() > 1e3 { x_t / 0.0 } else { x_t.shallow_clone() };
            Ok(Prediction { kind: PredictionKind::Epsilon, value, variance_output: None })
        }
    }
    let (set, config) = (images(3, 5), EvalConfig::default());
    let run = |progress: &mut dyn FnMut(u64) -> ControlFlow<()>| {
        run(&Broken, &set, (Split::Train, 3), &config, Threshold::None, progress).unwrap_err()
    };
    let error = run(&mut |_| ControlFlow::Continue(())).to_string();
    assert!(error.contains("log-SNR 9.2102, image 0 of the train split"), "{error}");
    assert!(matches!(run(&mut |_| ControlFlow::Break(())), EvalError::Interrupted));
}

#[test]
fn both_splits_of_a_class_conditional_network_end_in_one_file() {
    let labels = |n: usize| (0..n as i64).map(|k| k % 3).collect::<Vec<_>>();
    let names = || vec!["a".to_string(), "b".to_string(), "c".to_string()];
    let train = images(12, 6).with_labels(labels(12), names()).unwrap();
    let held_out = images(5, 7).with_labels(labels(5), names()).unwrap();
    let data = Dataset { train, held_out: Some(held_out) };
    let network: UNetConfig = serde_json::from_value(serde_json::json!({
        "sample_size": 4, "in_channels": 2, "out_channels": 2, "block_out_channels": [8, 8], "layers_per_block": 1,
        "down_block_types": ["DownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "UpBlock2D"],
        "norm_num_groups": 4, "num_class_embeds": 4
    }))
    .unwrap();
    let network = UNet::new(network, Device::Cpu, 0).unwrap();
    let schedule = Schedule::linear(40).unwrap();
    let visited: Vec<Level> = schedule.levels().rev().collect();
    let config = EvalConfig {
        levels: 6,
        batch_size: 4,
        max_images: 4,
        training_floor: false,
        ..EvalConfig::default()
    };
    let mut last = Progress { done: 0, total: 0 };
    let network = TrainedNetwork::new(&network, PredictionKind::Epsilon);
    let study = study(ThresholdedDenoiser::new(network, Threshold::UNIT), &schedule, true);
    let measured = study
        .measure(&data, &config, Device::Cpu, &mut |progress| {
            assert!(progress.done > last.done);
            last = progress;
            ControlFlow::Continue(())
        })
        .unwrap();
    let result = denoising_error(&measured).unwrap();
    assert_eq!(result.dim, 32);
    assert_eq!(last, Progress { done: 48, total: 48 });

    let curve = result.curve(Split::HeldOut);
    assert_eq!(curve.iter().map(|level| level.t.unwrap()).collect::<Vec<_>>(), [40, 33, 25, 16, 7, 1]);
    assert!(result.levels.iter().all(|level| level.n == 4 && level.stderr > 0.0));
    // An untrained network predicts nearly no noise: its epsilon error is about 1 a component at every level.
    assert!(curve.iter().all(|level| (0.5..1.5).contains(&level.epsilon_mse)), "{curve:?}");
    let sum = result.mse_sum(Split::HeldOut).unwrap();
    assert!(sum.mean > 40.0 * curve[5].mse && sum.mean < 40.0 * curve[0].mse);

    // The sums follow from the levels and the weights in the file.
    let weighted =
        |of: fn(&LevelError) -> f64| curve.iter().map(|level| level.weight * of(level)).sum::<f64>();
    assert!((weighted(|level| level.mse) / sum.mean - 1.0).abs() < 1e-12);
    let loss = result.loss(Split::HeldOut).unwrap().mean;
    let epsilon: f64 = curve.iter().map(|level| level.epsilon_weight.unwrap() * level.epsilon_mse).sum();
    assert!((epsilon / 40.0 / loss - 1.0).abs() < 1e-12);

    let folder = tempfile::tempdir().unwrap();
    result.write(folder.path()).unwrap();
    assert_eq!(DenoisingError::read(folder.path()).unwrap(), result);
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("denoising_error.json")).unwrap()).unwrap();
    assert_eq!((&json["levels"][0]["split"], &json["levels"][0]["t"]), (&"held-out".into(), &40.into()));

    // At measured levels the interpolation is the curve; between, it lies between; beyond, it stays.
    let at = |t: usize| result.mse_at(Split::HeldOut, &visited[40 - t]).unwrap();
    assert!((at(25) / curve[2].mse - 1.0).abs() < 1e-9);
    assert!((at(20) - curve[2].mse) * (at(20) - curve[3].mse) < 0.0);
    let cleaner = Level::variance_preserving(visited[39].log_snr() + 2f64.ln(), visited[39].time());
    assert!((result.mse_at(Split::HeldOut, &cleaner).unwrap() / curve[5].mse - 1.0).abs() < 1e-9);

    let mut unsorted = result.clone();
    unsorted.levels.reverse();
    unsorted.write(folder.path()).unwrap();
    let error = DenoisingError::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("denoising_error.json") && error.contains("from the noisiest"), "{error}");
}

#[test]
fn the_floor_is_below_every_denoiser_and_ends_in_the_spread_of_the_images() {
    let labels: Vec<i64> = (0..60).map(|k| k % 2).collect();
    let train = images(60, 8).with_labels(labels, vec!["a".to_string(), "b".to_string()]).unwrap();
    let data = Dataset { train, held_out: None };
    let spectrum = Spectrum::of_images(&data.train).unwrap();
    let schedule = Schedule::linear(1000).unwrap();
    let visited: Vec<Level> = schedule.levels().rev().collect();
    let config = EvalConfig { levels: 25, repeats: 8, ..EvalConfig::default() };
    let floor = |flips, by_class| {
        let empirical = EmpiricalDenoiser::new(&data.train, flips, by_class, Device::Cpu).unwrap();
        let empirical = ThresholdedDenoiser::new(empirical, Threshold::UNIT);
        let study = NetworkStudy { flips, ..study(empirical, &schedule, by_class) };
        let go_on = &mut |_| ControlFlow::Continue(());
        denoising_error(&study.measure(&data, &config, Device::Cpu, go_on).unwrap()).unwrap()
    };
    let plain = floor(false, false);
    let curve = plain.curve(Split::Train);
    assert!(plain.curve(Split::HeldOut).is_empty());
    let measured: Vec<Level> = curve.iter().map(|level| visited[1000 - level.t.unwrap() as usize]).collect();
    let linear = spectrum.linear_mse(&measured).unwrap();
    for (level, linear) in curve.iter().zip(&linear) {
        assert!(level.mse < linear + 3.0 * level.stderr, "{level:?} {linear}");
    }
    // Without signal the mean image is the best guess; without noise each image is told from the others.
    assert!((curve[0].mse / linear[0] - 1.0).abs() < 0.02, "{} {}", curve[0].mse, linear[0]);
    assert!(curve[24].mse < 1e-6 * curve[0].mse);
    // An image carries at most log n nats: half the integral of the least error over the signal-to-noise ratio. All of it here, because the
    // noisiest level hides every image and the least noisy one none.
    let nats: f64 = measured
        .windows(2)
        .zip(curve.windows(2))
        .map(|(levels, errors)| 0.5 * log_trapezoid(&levels[0], &levels[1], errors[0].mse, errors[1].mse))
        .sum();
    assert!((nats / 60f64.ln() - 1.0).abs() < 0.1, "{nats} of {}", 60f64.ln());

    // Knowing the class leaves less to guess, mirror images more.
    let sum = |error: &DenoisingError| error.mse_sum(Split::Train).unwrap().mean;
    assert!(sum(&floor(false, true)) < sum(&plain));
    assert!(sum(&floor(true, false)) > sum(&plain));
}
