//! Continuous processes: rates against marginals, limits of chains, and the duality of forward and reverse.
#![allow(clippy::unwrap_used)]

use ddpm_core::DriftCoefficients;
use ddpm_core::{Level, Process, ProcessKind, Schedule, TimeIndex};

fn all() -> Vec<(&'static str, Process)> {
    let mut all: Vec<(&'static str, Process)> =
        ProcessKind::ALL.iter().map(|&kind| (kind.into(), kind.process())).collect();
    all.push(("linear", Process::from_schedule(&Schedule::linear(100).unwrap()).unwrap()));
    all.push(("karras", Process::from_schedule(&Schedule::karras(0.002, 80.0, 7.0, 40).unwrap()).unwrap()));
    all
}

/// Times inside the range of a process, away from its ends.
fn times(process: &Process) -> Vec<f64> {
    let (least, most) = process.time_range();
    [0.013, 0.1, 0.371, 0.62, 0.97].iter().map(|u| least + u * (most - least)).collect()
}

#[test]
fn rates_are_the_derivatives_of_the_marginals() {
    for (name, process) in all() {
        for t in times(&process) {
            let h = 1e-5 * t;
            let (before, after) = (process.level(t - h).unwrap(), process.level(t + h).unwrap());
            let rates = process.rates(t).unwrap();
            let drift = (after.alpha().ln() - before.alpha().ln()) / (2.0 * h);
            assert!((drift - rates.drift).abs() < 1e-6 * (1.0 + drift.abs()), "{name} f({t})");
            // d sigma^2/dt = 2 f sigma^2 + g^2.
            let sigma_squared = process.level(t).unwrap().sigma().powi(2);
            let growth = (after.sigma().powi(2) - before.sigma().powi(2)) / (2.0 * h);
            let expected = 2.0 * rates.drift * sigma_squared + rates.diffusion_squared;
            assert!((growth / expected - 1.0).abs() < 1e-5, "{name} g({t}): {growth} {expected}");
        }
    }
}

#[test]
fn the_time_of_a_level_inverts_the_level_of_a_time() {
    for (name, process) in all() {
        let (least, most) = process.time_range();
        for t in times(&process).into_iter().chain([most]) {
            let level = process.level(t).unwrap();
            assert!((process.time_of(&level).unwrap() / t - 1.0).abs() < 1e-9, "{name} {t}");
            let again = process.level_at_log_snr(level.log_snr()).unwrap();
            assert!(
                (again.alpha() - level.alpha()).abs() < 1e-9
                    && (again.sigma() / level.sigma() - 1.0).abs() < 1e-9
            );
        }
        assert!(
            process.level(most * 1.01).is_err()
                && process.level(least - 0.1).is_err()
                && process.rates(f64::NAN).is_err()
        );
    }
}

#[test]
fn a_schedule_read_as_a_process_passes_through_its_levels() {
    let schedule = Schedule::cosine(50).unwrap();
    let process = Process::from_schedule(&schedule).unwrap();
    for (i, level) in schedule.levels().enumerate() {
        assert_eq!(process.level(i as f64 + 1.0).unwrap(), level);
    }
    assert_eq!(process.time_of(&schedule.level(TimeIndex(7))).unwrap(), 8.0);
    let zero_snr = Schedule::linear(50).unwrap().with_zero_terminal_snr().unwrap();
    assert!(Process::from_schedule(&zero_snr).unwrap_err().to_string().contains("zero terminal SNR"));
}

#[test]
fn alpha_bar_of_a_chain_tends_to_the_ornstein_uhlenbeck_decay_at_first_order() {
    let gap = |steps: usize| {
        let schedule = Schedule::linear(steps).unwrap();
        let mut t = 0.0;
        schedule
            .levels()
            .zip(schedule.betas())
            .map(|(level, beta)| {
                t += beta;
                let process = Process::OrnsteinUhlenbeck { horizon: 20.0 };
                (level.alpha_bar() - process.level(t).unwrap().alpha_bar()).abs()
            })
            .fold(0.0, f64::max)
    };
    let gaps = [gap(500), gap(1000), gap(2000)];
    assert!(gaps[1] < 4e-3, "{gaps:?}");
    for pair in gaps.windows(2) {
        assert!((pair[0] / pair[1] - 2.0).abs() < 0.05, "not first order: {gaps:?}");
    }
}

#[test]
fn the_linear_schedule_tends_to_the_vp_process() {
    let schedule = Schedule::linear(100_000).unwrap();
    for (index, t) in [(9_999, 0.1), (49_999, 0.5), (99_999, 1.0)] {
        let chain = schedule.level(TimeIndex(index)).log_snr();
        assert!((chain - Process::VP.level(t).unwrap().log_snr()).abs() < 2e-3);
    }
}

#[test]
fn the_halved_beta_convention_is_the_same_process() {
    for t in [1e-5, 1e-3, 0.3, 1.0] {
        // dx = -beta' x dt + sqrt(2 beta') dW, beta' = 0.05 + 9.95 t.
        let halved_beta = 0.05 + 9.95 * t;
        let integral = 0.05 * t + 0.5 * 9.95 * t * t;
        let level = Process::VP.level(t).unwrap();
        assert!((level.alpha_bar() / (-2.0 * integral).exp() - 1.0).abs() < 1e-13);
        let rates = Process::VP.rates(t).unwrap();
        assert!(
            (rates.drift + halved_beta).abs() < 1e-13
                && (rates.diffusion_squared - 2.0 * halved_beta).abs() < 1e-13
        );
    }
}

/// Carries (mean, variance) of a Gaussian from `t1` down to `t0` under dx = drift dt + diffusion dW with the exact score of the forward
/// marginals N(alpha m, alpha^2 lambda + sigma^2), by RK4 in fine steps.
fn carry(
    process: &Process,
    reversal: fn(&Process, f64) -> DriftCoefficients,
    m: f64,
    lambda: f64,
    t1: f64,
    t0: f64,
) -> (f64, f64) {
    let moments = |level: &Level| (level.alpha() * m, level.alpha_bar() * lambda + level.sigma().powi(2));
    let derivative = |t: f64, (mean, variance): (f64, f64)| {
        let c = reversal(process, t);
        let (centre, spread) = moments(&process.level(t).unwrap());
        let slope = c.of_x - c.of_score / spread;
        // Time runs down: the noise adds variance as t falls.
        (slope * mean + c.of_score * centre / spread, 2.0 * slope * variance - c.diffusion.powi(2))
    };
    let steps = 4000;
    let mut state = moments(&process.level(t1).unwrap());
    // Steps uniform in log(t) resolve the stiff end.
    let ratio = (t0 / t1).powf(1.0 / f64::from(steps));
    let mut t = t1;
    for _ in 0..steps {
        let h = t * ratio - t;
        let add = |a: (f64, f64), k: (f64, f64), w: f64| (a.0 + w * k.0, a.1 + w * k.1);
        let k1 = derivative(t, state);
        let k2 = derivative(t + 0.5 * h, add(state, k1, 0.5 * h));
        let k3 = derivative(t + 0.5 * h, add(state, k2, 0.5 * h));
        let k4 = derivative(t + h, add(state, k3, h));
        state = add(add(add(add(state, k1, h / 6.0), k2, h / 3.0), k3, h / 3.0), k4, h / 6.0);
        t += h;
    }
    state
}

#[test]
fn reversing_the_forward_process_returns_its_marginals() {
    let (m, lambda) = (0.7, 0.3);
    for (name, process) in ProcessKind::ALL.iter().map(|kind| (kind, kind.process())) {
        let (_, most) = process.time_range();
        let (t1, t0) = (0.6 * most, 0.02 * most);
        let low = process.level(t0).unwrap();
        let expected = (low.alpha() * m, low.alpha_bar() * lambda + low.sigma().powi(2));
        let reversals: [fn(&Process, f64) -> DriftCoefficients; 2] = [
            |process, t| process.rates(t).unwrap().reverse_sde(),
            |process, t| process.rates(t).unwrap().probability_flow(),
        ];
        for reversal in reversals {
            let (mean, variance) = carry(&process, reversal, m, lambda, t1, t0);
            assert!((mean / expected.0 - 1.0).abs() < 1e-6, "{name}: mean {mean} {expected:?}");
            assert!((variance / expected.1 - 1.0).abs() < 1e-6, "{name}: variance {variance} {expected:?}");
        }
    }
}

#[test]
fn processes_are_named() {
    assert_eq!("vp".parse::<ProcessKind>().unwrap().process(), Process::VP);
    assert!("vpp".parse::<ProcessKind>().unwrap_err().to_string().contains("vp, sub-vp, ve, ou, edm"));
}
