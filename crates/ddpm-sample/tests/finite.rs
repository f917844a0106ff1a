//! Nothing is NaN or infinite in f32, on any schedule and grid, with any sampler and few or many steps; and what cannot work says why.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{on, trailing};
use ddpm_core::{Grid, SAMPLERS, Schedule, ScheduleConfig, ScheduleKind, Scheme, TargetSpec, Trajectory};
use ddpm_nets::Threshold;
use ddpm_nets::targets::ideal_denoiser;
use ddpm_sample::{NoiseInput, Options, SampleError, Samples, Tolerance, sample, sampler};
use tch::Device;

fn samples(scheme: &Scheme, trajectory: &Trajectory, options: &Options) -> Result<Samples, SampleError> {
    let spec = TargetSpec::Mixture {
        weights: vec![0.3, 0.7],
        means: vec![vec![-1.5], vec![1.0]],
        stds: Some(vec![0.25, 0.4]),
        covs: None,
    };
    let denoiser = ideal_denoiser(&spec.build().unwrap(), Device::Cpu).unwrap();
    let mut noise = NoiseInput::keyed(0, &[1]).batch(0..8, Device::Cpu)?;
    sample(denoiser.as_ref(), scheme, trajectory, &mut noise, options, &mut on)
}

fn schedules() -> Vec<(String, Schedule)> {
    let kinds = ScheduleKind::ALL
        .iter()
        .copied()
        .filter(|kind| !matches!(kind, ScheduleKind::Betas | ScheduleKind::AlphaBars));
    let mut schedules: Vec<_> = kinds
        .map(|kind| (kind.name().to_string(), ScheduleConfig::with_steps(kind, 1000).build().unwrap()))
        .collect();
    let mut zero_snr = ScheduleConfig::with_steps(ScheduleKind::Linear, 1000);
    zero_snr.zero_terminal_snr = true;
    schedules.push(("zero terminal SNR".to_string(), zero_snr.build().unwrap()));
    schedules
}

#[test]
fn samples_are_finite_wherever_a_plan_exists() {
    let mut runs = 0;
    for (name, schedule) in schedules() {
        for &grid in Grid::ALL {
            for steps in [1, 2, 9] {
                let Ok(timesteps) = grid.visit(&schedule, steps) else { continue };
                let trajectory = Trajectory::discrete(&schedule, &timesteps).unwrap();
                for info in SAMPLERS {
                    let scheme = match info.scheme {
                        Scheme::Langevin { relative_step, .. } => {
                            Scheme::Langevin { relative_step, steps: 5 }
                        }
                        Scheme::AnnealedLangevin { .. } => {
                            Scheme::AnnealedLangevin { epsilon: Some(1e-6), steps: 1, constant_step: false }
                        }
                        scheme => scheme,
                    };
                    if sampler(&scheme, &trajectory, Tolerance::default()).is_err() {
                        continue;
                    }
                    let what = format!("{} on {name}, {grid:?}, {steps} steps", info.name);
                    match samples(&scheme, &trajectory, &Options::default()) {
                        Ok(out) => assert!(out.x.isfinite().all().int64_value(&[]) == 1, "{what}"),
                        Err(error) => panic!("{what}: {error}"),
                    }
                    runs += 1;
                }
            }
        }
    }
    println!("{runs} combinations of schedule, grid, steps and sampler");
    assert!(runs > 1500, "{runs}");
}

/// Steps that are too long for a method leave noise, which is found from the samples' size; numbers that are not finite are an error.
#[test]
fn samples_that_are_mostly_noise_are_recognized() {
    let process = ddpm_core::ProcessKind::Edm.process();
    let size = |scheme: Scheme, steps: usize| {
        let times = Grid::Karras.times(&process, steps, 0.002).unwrap();
        let trajectory = Trajectory::continuous(&process, &times).unwrap();
        samples(&scheme, &trajectory, &Options::default()).unwrap().relative_size
    };
    for (scheme, noise) in [(Scheme::Em, 30.0), (Scheme::OdeHeun, 10.0), (Scheme::DdpmRate, 30.0)] {
        assert!(size(scheme, 1) > noise, "{scheme:?}");
        assert!(size(scheme, 200) < 1.5, "{scheme:?}");
    }
    assert!(size(Scheme::ddim(0.0), 1) < 1.5);
    for info in SAMPLERS.iter().filter(|info| info.name != "langevin" && info.name != "annealed-langevin") {
        let size = samples(&info.scheme, &trailing(50), &Options::default()).unwrap().relative_size;
        assert!((0.5..1.5).contains(&size), "{}: {size}", info.name);
    }
    let nan = tch::Tensor::from_slice(&[0.0f32, f32::NAN]).reshape([2, 1]);
    assert!(NoiseInput::given(&nan, None).unwrap_err().to_string().contains("finite"));
}

#[test]
fn what_cannot_work_says_why() {
    let message = |scheme: Scheme, trajectory: &Trajectory, options: Options| {
        samples(&scheme, trajectory, &options).unwrap_err().to_string()
    };
    let ten = trailing(10);
    let plain = Options::default;
    assert_eq!(message(Scheme::ddim(1.5), &ten, plain()), "eta must be between 0 and 1, got 1.5");
    let clip = Options { threshold: Threshold::Clip { range: -1.0 }, ..plain() };
    assert_eq!(message(Scheme::Dpmpp2m, &ten, clip), "clip range must be positive, got -1");
    let exact = Options { tolerance: Tolerance { relative: 0.0, absolute: 1e-5 }, ..plain() };
    assert_eq!(message(Scheme::OdeRk45, &ten, exact), "rtol must be positive, got 0");
    let learned = Scheme::Ddpm { variance: ddpm_core::Variance::LearnedRange };
    assert!(message(learned, &ten, plain()).contains("predicts no variance"));
    let analytic = Scheme::Ddpm { variance: ddpm_core::Variance::Analytic };
    assert!(message(analytic, &ten, plain()).contains("needs the denoiser's mean-square error"));
    assert!(Grid::Trailing.timesteps(1000, 0).unwrap_err().to_string().contains("got 0"));
    assert!(
        Grid::Trailing
            .timesteps(1000, 1001)
            .unwrap_err()
            .to_string()
            .contains("1000 training levels, got 1001")
    );
    // A differential equation needs signal at every level.
    let (_, zero_snr) = schedules().pop().unwrap();
    let all = Trajectory::discrete(&zero_snr, &Grid::Trailing.timesteps(1000, 10).unwrap()).unwrap();
    assert!(message(Scheme::OdeHeun, &all, plain()).contains("levels that all keep some signal"));
}
