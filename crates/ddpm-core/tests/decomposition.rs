//! The error decomposition: reference values, independent computations of its terms, additivity.
#![allow(clippy::unwrap_used)]

use ddpm_core::classical::InitializationKind;
use ddpm_core::decomposition::{Decomposition, MonteCarlo, Settings, decompose, initialization_distance};
use ddpm_core::targets::Gaussian;
use ddpm_core::{Grid, Level, Posterior, Schedule, Target, TargetSpec, Variance};
use nalgebra::{DMatrix, DVector};
use statrs::distribution::ContinuousCDF;

fn parse(text: &str) -> Target {
    serde_json::from_str::<TargetSpec>(text).unwrap().build().unwrap()
}

fn reference() -> Target {
    parse(r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5],[1]],"stds":[0.25,0.4]}"#)
}

fn visited(train_steps: usize, steps: usize) -> Vec<Level> {
    let schedule = Schedule::linear(train_steps).unwrap();
    schedule.visited(&Grid::Trailing.visit(&schedule, steps).unwrap()).unwrap()
}

fn run(train_steps: usize, steps: usize, variance: Variance, perturbation: f64) -> Decomposition {
    let settings = Settings { perturbation, ..Settings::new(variance) };
    decompose(&reference(), &visited(train_steps, steps), &settings).unwrap()
}

fn close(name: &str, got: f64, expected: f64, relative: f64) {
    assert!((got / expected - 1.0).abs() < relative, "{name}: {got} is not {expected}");
}

#[test]
fn reference_values_of_the_one_dimensional_mixture() {
    for (t, expected) in
        [(1000, 0.003_678_439_7), (500, 0.007_347_234_8), (200, 0.018_298_634_2), (100, 0.036_384_501_4)]
    {
        let result = run(t, t, Variance::FixedLarge, 0.0);
        close(&format!("fixed-large {t}"), result.discretization.value, expected, 1e-7);
        assert_eq!((result.training.value, result.discretization.stderr), (0.0, 0.0));
    }
    let small = run(1000, 1000, Variance::FixedSmall, 0.0);
    close("init", small.init.value, 1.261_276_81e-6, 1e-7);
    close("fixed-small", small.discretization.value, 0.452_682_608_4, 1e-9);
    close("truncation", small.truncation_w2_bound, 0.010_000_188_2, 1e-8);
    // Stated to five digits.
    close("analytic", run(1000, 1000, Variance::Analytic, 0.0).discretization.value, 0.002_240_2, 2.3e-5);
    close(
        "trailing 50, fixed-large",
        run(1000, 50, Variance::FixedLarge, 0.0).discretization.value,
        0.069_557_3,
        1e-6,
    );
    close(
        "trailing 50, fixed-small",
        run(1000, 50, Variance::FixedSmall, 0.0).discretization.value,
        0.750_300_7,
        1e-6,
    );
    close("classical discretization", small.classical.discretization_max, 0.545_319, 1e-6);
    assert!((small.classical.w2_init - 0.25).abs() < 1e-4, "{:?}", small.classical);
}

#[test]
fn a_constant_error_adds_training_and_nothing_else() {
    for (variance, expected) in [(Variance::FixedSmall, 12.498_75), (Variance::FixedLarge, 7.157_567_4)] {
        let (ideal, off) = (run(1000, 1000, variance, 0.0), run(1000, 1000, variance, 0.05));
        close(variance.name(), off.training.value, expected, 1e-7);
        assert_eq!((off.init, off.discretization), (ideal.init, ideal.discretization));
        for (a, b) in off.levels.iter().zip(&ideal.levels) {
            assert!((a.mse - a.mmse - 0.0025).abs() < 1e-15 && a.mmse == b.mmse);
        }
        close("sum", off.classical.training_mse_sum - off.classical.mmse_sum.unwrap(), 2.5, 1e-9);
        assert_eq!(off.total.value, off.init.value + off.discretization.value + off.training.value);
    }
}

#[test]
fn a_constant_error_costs_its_square_by_the_weight_of_each_step() {
    // train_t = c_t^2 d D^2/(2 v_t), with c_t = sqrt(ab_s) beta_t/(1 - ab_t) and v_t = beta_t or (1 - ab_s)/(1 - ab_t) beta_t written out.
    let gaussian = parse(r#"{"kind":"gaussian","mean":[0.4,-0.3,0.1],"var":[1,0.5,0.2]}"#);
    for (target, levels) in [(reference(), visited(1000, 50)), (gaussian, visited(300, 300))] {
        for (variance, perturbation) in
            [(Variance::FixedSmall, 0.05), (Variance::FixedLarge, -0.2), (Variance::Analytic, 0.05)]
        {
            let ideal = decompose(&target, &levels, &Settings::new(variance)).unwrap();
            let off =
                decompose(&target, &levels, &Settings { perturbation, ..Settings::new(variance) }).unwrap();
            let mut sum = 0.0;
            for (k, pair) in levels.windows(2).enumerate() {
                let (ab_t, ab_s) = (pair[0].alpha_bar(), pair[1].alpha_bar());
                let beta = 1.0 - ab_t / ab_s;
                let c = ab_s.sqrt() * beta / (1.0 - ab_t);
                let d = target.dim() as f64;
                let v = match variance {
                    Variance::FixedLarge => beta,
                    Variance::FixedSmall => beta * (1.0 - ab_s) / (1.0 - ab_t),
                    _ => beta * (1.0 - ab_s) / (1.0 - ab_t) + c * c * ideal.levels[k].mmse / d,
                };
                let expected = c * c * d * perturbation * perturbation / (2.0 * v);
                close(&format!("{variance} {k}"), off.levels[k].training.unwrap(), expected, 1e-6);
                assert_eq!(off.levels[k].discretization, ideal.levels[k].discretization);
                sum += expected;
            }
            close(variance.name(), off.training.value, sum, 1e-6);
            assert_eq!((off.init, off.discretization), (ideal.init, ideal.discretization));
            assert_eq!(ideal.training.value, 0.0);
        }
    }
}

/// The reference mixture in two dimensions, the second independent: quadrature in one dimension knows every term.
fn in_the_plane() -> Target {
    parse(
        r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5,0],[1,0]],
              "covs":[[[0.0625,0],[0,0.5]],[[0.16,0],[0,0.5]]]}"#,
    )
}

#[test]
fn monte_carlo_agrees_with_quadrature_within_its_errors() {
    let levels = visited(1000, 20);
    let second = parse(r#"{"kind":"gaussian","mean":[0],"var":[0.5]}"#);
    for variance in [Variance::FixedLarge, Variance::FixedSmall] {
        let settings = Settings::new(variance);
        let (first, second) = (
            decompose(&reference(), &levels, &settings).unwrap(),
            decompose(&second, &levels, &settings).unwrap(),
        );
        let exact = first.discretization.value + second.discretization.value;
        let exact_init = first.init.value + second.init.value;
        let seeds = 100;
        let (mut immse, mut entropy, mut routes, mut init) = (0, 0, 0, 0);
        for seed in 0..seeds {
            let monte_carlo = MonteCarlo { images: 60, seed, ..MonteCarlo::default() };
            let result = decompose(&in_the_plane(), &levels, &Settings { monte_carlo, ..settings }).unwrap();
            let within =
                |value: f64, expected: f64, stderr: f64| u32::from((value - expected).abs() < 3.0 * stderr);
            let both = result.routes.unwrap();
            assert!(both.quadrature_error < 0.1 * both.discretization_immse.stderr, "{both:?}");
            assert_eq!(result.discretization, both.discretization_immse);
            immse += within(both.discretization_immse.value, exact, both.discretization_immse.stderr);
            entropy += within(both.discretization_entropy.value, exact, both.discretization_entropy.stderr);
            init += within(result.init.value, exact_init, result.init.stderr);
            let (a, b) = (both.information_entropy, both.information_immse);
            routes += within(a.value, b.value, a.stderr.hypot(b.stderr));
            let by_step: f64 = result.levels.iter().filter_map(|terms| terms.discretization).sum();
            assert!((by_step - result.discretization.value).abs() < 1e-9);
        }
        for (name, count) in [("I-MMSE", immse), ("entropy", entropy), ("routes", routes), ("init", init)] {
            assert!(count >= 95, "{variance} {name}: {count} of {seeds} within three standard errors");
        }
    }
}

/// KL between two Gaussians over the whole path, built as one joint law of all visited states.
fn joint_divergence(target: &Gaussian, visited: &[Level], variance: Variance, perturbation: f64) -> f64 {
    let d = target.dim();
    let n = visited.len();
    let covariance = target.covariance().map(|l| l);
    let mmse: Vec<f64> = visited.iter().map(|level| target.mmse(level) / d as f64).collect();
    // The noising path: x_k = alpha_k x_0 + noise, whose covariance between levels is that of a Markov chain.
    let block = |i: usize, j: usize| {
        let (low, high) = if visited[i].log_snr() > visited[j].log_snr() { (i, j) } else { (j, i) };
        let scale = visited[high].alpha() / visited[low].alpha();
        &covariance * (visited[i].alpha() * visited[j].alpha())
            + DMatrix::<f64>::identity(d, d) * (scale * visited[low].sigma().powi(2))
    };
    let mut q = DMatrix::zeros(n * d, n * d);
    let mut q_mean = DVector::zeros(n * d);
    for i in 0..n {
        for j in 0..n {
            q.view_mut((i * d, j * d), (d, d)).copy_from(&block(i, j));
        }
        for c in 0..d {
            q_mean[i * d + c] = visited[i].alpha() * target.mean()[c];
        }
    }
    // The generated path: x_{k+1} = A_k x_k + b_k + sqrt(v) z, from N(0, I).
    let mut p = DMatrix::zeros(n * d, n * d);
    let mut p_mean = DVector::zeros(n * d);
    p.view_mut((0, 0), (d, d)).copy_from(&DMatrix::identity(d, d));
    for k in 0..n - 1 {
        let posterior = Posterior::between(&visited[k], &visited[k + 1]);
        let v = variance.of(&posterior, Some(mmse[k])).unwrap();
        let zero = target.at(&vec![0.0; d], &visited[k]).mean;
        let jacobian =
            target.posterior_covariance(&visited[k]) * (visited[k].alpha() / visited[k].sigma().powi(2));
        let a = DMatrix::<f64>::identity(d, d) * posterior.of_x_t + jacobian * posterior.of_x0;
        let b = DVector::from_fn(d, |c, _| posterior.of_x0 * (zero[c] + perturbation));
        let mean = &a * p_mean.rows(k * d, d) + b;
        p_mean.rows_mut((k + 1) * d, d).copy_from(&mean);
        for j in 0..=k {
            let cross = &a * p.view((k * d, j * d), (d, d));
            p.view_mut(((k + 1) * d, j * d), (d, d)).copy_from(&cross);
            p.view_mut((j * d, (k + 1) * d), (d, d)).copy_from(&cross.transpose());
        }
        let own = &a * p.view((k * d, k * d), (d, d)) * a.transpose() + DMatrix::<f64>::identity(d, d) * v;
        p.view_mut(((k + 1) * d, (k + 1) * d), (d, d)).copy_from(&own);
    }
    let inverse = p.clone().cholesky().unwrap().inverse();
    let offset = &p_mean - &q_mean;
    let log_det = |m: DMatrix<f64>| 2.0 * m.cholesky().unwrap().l().diagonal().map(f64::ln).sum();
    0.5 * ((&inverse * &q).trace() + (offset.transpose() * &inverse * &offset)[0] - (n * d) as f64
        + log_det(p)
        - log_det(q))
}

#[test]
fn terms_add_up_to_the_divergence_of_the_joint_laws() {
    let target = parse(
        r#"{"kind":"gaussian","mean":[0.4,-0.3,0.1],"cov":[[1,0.5,0.1],[0.5,0.8,-0.2],[0.1,-0.2,0.3]]}"#,
    );
    let Target::Gaussian(law) = &target else { unreachable!() };
    for (schedule, steps) in [(Schedule::linear(1000).unwrap(), 8), (Schedule::cosine(60).unwrap(), 12)] {
        for grid in [Grid::Leading, Grid::Trailing, Grid::LogSnr] {
            let levels = schedule.visited(&grid.visit(&schedule, steps).unwrap()).unwrap();
            for variance in [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic] {
                for perturbation in [0.0, 0.05] {
                    let settings = Settings { perturbation, ..Settings::new(variance) };
                    let result = decompose(&target, &levels, &settings).unwrap();
                    let joint = joint_divergence(law, &levels, variance, perturbation);
                    let total = result.total.value;
                    assert!(
                        (total - joint).abs() < 1e-9 * (1.0 + joint),
                        "{grid} {variance} {perturbation}: {total} {joint}"
                    );
                    let by_level: f64 = result
                        .levels
                        .iter()
                        .map(|terms| terms.discretization.unwrap_or(0.0) + terms.training.unwrap_or(0.0))
                        .sum();
                    assert!((result.init.value + by_level - total).abs() < 1e-12 * (1.0 + total));
                }
            }
        }
    }
}

#[test]
fn a_step_is_the_divergence_of_its_conditional_laws() {
    // KL(q(x_s | x_t) || N(mean, v)) averaged over x_t, by quadrature in both variables.
    let target = reference();
    let levels = visited(1000, 10);
    for variance in [Variance::FixedLarge, Variance::FixedSmall] {
        for perturbation in [0.0, 0.05] {
            let settings = Settings { perturbation, ..Settings::new(variance) };
            let result = decompose(&target, &levels, &settings).unwrap();
            for k in [0, 4, 7, 8] {
                let (t, s) = (&levels[k], &levels[k + 1]);
                let posterior = Posterior::between(t, s);
                let v = variance.of(&posterior, None).unwrap();
                let log_normal =
                    |x: f64, m: f64, v: f64| -0.5 * ((x - m).powi(2) / v + (std::f64::consts::TAU * v).ln());
                let sum = |low: f64, high: f64, f: &dyn Fn(f64) -> f64| {
                    let n = 1200;
                    let h = (high - low) / f64::from(n);
                    (0..n).map(|i| f(low + (f64::from(i) + 0.5) * h) * h).sum::<f64>()
                };
                let direct = sum(-6.0, 6.0, &|x_t: f64| {
                    let at = target.at(&[x_t], t);
                    let mean = posterior.of_x_t * x_t + posterior.of_x0 * (at.mean[0] + perturbation);
                    let centre = posterior.of_x_t * x_t + posterior.of_x0 * at.mean[0];
                    let reach =
                        10.0 * (posterior.variance + posterior.of_x0.powi(2) * at.variance.max(1e-3)).sqrt();
                    let inner = sum(centre - reach, centre + reach, &|x_s: f64| {
                        let log_q =
                            log_normal(x_t, posterior.transition_scale * x_s, posterior.transition_variance)
                                + target.log_density(&[x_s], s)
                                - at.log_density;
                        log_q.exp() * (log_q - log_normal(x_s, mean, v))
                    });
                    at.log_density.exp() * inner
                });
                let terms = &result.levels[k];
                let expected = terms.discretization.unwrap() + terms.training.unwrap();
                assert!(
                    (direct - expected).abs() < 1e-6 * (1.0 + expected),
                    "{variance} {k}: {direct} {expected}"
                );
            }
        }
    }
}

#[test]
fn quadrature_and_closed_form_agree_on_a_gaussian() {
    let gaussian = parse(r#"{"kind":"gaussian","mean":[0.7],"var":[0.3]}"#);
    // The same law as a mixture of two equal halves takes the quadrature route.
    let mixture = parse(
        r#"{"kind":"mixture","weights":[0.4,0.6],"means":[[0.7],[0.7]],"stds":[0.5477225575051661,0.5477225575051661]}"#,
    );
    let levels = visited(200, 200);
    for variance in [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic] {
        let (a, b) = (
            decompose(&gaussian, &levels, &Settings::new(variance)).unwrap(),
            decompose(&mixture, &levels, &Settings::new(variance)).unwrap(),
        );
        assert!((a.init.value - b.init.value).abs() < 1e-12);
        assert!((a.discretization.value - b.discretization.value).abs() < 1e-9, "{variance} {a:?}");
        for (x, y) in a.levels.iter().zip(&b.levels) {
            assert!((x.mmse / y.mmse - 1.0).abs() < 1e-9);
            assert!((x.discretization.unwrap_or(0.0) - y.discretization.unwrap_or(0.0)).abs() < 1e-9);
        }
        assert!((a.classical.w2_init - b.classical.w2_init).abs() < 1e-9);
    }
}

#[test]
fn doubling_the_steps_halves_discretization_but_for_fixed_small() {
    let total = |t: usize, variance| run(t, t, variance, 0.0).discretization.value;
    for variance in [Variance::FixedLarge, Variance::Analytic] {
        let (coarse, fine) = (total(500, variance), total(1000, variance));
        assert!((coarse / fine - 2.0).abs() < 0.02, "{variance} {coarse} {fine}");
    }
    // Fixed-small tends to gamma/2 = 0.2886 a dimension: at the lowest levels sigma_t^2 grows like t whatever T is, and
    // sum over t of 1/2 [1/(t-1) - log(t/(t-1))] is half of Euler's constant. The approach is slow, since beta is constant for t << T/200 only.
    let law = parse(r#"{"kind":"gaussian","mean":[0,0],"var":[0.3,1.0]}"#);
    let per_dimension = |t: usize| {
        let schedule = Schedule::linear(t).unwrap();
        let levels: Vec<Level> = schedule.levels().rev().collect();
        decompose(&law, &levels, &Settings::new(Variance::FixedSmall)).unwrap().discretization.value / 2.0
    };
    let values = [1000, 16_000, 64_000, 256_000].map(per_dimension);
    println!("fixed-small discretization per dimension at T = 1000, 16000, 64000, 256000: {values:?}");
    assert!(values.windows(2).all(|pair| pair[0] > pair[1]));
    let extrapolated = (4.0 * values[3] - values[2]) / 3.0;
    assert!((extrapolated - 0.5 * 0.577_215_664_9).abs() < 1e-3, "{extrapolated}");
}

#[test]
fn the_initialization_distance_is_exact_in_one_dimension() {
    let levels = visited(100, 100);
    // Against sorted quantiles of both laws on a fine grid of probabilities.
    let result = decompose(&reference(), &levels[60..], &Settings::new(Variance::FixedLarge)).unwrap();
    let sigma = levels[60].relative_sigma();
    let normal = statrs::distribution::Normal::new(0.0, 1.0).unwrap();
    let cdf = |x: f64| {
        0.3 * normal.cdf((x + 1.5) / 0.25f64.hypot(sigma)) + 0.7 * normal.cdf((x - 1.0) / 0.4f64.hypot(sigma))
    };
    let n = 20_000;
    let squared: f64 = (0..n)
        .map(|i| {
            let u = (f64::from(i) + 0.5) / f64::from(n);
            let (mut low, mut high) = (-30.0, 30.0);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if cdf(middle) < u { low = middle } else { high = middle }
            }
            (low - sigma.hypot(1.0) * normal.inverse_cdf(u)).powi(2) / f64::from(n)
        })
        .sum();
    assert!(
        (result.classical.w2_init - squared.sqrt()).abs() < 1e-4,
        "{} {}",
        result.classical.w2_init,
        squared.sqrt()
    );
    assert_eq!(result.classical.w2_init_kind, InitializationKind::Exact);
    let plane = initialization_distance(&in_the_plane(), &levels[60]).unwrap();
    let [low, high] = plane.interval.unwrap();
    assert_eq!(plane.kind, InitializationKind::Coupling);
    assert!(low <= plane.w2 && plane.w2 <= high && high < 1.3 * low, "{plane:?}");
    assert!(initialization_distance(&reference(), &levels[60]).unwrap().w2 >= 0.25);
}

#[test]
fn zero_terminal_snr_has_no_initialization_error() {
    let schedule = Schedule::linear(100).unwrap().with_zero_terminal_snr().unwrap();
    let levels: Vec<Level> = schedule.levels().rev().collect();
    for target in [reference(), in_the_plane(), parse(r#"{"kind":"gaussian","mean":[0.4],"var":[0.3]}"#)] {
        let monte_carlo = MonteCarlo { images: 40, ..MonteCarlo::default() };
        let result =
            decompose(&target, &levels, &Settings { monte_carlo, ..Settings::new(Variance::FixedLarge) })
                .unwrap();
        assert!(result.init.value.abs() < 1e-12, "{:?}", result.init);
        assert!(
            result.discretization.value > 0.0 && result.discretization.value < 0.5,
            "{:?}",
            result.discretization
        );
    }
}

#[test]
fn bad_settings_are_errors() {
    let levels = visited(100, 10);
    let message = |target: &Target, levels: &[Level], settings: Settings| {
        decompose(target, levels, &settings).unwrap_err().to_string()
    };
    let large = Settings::new(Variance::FixedLarge);
    assert!(message(&reference(), &[], large).contains("visited levels"));
    assert!(message(&reference(), &[levels[1], levels[0]], large).contains("less noisy"));
    assert!(
        message(&reference(), &levels, Settings { perturbation: f64::NAN, ..large }).contains("perturbation")
    );
    assert!(message(&reference(), &levels, Settings::new(Variance::LearnedRange)).contains("learned-range"));
    let none = MonteCarlo { images: 0, ..MonteCarlo::default() };
    assert!(message(&in_the_plane(), &levels, Settings { monte_carlo: none, ..large }).contains("images"));
}
