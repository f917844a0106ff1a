//! Identities of error curves: parts that add up whatever the floor, the variational bound, placement, advice and intervals.
#![allow(clippy::unwrap_used)]

use ddpm_core::decomposition::curve::{
    ErrorCurve, error_integral, half_integral_weights, log_trapezoid, power_law_integral, split, step_bounds,
};
use ddpm_core::decomposition::{
    Decomposition, MeasuredModel, MonteCarlo, ReverseStep, ScheduleCurve, Settings, VariationalBound,
    decoder_variance, decompose, gaussian_initialization, prior_divergence, reverse_steps,
};
use ddpm_core::interval::{Estimate, Interval};
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::targets::Empirical;
use ddpm_core::{Grid, Level, Schedule, Target, TargetSpec, Time, Variance};
use proptest::prelude::*;

fn parse(text: &str) -> Target {
    serde_json::from_str::<TargetSpec>(text).unwrap().build().unwrap()
}

fn reference() -> Target {
    parse(r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5],[1]],"stds":[0.25,0.4]}"#)
}

fn all_levels(steps: usize) -> Vec<Level> {
    Schedule::linear(steps).unwrap().levels().rev().collect()
}

fn visited(steps: usize) -> Vec<Level> {
    let schedule = Schedule::linear(1000).unwrap();
    schedule.visited(&Grid::Trailing.visit(&schedule, steps).unwrap()).unwrap()
}

fn exact(levels: &[Level], variance: Variance, perturbation: f64) -> (Decomposition, Vec<f64>, Vec<f64>) {
    let result =
        decompose(&reference(), levels, &Settings { perturbation, ..Settings::new(variance) }).unwrap();
    let mmse = result.levels.iter().map(|terms| terms.mmse).collect();
    let mse = result.levels.iter().map(|terms| terms.mse).collect();
    (result, mmse, mse)
}

/// Half of the integral of a curve over `levels` by a rule for one step.
fn half_integral(levels: &[Level], curve: &[f64], rule: fn(&Level, &Level, f64, f64) -> f64) -> f64 {
    half_integral_weights(levels, rule).iter().zip(curve).map(|(weight, m)| weight * m).sum()
}

fn t_interval(values: &[f64]) -> Interval {
    Estimate::of(values.iter().copied()).unwrap().interval(0.95)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn parts_add_up_for_every_floor(seed in 0u64..1000, steps in 2usize..40, dim in 1usize..100) {
        let levels = visited(steps);
        let source = NoiseSource::new(seed, Purpose::Evaluation);
        let positive = |draw| source.normal(0, draw, steps).into_iter().map(f64::exp).collect::<Vec<f64>>();
        let (mse, floor) = (positive(0), positive(1));
        let mse_per_component: Vec<f64> = mse.iter().map(|m| m / dim as f64).collect();
        for variance in [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic] {
            let reverse = reverse_steps(&levels, variance, Some(&mse_per_component)).unwrap();
            let parts = split(&reverse, dim, &mse, &floor).unwrap();
            let bound: f64 = step_bounds(&reverse, dim, &mse).unwrap().iter().sum();
            prop_assert!((parts.total.sum() / bound - 1.0).abs() < 1e-12);
            prop_assert!((half_integral(&levels, &floor, log_trapezoid) / parts.total.information - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn with_the_true_floor_the_parts_are_the_exact_terms() {
    let levels = all_levels(1000);
    for variance in [Variance::FixedSmall, Variance::FixedLarge] {
        let (result, mmse, mse) = exact(&levels, variance, 0.05);
        let steps = reverse_steps(&levels, variance, None).unwrap();
        let parts = split(&steps, 1, &mse, &mmse).unwrap();
        assert!((parts.total.training / result.training.value - 1.0).abs() < 1e-12);
        let error = (parts.total.discretization - result.discretization.value).abs();
        // The quadrature error is stated, and the true one is below it.
        assert!(error < parts.quadrature_error, "{error} {}", parts.quadrature_error);
        assert!(parts.quadrature_error < 3.0 * error + 1e-5, "{error} {}", parts.quadrature_error);
    }
}

#[test]
fn log_snr_is_the_coordinate_to_integrate_in() {
    // Gaussian data of variance l: the integral of l/(1 + l snr) is log(1 + l snr).
    let l = 0.4;
    let m = |level: &Level| l / (1.0 + l * level.snr());
    let levels = visited(50);
    let (mut trapezoid, mut power, mut plain, mut truth) = (0.0, 0.0, 0.0, 0.0);
    for pair in levels.windows(2) {
        let (t, s) = (&pair[0], &pair[1]);
        trapezoid += log_trapezoid(t, s, m(t), m(s));
        power += power_law_integral(t, s, m(t), m(s));
        plain += 0.5 * (s.snr() - t.snr()) * (m(s) + m(t));
        truth += ((1.0 + l * s.snr()) / (1.0 + l * t.snr())).ln();
    }
    assert!(
        (trapezoid - truth).abs() < 0.02 * truth && (power - truth).abs() < 0.02 * truth,
        "{trapezoid} {power} {truth}"
    );
    assert!((plain - truth).abs() > 10.0 * (trapezoid - truth).abs(), "{plain} {trapezoid} {truth}");
    // Constant snr m: both are exact.
    let (t, s) = (&levels[3], &levels[4]);
    let width = s.log_snr() - t.log_snr();
    assert!((power_law_integral(t, s, 1.0 / t.snr(), 1.0 / s.snr()) - width).abs() < 1e-12);
    assert!((log_trapezoid(t, s, 1.0 / t.snr(), 1.0 / s.snr()) - width).abs() < 1e-12);
    let pure = Level::variance_preserving(f64::NEG_INFINITY, Time::Clean);
    assert!((log_trapezoid(&pure, t, 0.7, 0.7) - 0.7 * t.snr()).abs() < 1e-15);
}

#[test]
fn the_bound_is_the_sum_of_errors_information_and_decoder() {
    // VLB = init + sum disc + sum train + I_1 + L_0, with L_T = init + I_T.
    let levels = all_levels(200);
    let (result, _, mse) = exact(&levels, Variance::FixedLarge, 0.05);
    let steps = reverse_steps(&levels, Variance::FixedLarge, None).unwrap();
    let second_moment = reference().second_moment();
    let decoder = 1.234;
    let bound = VariationalBound::new(&steps, 1, second_moment, &mse, decoder).unwrap();
    // I at both ends from the log density of samples at quadrature points: a trapezoid over x.
    let information = |level: &Level| {
        let n = 40_000;
        let reach = 12.0;
        let h = 2.0 * reach / f64::from(n);
        let entropy: f64 = (0..n)
            .map(|i| {
                let log_q = reference().log_density(&[-reach + (f64::from(i) + 0.5) * h], level);
                -h * log_q.exp() * log_q
            })
            .sum();
        entropy - 0.5 * (std::f64::consts::TAU * std::f64::consts::E * level.sigma().powi(2)).ln()
    };
    let (at_top, at_bottom) = (information(&levels[0]), information(&levels[199]));
    assert!((bound.prior - result.init.value - at_top).abs() < 1e-9);
    let sum = result.total.value + at_bottom + decoder;
    assert!((bound.nats() - sum).abs() < 1e-8, "{} {sum}", bound.nats());
}

#[test]
fn the_continuum_gap_of_the_perturbed_reference_is_negative() {
    let levels = all_levels(1000);
    let (result, _, mse) = exact(&levels, Variance::FixedLarge, 0.05);
    let steps = reverse_steps(&levels, Variance::FixedLarge, None).unwrap();
    let bound = VariationalBound::new(&steps, 1, reference().second_moment(), &mse, 0.0).unwrap();
    // The constant part of the error costs 0.0025/2 (snr_1 - snr_T) in the limit, its share of the exact terms without one.
    let limit = 0.00125 * (levels[999].snr() - levels[0].snr());
    let exact = result.discretization.value + result.training.value - limit;
    let gap = bound.denoising - half_integral(&levels, &mse, error_integral);
    assert!((gap - exact).abs() < 2e-3, "{gap} {exact}");
    assert!((gap + 5.34).abs() < 0.005, "{gap}");
    assert!((result.discretization.value - 0.0037).abs() < 1e-4);
}

#[test]
fn an_empirical_measure_carries_at_most_log_n() {
    let points = vec![-1.0, -0.2, 0.3, 0.35, 1.1];
    let target = Target::Empirical(Empirical::new(1, points).unwrap());
    let levels: Vec<Level> =
        (0..400).map(|i| Level::variance_preserving(-12.0 + 0.075 * f64::from(i), Time::Clean)).collect();
    let result = decompose(&target, &levels, &Settings::new(Variance::FixedSmall)).unwrap();
    let mmse: Vec<f64> = result.levels.iter().map(|terms| terms.mmse).collect();
    let information = half_integral(&levels, &mmse, log_trapezoid);
    assert!(information < 5f64.ln() && information > 5f64.ln() - 1e-3, "{information}");
}

#[test]
fn empirical_floors_bracket_the_population() {
    // mmse_emp(train) <= population mmse <= error of the memorizer on held-out data, in expectation over training sets.
    let target = reference();
    let level = Level::variance_preserving(1.5, Time::Clean);
    let (mut training, mut held_out) = (0.0, 0.0);
    let source = NoiseSource::new(5, Purpose::Target);
    let (sets, size) = (200, 12);
    for set in 0..sets {
        let points: Vec<f64> = (0..size).map(|i| target.sample(&source, set * size + i)[0]).collect();
        let empirical = Target::Empirical(Empirical::new(1, points.clone()).unwrap());
        for (i, &x0) in points.iter().enumerate() {
            let noise = source.normal(set * size + i as u64, 9, 1)[0];
            let error = |x0: f64| {
                (x0 - empirical.denoise(&[level.alpha() * x0 + level.sigma() * noise], &level)[0]).powi(2)
            };
            training += error(x0) / (sets * size) as f64;
            let fresh = target.sample(&source, 1_000_000 + set * size + i as u64)[0];
            held_out += error(fresh) / (sets * size) as f64;
        }
    }
    let population =
        decompose(&target, &[level], &Settings::new(Variance::FixedSmall)).unwrap().levels[0].mmse;
    assert!(
        training < 0.95 * population && population < 0.95 * held_out,
        "{training} {population} {held_out}"
    );
}

#[test]
fn initialization_is_bracketed() {
    let levels = all_levels(1000);
    for start in [&levels[0], &levels[300]] {
        let target = reference();
        let truth = decompose(&target, &[*start], &Settings::new(Variance::FixedSmall)).unwrap().init.value;
        let matched = target.matched_gaussian().unwrap();
        let lower =
            gaussian_initialization(target.mean()[0].powi(2), &matched.covariance().eigenvalues(), start);
        let upper = prior_divergence(target.second_moment(), 1, start);
        assert!(lower <= truth && truth <= upper, "{lower} {truth} {upper}");
    }
}

#[test]
fn the_decoder_has_the_variance_of_the_second_lowest_level() {
    let schedule = Schedule::linear(1000).unwrap();
    let posterior = schedule.posteriors().nth(1).unwrap();
    assert_eq!(decoder_variance(&all_levels(1000)).unwrap(), posterior.variance);
    assert!(decoder_variance(&[]).is_err());
    assert!((decoder_variance(&all_levels(1000)[999..]).unwrap() - 1e-4).abs() < 1e-12);
}

#[test]
fn the_best_placement_beats_every_other() {
    let levels = visited(12);
    let (_, mmse, _) = exact(&levels, Variance::FixedLarge, 0.0);
    let curve = ScheduleCurve::new(levels.clone(), mmse.clone(), 1).unwrap();
    for variance in [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic] {
        for count in [2, 3, 5, 11, 12] {
            let best = curve.best_placement(count, variance).unwrap();
            assert_eq!((best.positions.len(), best.positions[0], best.positions[count - 1]), (count, 0, 11));
            // All choices of the inner levels.
            let mut least = f64::INFINITY;
            for mask in 0u32..1 << 10 {
                if mask.count_ones() as usize == count - 2 {
                    let inner = (0..10).filter(|bit| mask >> bit & 1 == 1).map(|bit| bit + 1);
                    let positions: Vec<usize> = std::iter::once(0).chain(inner).chain([11]).collect();
                    least = least.min(curve.discretization(&positions, variance).unwrap());
                }
            }
            assert!((best.discretization - least).abs() < 1e-12, "{variance} {count}");
        }
    }
    assert!(curve.best_placement(13, Variance::FixedSmall).is_err());
    assert!(curve.discretization(&[3, 2], Variance::FixedSmall).is_err());
    assert!(ScheduleCurve::new(levels, vec![0.1], 1).is_err());
}

#[test]
fn discretization_on_a_schedule_curve_is_the_exact_one() {
    let levels = all_levels(1000);
    let (_, mmse, _) = exact(&levels, Variance::FixedLarge, 0.0);
    let curve = ScheduleCurve::new(levels, mmse, 1).unwrap();
    let positions: Vec<usize> =
        Grid::Trailing.timesteps(1000, 50).unwrap().into_iter().map(|t| 999 - t.0 as usize).collect();
    for (variance, expected) in [(Variance::FixedLarge, 0.069_557_3), (Variance::FixedSmall, 0.750_300_7)] {
        let got = curve.discretization(&positions, variance).unwrap();
        assert!((got - expected).abs() < 2e-3, "{variance} {got}");
        let best = curve.best_placement(50, variance).unwrap();
        assert!(best.discretization < 0.9 * got, "{variance} {} {got}", best.discretization);
        println!("50 of 1000 levels, {variance}: trailing {got:.5}, best {:.5}", best.discretization);
    }
}

#[test]
fn advice_names_the_lever_that_helps() {
    let levels = all_levels(1000);
    let advise = |perturbation: f64, steps: usize, grid: Grid| {
        let (result, mmse, mse) = exact(&levels, Variance::FixedLarge, perturbation);
        let floor = ScheduleCurve::new(levels.clone(), mmse, 1).unwrap();
        let situation = MeasuredModel {
            floor,
            mse,
            init: result.init.value,
            chosen: None,
            grid,
            steps,
            variance: Variance::FixedLarge,
            others: vec![Variance::FixedSmall, Variance::Analytic],
        };
        let advice = situation.advise().unwrap();
        (advice, situation)
    };
    let (off, _) = advise(0.05, 100, Grid::Trailing);
    assert!(off.shares().training > 0.5 && off.enough_steps.is_some_and(|n| n <= 100));
    let (nearly, _) = advise(1e-4, 20, Grid::LogSnr);
    assert!(nearly.shares().more_steps > 0.5 && nearly.enough_steps.is_none(), "{nearly:?}");
    let (middle, _) = advise(0.005, 10, Grid::Trailing);
    let enough = middle.enough_steps.unwrap();
    assert!(enough > 10);
    // The claim itself: at that number the discretization is below training, one fewer and it is not.
    assert_eq!(middle.best_variance, Variance::Analytic);
    for advice in [&off, &nearly, &middle] {
        // The setting in use stops above the lowest level: it is compared with others down to that level, which costs more.
        assert!(advice.down_to_the_lowest[0] >= advice.now[1] && advice.compared_total() >= advice.total());
        assert!(advice.placement.discretization <= advice.down_to_the_lowest[0]);
        assert!((advice.total() - advice.now.iter().sum::<f64>()).abs() < 1e-15);
    }
}

#[test]
fn a_curve_measured_at_some_levels_is_known_at_all() {
    let levels = all_levels(1000);
    let (_, mmse, _) = exact(&levels, Variance::FixedLarge, 0.0);
    let some: Vec<usize> = Grid::LogSnr
        .visit(&Schedule::linear(1000).unwrap(), 60)
        .unwrap()
        .into_iter()
        .map(|t| 999 - t.0 as usize)
        .collect();
    let curve = ErrorCurve::new(
        &some.iter().map(|&k| levels[k]).collect::<Vec<_>>(),
        &some.iter().map(|&k| mmse[k]).collect::<Vec<_>>(),
    )
    .unwrap();
    for (level, m) in levels.iter().zip(&mmse) {
        assert!((curve.at(level) / m - 1.0).abs() < 0.02, "{} {m}", curve.at(level));
    }
    for &k in &some {
        assert!((curve.at(&levels[k]) / mmse[k] - 1.0).abs() < 1e-12);
    }
    assert!(ErrorCurve::new(&levels[..2], &[1.0, -0.1]).is_err());
    assert!(ErrorCurve::new(&[], &[]).is_err());
}

#[test]
fn intervals_of_per_image_sums_contain_the_true_sums() {
    // A perturbed denoiser on the reference: each image has its own noise at every level and its whole sum over levels.
    let levels = visited(12);
    let variance = Variance::FixedLarge;
    let (result, _, mse) = exact(&levels, variance, 0.05);
    let steps: Vec<ReverseStep> = reverse_steps(&levels, variance, None).unwrap();
    let nats =
        |errors: &[f64]| steps.iter().zip(errors).map(|(step, m)| step.error_weight() * m).sum::<f64>();
    let truth = nats(&mse);
    let target = reference();
    let (images, repetitions) = (200u64, 100u64);
    let (mut covered, mut independent) = (0, 0);
    for repetition in 0..repetitions {
        let source = NoiseSource::new(repetition, Purpose::Evaluation);
        let mut sums = Vec::new();
        let mut by_level = vec![Vec::new(); levels.len()];
        for image in 0..images {
            let x0 = target.sample(&source, image)[0];
            let errors: Vec<f64> = levels
                .iter()
                .enumerate()
                .map(|(k, level)| {
                    let x = level.alpha() * x0 + level.sigma() * source.normal(image, 2 + k as u64, 1)[0];
                    (x0 - target.denoise(&[x], level)[0] - 0.05).powi(2)
                })
                .collect();
            by_level.iter_mut().zip(&errors).for_each(|(list, error)| list.push(*error));
            sums.push(nats(&errors));
        }
        let contains = |low: f64, high: f64| u32::from(low < truth && truth < high);
        let interval = t_interval(&sums);
        covered += contains(interval.low, interval.high);
        // What would go wrong: levels treated as independent.
        let variance: f64 = by_level
            .iter()
            .zip(&steps)
            .map(|(list, step)| {
                let half = t_interval(list);
                (step.error_weight() * 0.5 * (half.high - half.low)).powi(2)
            })
            .sum();
        independent += contains(interval.value - variance.sqrt(), interval.value + variance.sqrt());
    }
    println!("of {repetitions}: t {covered}, levels as independent {independent}");
    assert!((92..=98).contains(&covered), "{covered}");
    assert!(result.training.value > 0.0);
}

#[test]
fn a_targets_own_curve_prices_any_placement_exactly() {
    let target = reference();
    let schedule = Schedule::linear(200).unwrap();
    let levels = all_levels(200);
    let (curve, init) = ScheduleCurve::of_target(&target, &levels, MonteCarlo::default()).unwrap();
    for (steps, perturbation) in [(200, 0.0), (13, 0.05)] {
        let timesteps = Grid::Trailing.visit(&schedule, steps).unwrap();
        let positions: Vec<usize> = timesteps.iter().map(|t| 199 - t.0 as usize).collect();
        let visited = schedule.visited(&timesteps).unwrap();
        let mse: Vec<f64> = curve.curve().iter().map(|m| m + perturbation * perturbation).collect();
        for variance in [Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic] {
            let direct =
                decompose(&target, &visited, &Settings { perturbation, ..Settings::new(variance) }).unwrap();
            let discretization = curve.discretization(&positions, variance).unwrap();
            let training = curve.training(&positions, variance, &mse).unwrap();
            assert!((discretization - direct.discretization.value).abs() < 1e-9, "{variance} {steps}");
            assert!((training - direct.training.value).abs() < 1e-9 * (1.0 + training), "{variance} {steps}");
            assert_eq!(init, direct.init);
        }
    }
}
