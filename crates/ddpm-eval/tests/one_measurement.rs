//! One measurement of a network: every noised image is given to it once, and every result that is computed from the measurement has the same
//! numbers.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_core::{Grid, Level, PredictionKind, Schedule, Variance};
use ddpm_data::{Dataset, ImageSet, ImageShape, Split};
use ddpm_eval::measurement::{ThresholdedDenoiser, Unconditional};
use ddpm_eval::{
    EvalConfig, MeasuredErrors, NetworkStudy, Spectrum, StudyNames, classical_terms, decompose,
    denoising_error,
};
use ddpm_nets::Threshold;
use ddpm_nets::{Denoiser, NetsError, Prediction};
use ddpm_report::decomposition_page::NetworkPage;
use ddpm_report::results::{Floor, Images};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use tch::{Device, Tensor};

/// D(x_t) = x_t / 2, with a count of the rows that it is given.
#[derive(Default)]
struct Counting {
    rows: RefCell<HashMap<Vec<u32>, usize>>,
}

impl Denoiser for Counting {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let mut rows = self.rows.borrow_mut();
        for row in 0..x_t.size()[0] {
            let values = Vec::<f32>::try_from(x_t.get(row).reshape([-1])).unwrap();
            let time = (level.log_snr() as f32).to_bits();
            let key = values.iter().map(|value| value.to_bits()).chain([time]).collect();
            *rows.entry(key).or_default() += 1;
        }
        Ok(Prediction { kind: PredictionKind::X0, value: x_t * 0.5, variance_output: None })
    }
}

const SHAPE: ImageShape = ImageShape::new(1, 3, 3);

fn images(count: usize, key: u64) -> ImageSet {
    let byte = |k: u64| ((k + key).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8;
    ImageSet::new(SHAPE, (0..(count * SHAPE.dimension()) as u64).map(byte).collect()).unwrap()
}

fn data() -> Dataset {
    Dataset { train: images(30, 1), held_out: Some(images(18, 2)) }
}

fn study(denoiser: &dyn Denoiser, steps: usize, variance: Variance) -> NetworkStudy<'_> {
    let schedule = Schedule::linear(100).unwrap();
    NetworkStudy {
        network: ThresholdedDenoiser::new(Unconditional(denoiser), Threshold::UNIT),
        reference: None,
        timesteps: Grid::Trailing.visit(&schedule, steps).unwrap(),
        schedule,
        grid: Grid::Trailing,
        chosen: false,
        variance,
        replaced_variance: None,
        flips: false,
        by_class: false,
        names: StudyNames::default(),
        workers: torch_ext::dist::Workers::alone(),
    }
}

fn measure(study: &NetworkStudy<'_>, config: &EvalConfig) -> MeasuredErrors {
    study.measure(&data(), config, Device::Cpu, &mut |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn every_noised_image_is_given_to_the_network_once() {
    for (training_floor, repeats) in [(true, 1), (false, 2)] {
        let network = Counting::default();
        let config =
            EvalConfig { levels: 8, repeats, training_floor, batch_size: 5, ..EvalConfig::default() };
        let study = study(&network, 100, Variance::FixedLarge);
        let measured = measure(&study, &config);
        denoising_error(&measured).unwrap();
        let spectrum = Spectrum::of_images(&data().train).unwrap();
        classical_terms(&measured, &spectrum).unwrap();
        if training_floor {
            decompose(&study, &measured, &spectrum).unwrap();
        } else {
            let error = decompose(&study, &measured, &spectrum).unwrap_err().to_string();
            assert!(error.contains("eval.training_floor"), "{error}");
        }
        let rows = network.rows.borrow();
        assert_eq!(rows.len(), 2 * 18 * 8 * repeats);
        assert!(rows.values().all(|&count| count == 1));
    }
}

#[test]
fn all_results_of_a_measurement_have_the_same_numbers() {
    let network = Counting::default();
    let spectrum = Spectrum::of_images(&data().train).unwrap();
    // All levels visited and a tenth of them measured; fewer visited than measured; a variance that is fitted to images set aside.
    for (steps, variance) in [
        (100, Variance::FixedLarge),
        (6, Variance::FixedSmall),
        (20, Variance::Analytic),
        (100, Variance::Analytic),
    ] {
        let study = study(&network, steps, variance);
        let measured = measure(&study, &EvalConfig { levels: 10, ..EvalConfig::default() });
        let file = denoising_error(&measured).unwrap();
        let classical = classical_terms(&measured, &spectrum).unwrap();
        let report = decompose(&study, &measured, &spectrum).unwrap();
        let network = report.network.as_deref().unwrap();
        let floor = |kind| network.floors.iter().find(|floor| floor.floor == kind).unwrap();
        let (ideal, upper) = (floor(Floor::EmpiricalTraining), floor(Floor::EmpiricalLowerBound));

        // The classical terms.
        let (train, held_out) = (file.mse_sum(Split::Train).unwrap(), file.mse_sum(Split::HeldOut).unwrap());
        assert_eq!((classical.split, classical.training), (Split::Train, train));
        assert_eq!(report.classical, Some(classical.terms));
        assert_eq!((ideal.mse_sum.value, ideal.mse_sum), (train.mean, train.interval(0.95)));
        assert_eq!((upper.mse_sum.value, upper.mse_sum), (held_out.mean, held_out.interval(0.95)));
        assert_eq!(classical.terms.mmse_sum, Some(ideal.floor_sum.value));
        assert!(classical.terms.mmse_sum.unwrap() < train.mean);

        // The errors level by level.
        assert_eq!(file.curve(Split::Train).len(), network.levels.len());
        for (k, level) in network.levels.iter().enumerate() {
            let (train, held_out) = (file.curve(Split::Train)[k], file.curve(Split::HeldOut)[k]);
            assert_eq!((train.t, train.snr), (Some(level.t), level.snr));
            assert_eq!(level.train, train.mse_estimate().interval(0.95));
            assert_eq!(level.held_out, Some(held_out.mse_estimate().interval(0.95)));
            assert_eq!(level.empirical_train.value, classical.floor[k].mse);
            let parts = level.empirical_train.value + level.gap_train.value;
            assert!((parts / level.train.value - 1.0).abs() < 1e-12);
        }

        // The curve of the file, between its levels too, is that of the decomposition.
        for entry in report.per_level.as_ref().unwrap() {
            let level = study.schedule.level(ddpm_core::TimeIndex(entry.t - 1));
            let mse = file.mse_at(Split::Train, &level).unwrap();
            assert!((mse / entry.mse - 1.0).abs() < 1e-9, "{mse} {entry:?}");
        }

        // The bound on training images and its parts.
        let bound = network.bounds.iter().find(|bound| bound.images == Images::Train).unwrap();
        assert_eq!(
            (bound.vlb_nats, bound.l_t_nats, bound.l_0_nats),
            (ideal.vlb_nats, ideal.l_t_nats, ideal.l_0_nats)
        );
        assert_eq!(report.vlb_bits_per_dim, Some(bound.vlb_bits_per_dim.value));

        // The advice starts from the terms.
        let own = network.advice.by_variance.iter().find(|costs| costs.variance == variance).unwrap();
        let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
        assert!(close(own.training_nats, ideal.training_nats.value), "{own:?} {:?}", ideal.training_nats);
        assert!(close(own.discretization_nats, ideal.discretization_nats.value), "{own:?}");

        // The page's sweep passes through the terms.
        let total = report.discretization_nats.unwrap() + report.training_nats.unwrap();
        let page = NetworkPage {
            result: report,
            schedule: &study.schedule,
            pictures: Vec::new(),
            run_page: None,
            command: String::new(),
            versions: Vec::new(),
        };
        let page = page.report().unwrap();
        let curve = page.sweeps[0].curves.iter().find(|curve| curve.name == variance.name()).unwrap();
        if let Some(point) = curve.points.iter().find(|point| point.steps == steps && steps == 100) {
            assert!(close(point.value, total), "{variance}: {point:?} {total}");
        }
    }
}
