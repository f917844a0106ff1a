//! The driver: what it starts from, what it keeps, when it stops.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{keyed, on, trailing};
use ddpm_core::{Level, PredictionKind, Scale, Schedule, Time, TimeIndex, Variance};
use ddpm_core::{Scheme, Trajectory};
use ddpm_nets::Threshold;
use ddpm_nets::{Denoiser, NetsError, Prediction};
use ddpm_sample::{Noise, NoiseInput, Options, Record, SampleError, sample, sample_batches};
use std::ops::ControlFlow;
use tch::{Device, Tensor};

/// D(x) = alpha x: exact for data N(0, I) on a variance-preserving process. Answers NaN at one level, if asked to.
struct StandardNormal {
    broken_at: Option<TimeIndex>,
}

impl Denoiser for StandardNormal {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let broken = self.broken_at.is_some_and(|t| level.time() == Time::Index(t));
        let value = x_t * if broken { f64::NAN } else { level.alpha() };
        Ok(Prediction { kind: PredictionKind::X0, value, variance_output: None })
    }
}

const EXACT: StandardNormal = StandardNormal { broken_at: None };

const LARGE: Scheme = Scheme::Ddpm { variance: Variance::FixedLarge };

#[test]
fn image_i_is_the_same_in_any_batch() {
    let trajectory = trailing(20);
    let scheme = Scheme::Ddpm { variance: Variance::FixedSmall };
    let noise = NoiseInput::keyed(5, &[3, 4]);
    let run = |batch| {
        let (mut parts, mut evaluations) = (Vec::new(), 0);
        let one = |range| {
            let mut noise = noise.batch(range, Device::Cpu)?;
            sample(&EXACT, &scheme, &trajectory, &mut noise, &Options::default(), &mut on)
        };
        let take = |_, samples: ddpm_sample::Samples| {
            evaluations += samples.evaluations;
            parts.push(samples.x);
            Ok::<(), SampleError>(())
        };
        sample_batches(&torch_ext::dist::Workers::alone(), 0..10, batch, one, take).unwrap();
        (Tensor::cat(&parts, 0), evaluations)
    };
    let (whole, parts) = (run(10), run(3));
    assert_eq!((whole.1, parts.1), (20, 80));
    assert!(whole.0.allclose(&parts.0, 0.0, 1e-6, false));
}

#[test]
fn a_denoiser_that_returns_nan_is_named_with_its_level() {
    let broken = StandardNormal { broken_at: Some(TimeIndex(499)) };
    let mut noise = NoiseInput::keyed(0, &[2]).batch(0..3, Device::Cpu).unwrap();
    // NaN must show through clipping too.
    let options = Options { threshold: Threshold::UNIT, ..Options::default() };
    let error = sample(&broken, &LARGE, &trailing(4), &mut noise, &options, &mut on);
    let text = error.unwrap_err().to_string();
    assert!(text.starts_with("the denoiser returned NaN or infinity at timestep 499 (log-SNR"), "{text}");
}

#[test]
fn frames_are_spread_over_the_steps_and_a_break_stops() {
    let options = Options { record: Record { frames: 4, images: 2 }, ..Options::default() };
    let run = |stop: usize| {
        let mut noise = NoiseInput::keyed(0, &[2]).batch(0..3, Device::Cpu).unwrap();
        let mut progress = |p: &ddpm_sample::Progress| {
            assert_eq!(p.steps, Some(10));
            if p.step == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        sample(&EXACT, &LARGE, &trailing(10), &mut noise, &options, &mut progress)
    };
    let samples = run(100).unwrap();
    assert_eq!(samples.frames.iter().map(|f| f.step).collect::<Vec<_>>(), [0, 2, 5, 7]);
    for frame in &samples.frames {
        assert_eq!(frame.x_t.size(), [2, 2]);
        assert!(frame.x0.allclose(&(&frame.x_t * frame.level.alpha()), 1e-6, 1e-6, false));
    }
    assert!(matches!(run(6), Err(SampleError::Interrupted { steps: 6 })));
}

/// With fixed-large and data N(0, I) every reverse step is exact, so that the law stays N(0, I).
#[test]
fn ancestral_steps_keep_a_standard_normal_law() {
    let mut noise = NoiseInput::keyed(1, &[8]).batch(0..5000, Device::Cpu).unwrap();
    let levels = trailing(50).levels()[..50].to_vec();
    let noised = Trajectory::of_levels(levels, Scale::VariancePreserving, None).unwrap();
    let out = sample(&EXACT, &LARGE, &noised, &mut noise, &Options::default(), &mut on).unwrap();
    let variance = out.x.var(true).double_value(&[]);
    // 40,000 numbers: 4 standard errors of a variance.
    assert!((variance - 1.0).abs() < 4.0 * (2.0f64 / 40_000.0).sqrt(), "{variance}");
    assert!(out.x.mean(tch::Kind::Float).double_value(&[]).abs() < 4.0 / 200.0);
}

/// The flow of a standard normal law stands still, so any tolerance lets the solver stride to the end.
#[test]
fn the_adaptive_solver_takes_few_steps_where_nothing_moves() {
    let mut noise = NoiseInput::keyed(1, &[8]).batch(0..10, Device::Cpu).unwrap();
    let levels = trailing(50).levels()[..50].to_vec();
    let process = ddpm_core::Process::from_schedule(&Schedule::linear(1000).unwrap()).unwrap();
    let noised = Trajectory::of_levels(levels, Scale::VariancePreserving, Some(process)).unwrap();
    let start = noise.start(noised.start()).unwrap();
    let out = sample(&EXACT, &Scheme::OdeRk45, &noised, &mut noise, &Options::default(), &mut on).unwrap();
    assert!(out.x.allclose(&start, 1e-5, 1e-5, false));
    assert_eq!(out.steps, 4);
    assert_eq!(out.evaluations, 1 + 6 * 4);
}

/// Answers like [`StandardNormal`] and places its variance at one end of the range.
struct Learned {
    fraction: f64,
}

impl Denoiser for Learned {
    fn predict(&self, x_t: &Tensor, level: &Level) -> Result<Prediction, NetsError> {
        let prediction = EXACT.predict(x_t, level)?;
        Ok(Prediction { variance_output: Some(x_t.full_like(self.fraction)), ..prediction })
    }
}

#[test]
fn a_learned_variance_lies_between_the_fixed_ones() {
    let run = |denoiser: &dyn Denoiser, variance| {
        keyed(denoiser, &Scheme::Ddpm { variance }, &trailing(20), (4, 3), 2).x
    };
    let same = |a: &Tensor, b: &Tensor| a.allclose(b, 0.0, 1e-5, false);
    let learned = |fraction| run(&Learned { fraction }, Variance::LearnedRange);
    assert!(same(&learned(-1.0), &run(&EXACT, Variance::FixedSmall)));
    assert!(same(&learned(1.0), &run(&EXACT, Variance::FixedLarge)));
    assert!(!same(&learned(0.0), &run(&EXACT, Variance::FixedLarge)));
}
