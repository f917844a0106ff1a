//! Identities between samplers' steps, and their agreement with formulas written another way.
#![allow(clippy::unwrap_used)]

use ddpm_core::scheme::{
    Churn, Order, SamplerInfo, Tableau, ancestral, ancestral_rate, ddim, dpm_solver_pp, edm, euler_maruyama,
    exponential_integrator, runge_kutta, unipc,
};
use ddpm_core::{
    Grid, Level, Posterior, Process, SAMPLERS, Scale, Schedule, Scheme, Step, TimeIndex, Trajectory, Variance,
};

fn levels() -> Vec<Level> {
    let schedule = Schedule::cosine(40).unwrap();
    let mut levels: Vec<Level> = schedule.levels().rev().collect();
    levels.push(Level::CLEAN);
    levels
}

fn assert_same(a: &Step, b: &Step) {
    assert_eq!(a.evaluations(), b.evaluations());
    let (a, b) = (&a.output, &b.output);
    assert!((a.of_x - b.of_x).abs() < 1e-12, "{a:?} {b:?}");
    for (x, y) in a.of_x0.iter().zip(&b.of_x0).chain(a.of_noise.iter().zip(&b.of_noise)) {
        assert!((x - y).abs() < 1e-12, "{a:?} {b:?}");
    }
    assert_eq!((a.of_x0.len(), a.of_noise.len()), (b.of_x0.len(), b.of_noise.len()));
}

#[test]
fn ddim_with_eta_one_is_ddpm_with_the_posterior_variance() {
    for pair in levels().windows(2) {
        let ddpm = ancestral(&pair[0], &pair[1], Variance::FixedSmall, None).unwrap();
        assert_same(&ddim(&pair[0], &pair[1], 1.0, false).unwrap(), &ddpm);
    }
}

#[test]
fn ddim_without_noise_is_the_first_order_solver_and_euler_in_sigma() {
    for pair in levels().windows(2) {
        let (t, s) = (&pair[0], &pair[1]);
        let ddim = ddim(t, s, 0.0, false).unwrap();
        assert_same(&ddim, &dpm_solver_pp(t, s, &[], Order::First, false));
        // Euler in k = sigma/alpha: y_s = y + (k_s - k_t)(y - D)/k_t.
        let (k_t, k_s) = (t.relative_sigma(), s.relative_sigma());
        let of_x = s.alpha() / t.alpha() * (1.0 + (k_s - k_t) / k_t);
        assert!((ddim.output.of_x - of_x).abs() < 1e-12);
        assert!((ddim.output.of_x0[0] - s.alpha() * (k_t - k_s) / k_t).abs() < 1e-12);
    }
}

#[test]
fn a_step_to_data_is_the_denoisers_answer() {
    let schedule = Schedule::linear(1000).unwrap();
    let trajectory = Trajectory::discrete(&schedule, &Grid::Trailing.timesteps(1000, 50).unwrap()).unwrap();
    for info in SAMPLERS {
        if info.name == "langevin" {
            continue;
        }
        let plan = info.scheme.plan(&trajectory).unwrap();
        let output = &plan.last().unwrap().output;
        assert!(
            output.of_x.abs() < 1e-12 && (output.of_x0[0] - 1.0).abs() < 1e-12,
            "{}: {output:?}",
            info.name
        );
        assert!(
            output.of_noise.is_empty() && output.of_x0[1..].iter().all(|w| w.abs() < 1e-12),
            "{}",
            info.name
        );
    }
}

#[test]
fn the_table_tells_what_plans_cost() {
    let schedule = Schedule::linear(1000).unwrap();
    let trajectory = Trajectory::discrete(&schedule, &Grid::Trailing.timesteps(1000, 50).unwrap()).unwrap();
    for info in SAMPLERS {
        assert_eq!(SamplerInfo::find(info.name).unwrap().name, info.name);
        assert_eq!(info.scheme.name(), info.name);
        let plan = info.scheme.plan(&trajectory).unwrap();
        let middle = &plan[plan.len() / 2];
        assert_eq!(middle.evaluations() as u32, info.evaluations, "{}", info.name);
        assert_eq!(middle.draws() as u32, info.draws, "{}", info.name);
        let total: usize = plan.iter().map(Step::evaluations).sum();
        if info.name == "unipc" {
            assert_eq!(total, 50);
        }
        let json = serde_json::to_string(&info.scheme).unwrap();
        assert!(json.contains(&format!("\"sampler\":\"{}\"", info.name)), "{json}");
        assert_eq!(serde_json::from_str::<Scheme>(&json).unwrap(), info.scheme);
    }
    assert!(SamplerInfo::find("dpm").unwrap_err().to_string().contains("dpmpp-2m"));
}

#[test]
fn weights_of_every_sampler_reproduce_a_point_mass() {
    // Where the data are one point m, D = m always, and x = alpha m + sigma e moves along the ray of e without error in exact methods; the
    // mean of every sampler that integrates the linear part exactly lands on alpha_s m from alpha_t m.
    let schedule = Schedule::cosine(60).unwrap();
    let trajectory = Trajectory::discrete(&schedule, &Grid::Trailing.timesteps(60, 12).unwrap()).unwrap();
    for name in [
        "ddpm",
        "ddim",
        "ei",
        "edm",
        "dpmpp-2m",
        "dpmpp-2m-sde",
        "dpmpp-3m",
        "dpmpp-3m-sde",
        "unipc",
        "predictor-corrector",
    ] {
        for step in SamplerInfo::find(name).unwrap().scheme.plan(&trajectory).unwrap() {
            let d = vec![0.8; step.output.of_x0.len()];
            let x = step.output.apply(step.from.alpha() * 0.8, &d, &[]);
            assert!((x - step.to.alpha() * 0.8).abs() < 1e-12, "{name}: {x}");
        }
    }
}

#[test]
fn published_forms_of_the_vp_steps() {
    // dx = -beta x dt + sqrt(2 beta) dW, beta = 0.05 + 9.95 t (Pierret & Galerne 2025), x and score as independent variables.
    let process = Process::VP;
    let (time, h) = (0.4, 0.02);
    let (t, s) = (process.level(time).unwrap(), process.level(time - h).unwrap());
    let rates = process.rates(time).unwrap();
    let beta = 0.05 + 9.95 * time;
    let integral = |t: f64| 0.05 * t + 0.5 * 9.95 * t * t;
    let growth = (integral(time) - integral(time - h)).exp();
    let b = 2.0 * h * beta;
    let (x, score) = (0.7, -0.3);
    let d0 = (x + t.sigma().powi(2) * score) / t.alpha();
    let mean = |step: &Step| step.output.apply(x, &[d0], &[]);
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");

    let em = euler_maruyama(&t, &s, &rates, h);
    close(mean(&em), x + h * beta * (x + 2.0 * score));
    close(em.output.of_noise[0].powi(2), 2.0 * h * beta);
    let ei = exponential_integrator(&t, &s, Scale::VariancePreserving);
    close(mean(&ei), growth * x + 2.0 * (growth - 1.0) * score);
    close(ei.output.of_noise[0].powi(2), growth * growth - 1.0);
    let ddpm = ancestral_rate(&t, &s, Scale::VariancePreserving, &rates, h).unwrap();
    close(mean(&ddpm), (x + b * score) / (1.0 - b).sqrt());
    close(ddpm.output.of_noise[0].powi(2), b);
    let euler = runge_kutta(&process, &t, &s, &Tableau::EULER).unwrap();
    close(mean(&euler), x + h * beta * (x + score));
}

#[test]
fn frozen_and_exact_ancestral_steps_meet_as_steps_shrink() {
    let process = Process::VP;
    let gap = |h: f64| {
        let (t, s) = (process.level(0.5).unwrap(), process.level(0.5 - h).unwrap());
        let rate =
            ancestral_rate(&t, &s, Scale::VariancePreserving, &process.rates(0.5).unwrap(), h).unwrap();
        let exact = ancestral(&t, &s, Variance::FixedLarge, None).unwrap();
        (rate.output.of_x - exact.output.of_x).abs()
    };
    // The local difference is of second order.
    assert!((gap(1e-3) / gap(5e-4) - 4.0).abs() < 0.05);
}

#[test]
fn third_order_weights_are_exact_on_quadratics_in_the_log_snr() {
    // D(l) a polynomial: the exact step is known from integrals of e^{kh(u-1)} u^n, here by a fine midpoint rule.
    let level = |l: f64| Level::variance_exploding(2.0 * l, ddpm_core::Time::Clean);
    let points = [-1.0, -0.55, -0.2, 0.3];
    let [older, before, t, s] = points.map(level);
    let h = points[3] - points[2];
    for (stochastic, rate) in [(false, 1.0), (true, 2.0)] {
        for (order, degree) in [(Order::First, 0), (Order::Third, 2)] {
            let step = dpm_solver_pp(&t, &s, &[before, older], order, stochastic);
            for power in 0..=degree {
                let d = |l: f64| l.powi(power);
                let got = step.output.apply(0.0, &[d(points[2]), d(points[1]), d(points[0])], &[]);
                let n = 200_000;
                let exact: f64 = (0..n)
                    .map(|i| {
                        let u = (f64::from(i) + 0.5) / f64::from(n);
                        rate * h * (rate * h * (u - 1.0)).exp() * d(points[2] + u * h) / f64::from(n)
                    })
                    .sum();
                assert!((got - exact).abs() < 1e-10, "{order:?} {power} {got} {exact}");
            }
        }
    }
}

#[test]
fn unipc_correctors_are_exact_on_quadratics_too() {
    let level = |l: f64| Level::variance_exploding(2.0 * l, ddpm_core::Time::Clean);
    let points = [-0.55, -0.2, 0.3];
    let [before, t, s] = points.map(level);
    let third = dpm_solver_pp(&s, &level(1.0), &[t, before], Order::Third, false);
    assert_eq!(third.stages.len(), 1);
    let step = unipc(&t, &s, Some(&before), false);
    let h = points[2] - points[1];
    for power in 0..=2 {
        let d = |l: f64| l.powi(power);
        let got = step.output.apply(0.0, &[d(points[2]), d(points[1]), d(points[0])], &[]);
        let n = 200_000;
        let exact: f64 = (0..n)
            .map(|i| {
                let u = (f64::from(i) + 0.5) / f64::from(n);
                h * (h * (u - 1.0)).exp() * d(points[1] + u * h) / f64::from(n)
            })
            .sum();
        assert!((got - exact).abs() < 1e-10, "{power} {got} {exact}");
    }
}

#[test]
fn churn_raises_the_noise_and_the_state_keeps_its_law() {
    let schedule = Schedule::linear(100).unwrap();
    let trajectory = Trajectory::discrete(&schedule, &Grid::Trailing.timesteps(100, 20).unwrap()).unwrap();
    let churn = Churn { amount: 4.0, min: 0.05, max: 10.0, noise: 1.0 };
    let plan = Scheme::Edm { churn }.plan(&trajectory).unwrap();
    let raised = plan.iter().filter(|step| step.stages[0].level.log_snr() < step.from.log_snr()).count();
    assert!(raised > 5 && raised < plan.len());
    for step in plan {
        let stage = &step.stages[0];
        // alpha' e = a (alpha x0 + sigma e) + c z must be a level's state: a alpha = alpha', (a sigma)^2 + c^2 = sigma'^2.
        let noise = stage.state.of_noise.first().copied().unwrap_or(0.0);
        assert!((stage.state.of_x * step.from.alpha() / stage.level.alpha() - 1.0).abs() < 1e-12);
        let sigma = (stage.state.of_x * step.from.sigma()).hypot(noise);
        assert!((sigma / stage.level.sigma() - 1.0).abs() < 1e-9);
    }
    let (t, s) = (schedule.level(TimeIndex(50)), schedule.level(TimeIndex(40)));
    let heun = edm(&t, &t, &s, 1.0);
    assert_eq!(heun.draws(), 0);
    assert_eq!(heun.memory(), 2);
}

#[test]
fn what_a_sampler_cannot_do_is_said() {
    let schedule = Schedule::linear(100).unwrap().with_zero_terminal_snr().unwrap();
    let trajectory = Trajectory::discrete(&schedule, &Grid::Trailing.timesteps(100, 10).unwrap()).unwrap();
    let message = |scheme: Scheme| scheme.plan(&trajectory).unwrap_err().to_string();
    assert!(message(Scheme::OdeRk4).contains("use ddpm or ddim"));
    assert!(message(Scheme::Ei).contains("sampler ei cannot start at a level without signal"));
    assert!(message(Scheme::Edm { churn: Churn::default() }).contains("sampler edm cannot"));
    assert!(
        message(Scheme::AnnealedLangevin { epsilon: Some(1e-5), steps: 1, constant_step: false })
            .contains("annealed-langevin cannot")
    );
    let some_signal = Trajectory::discrete(&Schedule::linear(100).unwrap(), &[TimeIndex(50)]).unwrap();
    let churn = Churn { amount: -1.0, ..Churn::default() };
    assert!(Scheme::Edm { churn }.plan(&some_signal).unwrap_err().to_string().contains("churn amount"));
    assert!(Scheme::Langevin { relative_step: 0.0, steps: 3 }.plan(&some_signal).is_err());
    assert!(message(Scheme::ddim(1.5)).contains("eta must be between 0 and 1, got 1.5"));
    assert!(message(Scheme::Ddpm { variance: Variance::Analytic }).contains("analytic"));
    let ends_at_data = Trajectory::continuous(&Process::VP, &[1.0, 0.5, 0.0]).unwrap();
    assert!(Scheme::OdeHeun.plan(&ends_at_data).unwrap_err().to_string().contains("t-min"));
    assert!(Scheme::OdeEuler.plan(&ends_at_data).is_ok());
    assert!(Scheme::DdpmRate.plan(&ends_at_data).unwrap_err().to_string().contains("take more steps"));
    assert!(
        Trajectory::continuous(&Process::VP, &[0.5, 0.5]).unwrap_err().to_string().contains("less noisy")
    );
    assert!(Trajectory::continuous(&Process::VP, &[0.5]).is_err());
    let sub_vp = Process::SubVariancePreserving { beta_min: 0.1, beta_max: 20.0 };
    let trajectory = Trajectory::continuous(&sub_vp, &[0.5, 0.4]).unwrap();
    assert!(Scheme::DdpmRate.plan(&trajectory).unwrap_err().to_string().contains("sub-vp"));
    assert!(Scheme::Ddpm { variance: Variance::FixedLarge }.plan(&trajectory).is_ok());
}

#[test]
fn levels_without_signal_are_left_by_the_posterior() {
    let schedule = Schedule::linear(100).unwrap().with_zero_terminal_snr().unwrap();
    let trajectory = Trajectory::discrete(&schedule, &Grid::Trailing.timesteps(100, 10).unwrap()).unwrap();
    for name in ["ddpm", "ddim", "dpmpp-2m", "dpmpp-3m", "dpmpp-2m-sde", "unipc"] {
        let plan = SamplerInfo::find(name).unwrap().scheme.plan(&trajectory).unwrap();
        for step in &plan {
            let output = &step.output;
            let all = output.of_x0.iter().chain(&output.of_noise).chain([&output.of_x]);
            assert!(all.clone().all(|weight| weight.is_finite()), "{name}: {output:?}");
        }
        let first = &plan[0];
        let expected = Posterior::between(&first.from, &first.to);
        if name == "ddpm" {
            assert_eq!((first.output.of_x, first.output.of_x0[0]), (0.0, expected.of_x0));
        }
    }
}

#[test]
fn no_scalar_overflows_single_precision_on_any_schedule_and_grid() {
    // Rates frozen over a step have a limit of their own, which is an error, not an infinity.
    let single = |weights: &ddpm_core::Combination| {
        let all = weights.of_x0.iter().chain(&weights.of_noise).chain([&weights.of_x]);
        all.clone().all(|&weight| (weight as f32).is_finite())
    };
    let mut plans = 0;
    for kind in ddpm_core::ScheduleKind::ALL.iter().copied().take(7) {
        for train_steps in [50, 1000] {
            let schedule = ddpm_core::ScheduleConfig::with_steps(kind, train_steps).build().unwrap();
            for &grid in Grid::ALL {
                for steps in [1, 2, 10, 50] {
                    let timesteps = grid.visit(&schedule, steps).unwrap();
                    let trajectory = Trajectory::discrete(&schedule, &timesteps).unwrap();
                    for info in SAMPLERS.iter().filter(|info| info.name != "ddpm-rate") {
                        for step in info.scheme.plan(&trajectory).unwrap() {
                            let states = step.stages.iter().map(|stage| &stage.state);
                            let finite = states.chain([&step.output]).chain(&step.error).all(single);
                            assert!(finite, "{kind} {train_steps} {grid} {steps} {}: {step:?}", info.name);
                        }
                        plans += 1;
                    }
                }
            }
        }
    }
    assert_eq!(plans, 7 * 2 * 6 * 4 * 17);
}
