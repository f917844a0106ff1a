//! The decomposition of a model on images against closed forms: values, identities and coverage of intervals.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_core::Target;
use ddpm_core::decomposition::curve::split_with;
use ddpm_core::decomposition::{Decomposition, ScheduleCurve, Settings, decompose, reverse_steps};
use ddpm_core::interval::Interval;
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::targets::{Covariance, Empirical, Gaussian};
use ddpm_core::{Grid, Level, PredictionKind, Schedule, TimeIndex, Variance};
use ddpm_data::{Dataset, ImageSet, ImageShape};
use ddpm_eval::measurement::{
    ClassConditional, EmpiricalDenoiser, ThresholdedDenoiser, TrainedNetwork, Unconditional,
};
use ddpm_eval::{EvalConfig, EvalError, NetworkStudy, Spectrum, StudyNames};
use ddpm_nets::Threshold;
use ddpm_nets::targets::ideal_denoiser;
use ddpm_nets::{Denoiser, NetsError, Prediction, UNet, UNetConfig};
use ddpm_report::results::{DecomposeReport, Floor, FloorReport, NetworkReport};
use std::ops::ControlFlow;
use tch::{Device, Kind, Tensor};

/// The ideal denoiser of images whose pixels are independent draws of a one-dimensional law, off by a constant.
struct Pixelwise {
    ideal: Box<dyn Denoiser>,
    offset: f64,
}

impl Pixelwise {
    fn new(law: &Target, offset: f64) -> Self {
        let ideal = ideal_denoiser(law, Device::Cpu).unwrap();
        let ideal = Box::new(move |x: &Tensor, level: &Level| ideal.predict(x, level));
        Pixelwise { ideal: Box::new(Closure(ideal)), offset }
    }
}

type Prediction1 = Box<dyn Fn(&Tensor, &Level) -> Result<Prediction, NetsError>>;
struct Closure(Prediction1);

impl Denoiser for Closure {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        (self.0)(x_t, level)
    }
}

impl Denoiser for Pixelwise {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let rows = x_t.to_kind(Kind::Double).reshape([-1, 1]);
        let x0 = self.ideal.predict(&rows, level)?.value.reshape(x_t.size()) + self.offset;
        Ok(Prediction { kind: PredictionKind::X0, value: x0, variance_output: None })
    }
}

/// Bytes of the pixels: five grey values.
const GREYS: [u8; 5] = [40, 90, 100, 180, 220];

fn in_model_space(byte: u8) -> f64 {
    f64::from(byte) / 127.5 - 1.0
}

fn population() -> Target {
    Target::Empirical(Empirical::new(1, GREYS.map(in_model_space).to_vec()).unwrap())
}

/// Images whose pixels are independent draws of the population.
fn draw(shape: ImageShape, count: usize, seed: u64) -> ImageSet {
    let source = NoiseSource::new(seed, Purpose::Target);
    let bytes = (0..(count * shape.dimension()) as u64)
        .map(|k| GREYS[source.derived_seed(k, 0).unsigned_abs() as usize % GREYS.len()])
        .collect();
    ImageSet::new(shape, bytes).unwrap()
}

fn schedule() -> Schedule {
    Schedule::linear_between(0.01, 0.35, 24).unwrap()
}

fn all_steps(schedule: &Schedule) -> Vec<TimeIndex> {
    Grid::Trailing.visit(schedule, schedule.steps()).unwrap()
}

struct Setup<'a> {
    data: &'a Dataset,
    schedule: &'a Schedule,
    timesteps: &'a [TimeIndex],
    variance: Variance,
    flips: bool,
    by_class: bool,
}

impl<'a> Setup<'a> {
    fn new(
        data: &'a Dataset,
        schedule: &'a Schedule,
        timesteps: &'a [TimeIndex],
        variance: Variance,
    ) -> Self {
        Setup { data, schedule, timesteps, variance, flips: false, by_class: false }
    }

    fn try_run(
        &self,
        model: &dyn ClassConditional,
        reference: Option<&dyn ClassConditional>,
        config: &EvalConfig,
    ) -> Result<DecomposeReport, EvalError> {
        let plain = |model| ThresholdedDenoiser::new(model, Threshold::None);
        let study = NetworkStudy {
            network: plain(model),
            reference: reference.map(plain),
            schedule: self.schedule.clone(),
            timesteps: self.timesteps.to_vec(),
            chosen: false,
            grid: Grid::Trailing,
            variance: self.variance,
            replaced_variance: None,
            flips: self.flips,
            by_class: self.by_class,
            names: StudyNames::default(),
            workers: torch_ext::dist::Workers::alone(),
        };
        let spectrum = Spectrum::of_images(&self.data.train)?;
        let measured = study.measure(self.data, config, Device::Cpu, &mut |_| ControlFlow::Continue(()))?;
        ddpm_eval::decompose(&study, &measured, &spectrum)
    }

    fn run(
        &self,
        model: &dyn ClassConditional,
        reference: Option<&dyn ClassConditional>,
        config: &EvalConfig,
    ) -> (DecomposeReport, NetworkReport) {
        let report = self.try_run(model, reference, config).unwrap();
        let network = *report.network.clone().unwrap();
        (report, network)
    }
}

fn floor(network: &NetworkReport, floor: Floor) -> &FloorReport {
    network.floors.iter().find(|report| report.floor == floor).unwrap()
}

fn exact(law: &Target, levels: &[Level], variance: Variance, perturbation: f64) -> Decomposition {
    decompose(law, levels, &Settings { perturbation, ..Settings::new(variance) }).unwrap()
}

/// Discretization, training and information of exact curves at all levels of the schedule, by the rule that the report uses.
fn parts_of_curves(levels: &[Level], variance: Variance, truth: &Decomposition, dim: usize) -> [f64; 3] {
    let scale = dim as f64;
    let mmse: Vec<f64> = truth.levels.iter().map(|terms| scale * terms.mmse).collect();
    let mse: Vec<f64> = truth.levels.iter().map(|terms| scale * terms.mse).collect();
    let positions: Vec<usize> = (0..levels.len()).collect();
    let gains =
        ScheduleCurve::new(levels.to_vec(), mmse.clone(), dim).unwrap().information(&positions).unwrap();
    let steps = reverse_steps(levels, variance, None).unwrap();
    let (_, sum) = split_with(&steps, dim, &mse, &mmse, &gains).unwrap();
    [sum.discretization, sum.training, sum.information]
}

#[test]
fn intervals_contain_the_true_sums_in_95_of_100_repetitions() {
    let (shape, offset, variance) = (ImageShape::new(1, 2, 2), 0.08, Variance::FixedLarge);
    let schedule = schedule();
    let timesteps = all_steps(&schedule);
    let levels: Vec<Level> = schedule.levels().rev().collect();
    let truth = exact(&population(), &levels, variance, offset);
    let [disc, train, info] = parts_of_curves(&levels, variance, &truth, 4);
    assert!((train / (4.0 * truth.training.value) - 1.0).abs() < 1e-9);
    let (model, ideal) = (Pixelwise::new(&population(), offset), Pixelwise::new(&population(), 0.0));
    // Training images enter the upper bound alone, and are as few as their measure is cheap.
    let train_set = draw(shape, 60, 777);
    let repetitions = 100;
    let mut covered = [0u32; 4];
    for seed in 0..repetitions {
        let data = Dataset { train: train_set.clone(), held_out: Some(draw(shape, 60, 1000 + seed)) };
        let config = EvalConfig { levels: 0, seed, ..EvalConfig::default() };
        let setup = Setup::new(&data, &schedule, &timesteps, variance);
        let (_, network) = setup.run(&Unconditional(&model), Some(&Unconditional(&ideal)), &config);
        let by_reference = floor(&network, Floor::Reference);
        let init = network.initialization.lower_nats;
        for (count, (interval, truth)) in covered.iter_mut().zip([
            (by_reference.discretization_nats, disc),
            (by_reference.training_nats, train),
            (by_reference.info_nats, info),
            (by_reference.total_nats, init + disc + train),
        ]) {
            *count += u32::from(interval.contains(truth));
        }
    }
    println!("of {repetitions}: discretization, training, information, total {covered:?}");
    assert!(covered.iter().all(|count| (92..=98).contains(count)), "{covered:?}");
}

#[test]
fn on_training_images_the_terms_are_those_of_the_empirical_measure() {
    // One pixel: the measure of the training images is a law on five points with known weights, exact by quadrature.
    let (shape, offset, variance) = (ImageShape::new(1, 1, 1), 0.1, Variance::FixedSmall);
    let schedule = schedule();
    let timesteps = all_steps(&schedule);
    let levels: Vec<Level> = schedule.levels().rev().collect();
    let train = draw(shape, 400, 3);
    let points: Vec<f64> = train.pixels().iter().map(|&byte| in_model_space(byte)).collect();
    let measure = Target::Empirical(Empirical::new(1, points).unwrap());
    let truth = exact(&measure, &levels, variance, offset);
    let [disc, training, info] = parts_of_curves(&levels, variance, &truth, 1);
    let data = Dataset { train, held_out: None };
    // The measure's own denoiser, off by a constant: E|D - D_emp|^2 is its square at every level.
    let model = Pixelwise::new(&measure, offset);
    let repetitions = 40;
    let (mut covered, mut mean) = ([0u32; 4], 0.0);
    for seed in 0..repetitions {
        let config = EvalConfig { levels: 0, max_images: 80, seed, ..EvalConfig::default() };
        let setup = Setup::new(&data, &schedule, &timesteps, variance);
        let (report, network) = setup.run(&Unconditional(&model), None, &config);
        let parts = floor(&network, Floor::EmpiricalTraining);
        assert!((parts.training_nats.value / training - 1.0).abs() < 1e-5, "{parts:?}");
        for level in &network.levels {
            assert!((level.gap_train.value / (offset * offset) - 1.0).abs() < 1e-4, "{level:?}");
        }
        for (count, (interval, truth)) in covered.iter_mut().zip([
            (parts.discretization_nats, disc),
            (parts.info_nats, info),
            (network.checks.cross_term_nats, 0.0),
            (network.checks.empirical_information_nats, info),
        ]) {
            *count += u32::from(interval.contains(truth));
        }
        mean += parts.discretization_nats.value / repetitions as f64;
        assert!(network.checks.empirical_information_nats.low < network.checks.log_n_nats);
        assert_eq!(network.checks.log_n_nats, 400f64.ln());
        // The measure is known: its quadrature error is what the report says, or less.
        let quadrature = (disc - truth.discretization.value).abs();
        assert!(quadrature < 3.0 * parts.quadrature_error_nats, "{quadrature} {parts:?}");
        assert_eq!(report.floor.as_deref(), Some("empirical-training"));
        assert!(network.training.is_none() && network.memorization.is_none());
    }
    println!("of {repetitions}: discretization, information, cross term {covered:?}");
    // 38 expected, three standard deviations are 4.
    assert!(covered.iter().all(|&count| count >= 34), "{covered:?}");
    assert!((mean / disc - 1.0).abs() < 0.05, "{mean} {disc}");
}

#[test]
fn a_gaussian_and_a_subset_of_levels_agree_with_the_closed_form() {
    // Bytes are fine enough where the least noise is well above 1/127.5.
    let (shape, offset) = (ImageShape::new(1, 2, 2), 0.05);
    let law = |dim: usize| {
        Target::Gaussian(
            Gaussian::new(vec![0.1; dim], Covariance::diagonal("var", vec![0.06; dim]).unwrap()).unwrap(),
        )
    };
    let schedule = Schedule::linear_between(0.01, 0.2, 60).unwrap();
    let timesteps = Grid::Trailing.visit(&schedule, 15).unwrap();
    let levels = schedule.visited(&timesteps).unwrap();
    let images = |count: usize, seed: u64| {
        let noise = NoiseSource::new(seed, Purpose::Target).normal(0, 0, count * 4);
        let byte = |z: f64| (127.5 * (0.1 + 0.06f64.sqrt() * z + 1.0)).round().clamp(0.0, 255.0) as u8;
        ImageSet::new(shape, noise.into_iter().map(byte).collect()).unwrap()
    };
    let data = Dataset { train: images(500, 1), held_out: Some(images(500, 2)) };
    let (model, ideal) = (Pixelwise::new(&law(1), offset), Pixelwise::new(&law(1), 0.0));
    for variance in [Variance::FixedSmall, Variance::FixedLarge] {
        let truth = exact(&law(4), &levels, variance, offset);
        let config = EvalConfig { levels: 24, repeats: 2, ..EvalConfig::default() };
        let setup = Setup::new(&data, &schedule, &timesteps, variance);
        let (report, network) = setup.run(&Unconditional(&model), Some(&Unconditional(&ideal)), &config);
        let parts = floor(&network, Floor::Reference);
        // Twice the interval: one seed, several numbers.
        let near = |interval: Interval, truth: f64, more: f64| {
            let reach = interval.high - interval.low + more;
            assert!((interval.value - truth).abs() < reach, "{variance}: {interval:?} is not {truth}");
        };
        near(parts.training_nats, truth.training.value, 0.0);
        near(parts.discretization_nats, truth.discretization.value, parts.quadrature_error_nats);
        near(parts.total_nats, truth.total.value, parts.quadrature_error_nats);
        // Moments of 500 images.
        assert!((network.initialization.lower_nats / truth.init.value - 1.0).abs() < 0.3);
        assert!(network.initialization.lower_nats < network.initialization.upper_nats);
        assert!((report.truncation_w2_bound.unwrap() / truth.truncation_w2_bound - 1.0).abs() < 0.05);
        let bracket = network.training.unwrap();
        assert!(
            bracket.lower_nats.low < truth.training.value && truth.training.value < bracket.upper_nats.high
        );
        // The ideal denoiser is known to the bracket as the reference.
        near(bracket.lower_nats, truth.training.value, 0.0);
        // 24 levels: 15 visited, both ends, and the widest gaps.
        assert_eq!(
            (network.levels.len(), network.levels.iter().filter(|level| level.visited).count()),
            (24, 15)
        );
        assert_eq!(report.per_level.unwrap().len(), 15);
        // Neither remembers anything.
        assert!(network.memorization.unwrap().nats.contains(0.0));
    }
}

/// A small network with two classes on 4x4 images, untrained.
fn network(classes: Option<i64>) -> UNet {
    let mut config = serde_json::json!({
        "sample_size": 4, "in_channels": 2, "out_channels": 2, "block_out_channels": [8, 8], "layers_per_block": 1,
        "down_block_types": ["DownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "UpBlock2D"], "norm_num_groups": 4
    });
    if let Some(classes) = classes {
        config["num_class_embeds"] = classes.into();
    }
    let config: UNetConfig = serde_json::from_value(config).unwrap();
    UNet::new(config, Device::Cpu, 0).unwrap()
}

const SHAPE: ImageShape = ImageShape::new(2, 4, 4);

fn labelled(count: usize, seed: u64) -> ImageSet {
    let labels = (0..count as i64).map(|k| k % 2).collect();
    draw(SHAPE, count, seed).with_labels(labels, vec!["a".into(), "b".into()]).unwrap()
}

#[test]
fn on_networks_the_parts_add_up_to_the_bound_for_every_floor() {
    let schedule = Schedule::linear(100).unwrap();
    let data = Dataset { train: labelled(40, 1), held_out: Some(labelled(21, 2)) };
    let (own, better) = (network(Some(3)), network(Some(3)));
    let model = TrainedNetwork::new(&own, PredictionKind::Epsilon);
    let reference = TrainedNetwork::new(&better, PredictionKind::V);
    for (variance, steps, levels, flips) in [
        (Variance::FixedLarge, 100, 12, true),
        (Variance::FixedSmall, 10, 0, false),
        (Variance::Analytic, 20, 30, false),
    ] {
        let timesteps = Grid::Leading.visit(&schedule, steps).unwrap();
        let setup = Setup { flips, by_class: true, ..Setup::new(&data, &schedule, &timesteps, variance) };
        let config = EvalConfig { levels, batch_size: 8, ..EvalConfig::default() };
        let (report, network) = setup.run(&model, Some(&reference), &config);
        let floors: Vec<Floor> = network.floors.iter().map(|floor| floor.floor).collect();
        assert_eq!(floors, [Floor::Reference, Floor::EmpiricalTraining, Floor::EmpiricalLowerBound]);
        for floor in &network.floors {
            let sum = floor.l_t_nats.value
                + floor.discretization_nats.value
                + floor.training_nats.value
                + floor.info_nats.value
                + floor.l_0_nats.value;
            assert!((sum / floor.vlb_nats.value - 1.0).abs() < 1e-12, "{floor:?}");
            assert!(floor.residual_nats.abs() < 1e-12 * floor.vlb_nats.value);
            let terms = |of: fn(&ddpm_report::results::LevelEntry) -> Option<f64>| -> f64 {
                floor.levels.iter().filter_map(of).sum()
            };
            assert!((terms(|l| l.training_nats) - floor.training_nats.value).abs() < 1e-9 * sum.abs());
            assert!(
                (terms(|l| l.discretization_nats) - floor.discretization_nats.value).abs() < 1e-9 * sum.abs()
            );
            // The centre of an interval, a mean over images, is the value.
            for interval in [floor.discretization_nats, floor.training_nats, floor.total_nats, floor.vlb_nats]
            {
                let centre = 0.5 * (interval.low + interval.high);
                assert!((centre - interval.value).abs() < 1e-9 * sum.abs(), "{interval:?} {floor:?}");
            }
        }
        assert!(network.checks.largest_relative_residual < 1e-12);
        // The report's own fields are the first floor's.
        let sum = [
            report.l_t_nats,
            report.discretization_nats,
            report.training_nats,
            report.info_nats,
            report.l_0_nats,
        ];
        let sum: f64 = sum.into_iter().flatten().sum();
        let bits = report.vlb_bits_per_dim.unwrap();
        assert!((bits * 32.0 * std::f64::consts::LN_2 / sum - 1.0).abs() < 1e-12);
        let total =
            report.init_nats.unwrap() + report.discretization_nats.unwrap() + report.training_nats.unwrap();
        assert!((report.total_nats.unwrap() / total - 1.0).abs() < 1e-12);
        assert_eq!(network.measured.fitting_images, if variance == Variance::Analytic { 5 } else { 0 });
        assert_eq!(network.measured.held_out_images, 21 - network.measured.fitting_images);
        // Each class of 20 images, mirrored where the network saw them so.
        let n: f64 = if flips { 40.0 } else { 20.0 };
        assert!((network.checks.log_n_nats - n.ln()).abs() < 1e-12);
        assert_eq!(report.advice.as_ref().unwrap().len(), 3);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<DecomposeReport>(&text).unwrap(), report);
        for name in ["init_nats", "training_nats", "vlb_bits_per_dim", "vlb_continuum_gap_nats"] {
            assert!(report.intervals.as_ref().unwrap().contains_key(name), "{name}");
        }
    }
}

#[test]
fn a_perfect_memorizer_has_no_training_error_on_its_images() {
    let schedule = Schedule::linear(100).unwrap();
    let timesteps = all_steps(&schedule);
    let data = Dataset { train: labelled(30, 5), held_out: Some(labelled(12, 6)) };
    let memorizer = EmpiricalDenoiser::new(&data.train, false, false, Device::Cpu).unwrap();
    let setup = Setup::new(&data, &schedule, &timesteps, Variance::FixedLarge);
    let config = EvalConfig { levels: 40, repeats: 8, ..EvalConfig::default() };
    let (_, network) = setup.run(&memorizer, None, &config);
    let parts = floor(&network, Floor::EmpiricalTraining);
    assert_eq!((parts.training_nats.value, parts.training_nats.high), (0.0, 0.0));
    assert_eq!(network.checks.cross_term_nats.value, 0.0);
    let memorization = network.memorization.unwrap();
    assert_eq!(memorization.nats, memorization.memorizer_nats);
    // Thirty images in 32 dimensions: all of their information is there, and on other images the memorizer is far off.
    let information = network.checks.empirical_information_nats;
    let reach = parts.quadrature_error_nats;
    assert!(
        information.low - reach < 30f64.ln() && 30f64.ln() < information.high + reach + 0.1,
        "{information:?} {reach}"
    );
    assert!(memorization.nats.low > 10.0 * information.value, "{memorization:?}");
}

#[test]
fn what_cannot_be_decomposed_is_refused() {
    let schedule = Schedule::linear(50).unwrap();
    let timesteps = all_steps(&schedule);
    let data = Dataset { train: draw(SHAPE, 10, 1), held_out: None };
    let own = network(None);
    let model = TrainedNetwork::new(&own, PredictionKind::Epsilon);
    let config = EvalConfig { levels: 4, max_images: 4, ..EvalConfig::default() };
    let message = |setup: Setup<'_>, reference: Option<&dyn ClassConditional>| {
        setup.try_run(&model, reference, &config).unwrap_err().to_string()
    };
    let setup = |timesteps, variance| Setup::new(&data, &schedule, timesteps, variance);
    assert!(message(setup(&timesteps[..1], Variance::FixedSmall), None).contains("at least 2, got 1"));
    assert!(message(setup(&timesteps, Variance::LearnedRange), None).contains("fixed-small, fixed-large"));
    assert!(message(setup(&timesteps, Variance::FixedSmall), Some(&model)).contains("held-out"));
    let by_class = Setup { by_class: true, ..setup(&timesteps, Variance::FixedSmall) };
    assert!(message(by_class, None).contains("labels"));
    let few = message(setup(&timesteps, Variance::Analytic), None);
    assert!(few.contains("at least 8") && few.contains("got 4"), "{few}");
}
