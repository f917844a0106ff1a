//! Statements of the literature that docs/theory-map.md repeats, each measured here.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_core::recursion::GaussianDenoiser;
use ddpm_core::scheme::{ancestral, langevin};
use ddpm_core::targets::Gaussian;
use ddpm_core::{Level, Posterior, Scale, Schedule, Step, Time, Variance};

/// N(0, 0.3) and N(0, 2), independent.
fn target() -> Gaussian {
    Gaussian::from_moments(vec![0.0, 0.0], &[0.3, 0.0, 0.0, 2.0]).unwrap()
}

/// The bound's denoising part with the ideal denoiser: sum over the steps of (snr_s - snr_t)/2 mmse_t, in nats.
fn bound(schedule: &Schedule, target: &Gaussian) -> f64 {
    let levels: Vec<Level> = schedule.levels().collect();
    levels.windows(2).map(|pair| 0.5 * (pair[0].snr() - pair[1].snr()) * target.mmse(&pair[1])).sum()
}

/// Kingma et al. 2021, eq. 18-20: in continuous time the bound depends on the schedule through its two ends alone.
#[test]
fn the_continuous_bound_depends_on_the_ends_of_the_schedule_alone() {
    let target = target();
    let (high, low) = (8.0, -8.0);
    let between = |steps: usize, shape: fn(f64) -> f64| {
        let log_snr =
            (0..steps).map(|k| high + (low - high) * shape(k as f64 / (steps - 1) as f64)).collect();
        bound(&Schedule::from_log_snr(Scale::VariancePreserving, log_snr).unwrap(), &target)
    };
    // 1/2 of the integral of v/(1 + v snr) over snr.
    let (snr_high, snr_low) = (f64::exp(high), f64::exp(low));
    let exact: f64 =
        [0.3, 2.0].map(|v: f64| 0.5 * ((1.0 + v * snr_high) / (1.0 + v * snr_low)).ln()).iter().sum();
    let shapes: [fn(f64) -> f64; 3] = [|u| u, |u| u * u, |u| 0.5 - 0.5 * (std::f64::consts::PI * u).cos()];
    for shape in shapes {
        let error = |steps| (between(steps, shape) / exact - 1.0).abs();
        // The error of T steps falls as 1/T: 10 times the levels leave a tenth.
        let (few, many) = (error(1_000), error(10_000));
        assert!(few < 0.02 && (few / many - 10.0).abs() < 0.3, "{few:e} {many:e}");
    }
}

/// The map x -> m x + noise of variance s^2 that a step makes of its state, for data N(0, v) and the ideal denoiser.
fn moments(step: &Step, denoiser: &GaussianDenoiser<'_>) -> (f64, f64) {
    let [stage] = &step.stages[..] else { panic!("one evaluation") };
    let factor = denoiser.affine(0, &stage.level).gain;
    let mean = step.output.of_x + step.output.of_x0[0] * factor * stage.state.of_x;
    (mean, step.output.of_noise.iter().map(|weight| weight * weight).sum())
}

/// A forward step of variance tau followed by the exact backward step is, on a Gaussian of variance v, Langevin diffusion run for the time
/// v log(1 + tau/v), and to first order in tau one Langevin step of size tau.
#[test]
fn a_langevin_step_is_a_forward_and_a_backward_step() {
    let data = Gaussian::from_moments(vec![0.0], &[0.7]).unwrap();
    let denoiser = GaussianDenoiser::new(&data, 0.0);
    let at = |variance: f64| Level::variance_exploding(-variance.ln(), Time::Sigma(variance.sqrt()));
    let s = at(0.5);
    let v = 0.7 + 0.5;
    let mut errors = Vec::new();
    for tau in [0.1, 0.01, 0.001] {
        let t = at(0.5 + tau);
        let forward = Posterior::between(&t, &s);
        assert!(
            (forward.transition_scale - 1.0).abs() < 1e-12
                && (forward.transition_variance / tau - 1.0).abs() < 1e-9
        );
        // The exact backward step has the analytic variance.
        let back = ancestral(&t, &s, Variance::Analytic, Some(data.mmse(&t))).unwrap();
        let (mean, noise) = moments(&back, &denoiser);
        let composed = (mean, noise + mean * mean * tau);
        let time = v * (1.0 + tau / v).ln();
        let diffusion = ((-time / v).exp(), v * (1.0 - (-2.0 * time / v).exp()));
        assert!((composed.0 / diffusion.0 - 1.0).abs() < 1e-9, "{composed:?} {diffusion:?}");
        assert!((composed.1 / diffusion.1 - 1.0).abs() < 1e-9, "{composed:?} {diffusion:?}");
        let once = moments(&langevin(&s, tau).unwrap(), &denoiser);
        errors.push(((composed.0 - once.0).abs(), (composed.1 / once.1 - 1.0).abs()));
    }
    // The mean to second order in tau, the variance (itself of the size of tau) to first order beyond it.
    for pair in errors.windows(2) {
        assert!(
            (pair[0].0 / pair[1].0 - 100.0).abs() < 10.0 && (pair[0].1 / pair[1].1 - 10.0).abs() < 1.0,
            "{errors:?}"
        );
    }
}
