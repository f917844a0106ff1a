//! The exact law of samplers on Gaussian targets: published values, measured orders, and Monte Carlo.
#![allow(clippy::unwrap_used)]

use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::recursion::{GaussianDenoiser, Start, sample_law, w2_errors, w2_to_end};
use ddpm_core::scheme::Churn;
use ddpm_core::targets::{Covariance, Gaussian};
use ddpm_core::{
    Grid, Level, Process, SAMPLERS, Scale, Schedule, Scheme, Step, TimeIndex, Trajectory, Variance,
};

/// Eigenvalues published with Pierret & Galerne (2025): see `fixtures/README.md`.
fn cifar10() -> Gaussian {
    let bytes = include_bytes!("fixtures/cifar10-gaussian-eigenvalues.npy");
    let values: Vec<f64> =
        bytes[128..].chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect();
    assert_eq!(values.len(), 3072);
    let clipped: Vec<f64> = values.into_iter().map(|v| v.max(0.0)).collect();
    assert!((clipped.iter().sum::<f64>() - 761.62).abs() < 0.01);
    // Zero eigenvalues are allowed for a law fitted to data.
    Gaussian::new(vec![0.0; 3072], Covariance::Diagonal(clipped)).unwrap()
}

/// The published setting: equal steps down to `t_min`, `ddpm` as [`Scheme::on_process`] runs it, noise in every step, no denoising at the end.
fn published(scheme: Scheme, t_min: f64, points: usize) -> (f64, f64) {
    let target = cifar10();
    let denoiser = GaussianDenoiser::new(&target, 0.0);
    let times = Grid::Linspace.times(&Process::VP, points - 1, t_min).unwrap();
    let trajectory = Trajectory::continuous(&Process::VP, &times).unwrap();
    let errors = w2_errors(&denoiser, &trajectory, &scheme.on_process()).unwrap();
    (errors.from_marginal, errors.from_normal)
}

#[test]
fn the_published_table_is_reproduced_to_every_printed_digit() {
    // (scheme, t_min, evaluations a step) and W2 from p_T / from N(0, I) at 50, 250, 500 and 1000 grid points.
    type Row = (Scheme, f64, [(f64, f64); 4]);
    let table: [Row; 6] = [
        (Scheme::Em, 0.0, [(4.78, 4.78), (0.65, 0.66), (0.32, 0.32), (0.16, 0.16)]),
        (Scheme::Em, 1e-3, [(4.68, 4.68), (0.70, 0.70), (0.40, 0.40), (0.27, 0.27)]),
        (
            Scheme::Ddpm { variance: Variance::FixedLarge },
            1e-5,
            [(6.82, 6.82), (0.97, 0.97), (0.47, 0.47), (0.24, 0.23)],
        ),
        (Scheme::OdeEuler, 0.0, [(1.72, 1.78), (0.38, 0.44), (0.20, 0.26), (0.10, 0.17)]),
        (Scheme::OdeEuler, 1e-3, [(1.73, 1.79), (0.42, 0.48), (0.27, 0.32), (0.21, 0.25)]),
        (Scheme::OdeHeun, 1e-4, [(4.68, 4.68), (0.43, 0.44), (0.12, 0.14), (0.03, 0.08)]),
    ];
    for (scheme, t_min, values) in table {
        for (points, expected) in [50, 250, 500, 1000].into_iter().zip(values) {
            let got = published(scheme, t_min, points);
            let printed = |x: f64| (x * 100.0).round() / 100.0;
            assert_eq!(
                (printed(got.0), printed(got.1)),
                expected,
                "{} {t_min} {points}: {got:?}",
                scheme.name()
            );
        }
    }
}

#[test]
fn published_continuous_errors() {
    let target = cifar10();
    let denoiser = GaussianDenoiser::new(&target, 0.0);
    let errors = |scheme: Scheme, t_min: f64| {
        let trajectory = Trajectory::continuous(&Process::VP, &[1.0, t_min]).unwrap();
        w2_errors(&denoiser, &trajectory, &scheme).unwrap()
    };
    let close = |got: f64, expected: f64, digits: f64| {
        assert!((got - expected).abs() <= 0.5 * digits, "{got} {expected}");
    };
    close(errors(Scheme::Ei, 0.0).continuous_from_normal, 6.68e-4, 1e-6);
    close(errors(Scheme::OdeEuler, 0.0).continuous_from_normal, 0.0730, 1e-4);
    for (t_min, expected, digits) in [(1e-5, 0.00413, 1e-5), (1e-4, 0.0259, 1e-4), (1e-3, 0.1781, 1e-4)] {
        close(errors(Scheme::Ei, t_min).continuous_from_marginal, expected, digits);
    }
    // The exponential integrator and RK4 with many steps approach the continuous values.
    let fine = |scheme: Scheme| {
        let times = Grid::LogSnr.times(&Process::VP, 400, 1e-4).unwrap();
        w2_errors(&denoiser, &Trajectory::continuous(&Process::VP, &times).unwrap(), &scheme).unwrap()
    };
    let rk4 = fine(Scheme::OdeRk4);
    assert!(
        (rk4.from_normal - rk4.continuous_from_normal).abs() < 1e-5
            && (rk4.from_marginal - rk4.continuous_from_marginal).abs() < 1e-5,
        "{rk4:?}"
    );
}

fn small() -> Gaussian {
    Gaussian::new(vec![0.5, -1.0, 0.2, 0.0], Covariance::Diagonal(vec![0.02, 0.3, 1.0, 4.0])).unwrap()
}

/// log2 of the ratio of neighbouring errors, where the number of steps doubles: the measured order of convergence.
fn measured_orders(errors: &[f64]) -> Vec<f64> {
    errors.windows(2).map(|pair| (pair[0] / pair[1]).log2()).collect()
}

#[test]
fn measured_orders_of_convergence() {
    let target = small();
    let denoiser = GaussianDenoiser::new(&target, 0.0);
    println!("{:<14} order  measured per doubling of 40 steps, t from 1 to 0.05", "sampler");
    for info in SAMPLERS {
        if matches!(info.name, "langevin" | "annealed-langevin" | "predictor-corrector") {
            continue;
        }
        let errors: Vec<f64> = (0..5)
            .map(|k| {
                let times = Grid::LogSnr.times(&Process::VP, 40 << k, 0.05).unwrap();
                let trajectory = Trajectory::continuous(&Process::VP, &times).unwrap();
                w2_to_end(&denoiser, &trajectory, &info.scheme).unwrap()
            })
            // Below this the differences are rounding.
            .take_while(|error| *error > 1e-13)
            .collect();
        let orders = measured_orders(&errors);
        println!("{:<14} {:<6} {orders:.2?}", info.name, info.order);
        let last = orders[orders.len() - 1];
        assert!((last - f64::from(info.order)).abs() < 0.15, "{}: {orders:?}", info.name);
    }
}

#[test]
fn orders_hold_along_a_discrete_schedule_too() {
    // DDIM and ancestral sampling respaced on a long chain, to the law at a fixed lower level.
    let target = small();
    let denoiser = GaussianDenoiser::new(&target, 0.0);
    let schedule = Schedule::linear(4096).unwrap();
    let levels = |steps: usize| -> Vec<Level> {
        (0..=steps).map(|k| schedule.level(TimeIndex((4095 - k * (3968 / steps)) as u32))).collect()
    };
    for (scheme, order) in [
        (Scheme::ddim(0.0), 1.0),
        (Scheme::ddim(0.5), 1.0),
        (Scheme::Ddpm { variance: Variance::FixedSmall }, 1.0),
        (Scheme::Ddpm { variance: Variance::FixedLarge }, 1.0),
        (Scheme::Dpmpp2m, 2.0),
    ] {
        let errors: Vec<f64> = [31, 62, 124, 248, 496]
            .iter()
            .map(|&steps| {
                let trajectory =
                    Trajectory::of_levels(levels(steps), Scale::VariancePreserving, None).unwrap();
                w2_to_end(&denoiser, &trajectory, &scheme).unwrap()
            })
            .collect();
        let orders = measured_orders(&errors);
        assert!((orders[3] - order).abs() < 0.12, "{scheme:?} {orders:?}");
    }
}

/// Runs a plan on scalars, one sample at a time, as a tensor sampler would.
fn simulate(
    plan: &[Step],
    mut x: f64,
    noise: &mut impl FnMut() -> f64,
    denoise: impl Fn(f64, &Level) -> f64,
) -> f64 {
    let mut evaluations: Vec<f64> = Vec::new();
    for step in plan {
        let z: Vec<f64> = (0..step.draws()).map(|_| noise()).collect();
        for stage in &step.stages {
            let answer = denoise(stage.state.apply(x, &evaluations, &z), &stage.level);
            evaluations.insert(0, answer);
        }
        x = step.output.apply(x, &evaluations, &z);
        evaluations.truncate(4);
    }
    x
}

#[test]
fn monte_carlo_samples_have_the_predicted_moments_for_every_sampler() {
    let target = Gaussian::new(vec![0.6], Covariance::Diagonal(vec![0.15])).unwrap();
    let denoiser = GaussianDenoiser::new(&target, 0.07);
    let schedule = Schedule::linear(1000).unwrap();
    let n = 20_000u64;
    let churn = Churn { amount: 5.0, min: 0.02, max: 20.0, noise: 1.0 };
    let schemes = SAMPLERS.iter().map(|info| info.scheme).chain([
        Scheme::Edm { churn },
        Scheme::ddim(0.6),
        Scheme::PredictorCorrector { signal_to_noise: 0.1, corrections: 2 },
    ]);
    for (index, scheme) in schemes.enumerate() {
        let (steps, scheme) = match scheme {
            Scheme::Langevin { .. } => (1, Scheme::Langevin { relative_step: 0.1, steps: 30 }),
            Scheme::AnnealedLangevin { .. } => {
                (20, Scheme::AnnealedLangevin { epsilon: Some(2e-5), steps: 2, constant_step: false })
            }
            // Its rate must stay below 1 in every step.
            Scheme::DdpmRate => (60, scheme),
            _ => (25, scheme),
        };
        let trajectory =
            Trajectory::discrete(&schedule, &Grid::Trailing.timesteps(1000, steps).unwrap()).unwrap();
        let plan = scheme.plan(&trajectory).unwrap();
        let law = sample_law(&denoiser, &trajectory, &plan, Start::Prior)[0];
        let source = NoiseSource::new(index as u64, Purpose::Sampling);
        let (mut sum, mut squares) = (0.0, 0.0);
        for image in 0..n {
            let mut draws = source.normal(image, 0, 400).into_iter();
            let mut noise = || draws.next().unwrap();
            let start = noise() * trajectory.start().prior_std();
            let x = simulate(&plan, start, &mut noise, |x, level| {
                let affine = denoiser.affine(0, level);
                affine.gain * x + affine.offset
            });
            sum += x;
            squares += (x - law.mean).powi(2);
        }
        let (mean, variance) = (sum / n as f64, squares / n as f64);
        let mean_error = (law.variance / n as f64).sqrt();
        assert!((mean - law.mean).abs() < 4.5 * mean_error + 1e-12, "{scheme:?}: mean {mean} {law:?}");
        let variance_error = law.variance * (2.0 / n as f64).sqrt();
        assert!(
            (variance - law.variance).abs() < 4.5 * variance_error + 1e-12,
            "{scheme:?}: variance {variance} {law:?}"
        );
    }
}

#[test]
fn the_analytic_variance_makes_ancestral_sampling_exact_on_isotropic_gaussians() {
    // The true reverse step is Gaussian with the analytic variance: three steps are as good as a thousand.
    let schedule = Schedule::linear(1000).unwrap();
    for variance in [0.04, 1.0, 3.0] {
        let target = Gaussian::new(vec![0.4], Covariance::Diagonal(vec![variance])).unwrap();
        let denoiser = GaussianDenoiser::new(&target, 0.0);
        let levels: Vec<Level> = [999, 400, 90, 3].iter().map(|&t| schedule.level(TimeIndex(t))).collect();
        let mse = levels[..3].iter().map(|level| target.mmse(level)).collect();
        let trajectory =
            Trajectory::of_levels(levels, Scale::VariancePreserving, None).unwrap().with_mse(mse).unwrap();
        let error = |variance| w2_to_end(&denoiser, &trajectory, &Scheme::Ddpm { variance }).unwrap();
        assert!(error(Variance::Analytic) < 1e-13);
        assert!(error(Variance::FixedSmall) > 0.05);
        // Fixed-large is optimal for unit variance alone.
        assert_eq!(error(Variance::FixedLarge) < 1e-13, variance == 1.0);
    }
}

#[test]
fn respacing_to_all_steps_changes_nothing() {
    let schedule = Schedule::cosine(100).unwrap();
    let all: Vec<TimeIndex> = (0..100).rev().map(TimeIndex).collect();
    let plan = |timesteps: &[TimeIndex]| {
        let trajectory = Trajectory::discrete(&schedule, timesteps).unwrap();
        Scheme::Ddpm { variance: Variance::FixedSmall }.plan(&trajectory).unwrap()
    };
    for &grid in Grid::ALL {
        assert_eq!(plan(&grid.visit(&schedule, 100).unwrap()), plan(&all));
    }
}
