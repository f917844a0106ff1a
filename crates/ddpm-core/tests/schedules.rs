//! Schedules against reference tables (`golden/schedules.py`), limits and identities.
#![allow(clippy::unwrap_used)]

use ddpm_core::{CoreError, Level, Schedule, ScheduleConfig, ScheduleKind};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Thin {
    index: Vec<usize>,
    value: Vec<f64>,
    sum: f64,
}

impl Thin {
    fn assert_close(&self, name: &str, got: &[f64], tolerance: f64) {
        for (&index, &value) in self.index.iter().zip(&self.value) {
            let difference = (got[index] - value).abs();
            assert!(difference <= tolerance * value.abs(), "{name}[{index}]: {} is not {value}", got[index]);
        }
        let sum: f64 = got.iter().sum();
        assert!(
            (sum - self.sum).abs() <= tolerance * self.sum.abs(),
            "{name}: sum {sum} is not {}",
            self.sum
        );
    }
}

fn golden(key: &str) -> serde_json::Value {
    let text = include_str!("golden/schedules.json");
    let all: serde_json::Value = serde_json::from_str(text).unwrap();
    all[key].clone()
}

fn thin(key: &str) -> Thin {
    serde_json::from_value(golden(key)).unwrap()
}

fn alpha_bars(schedule: &Schedule) -> Vec<f64> {
    schedule.levels().map(|level| level.alpha_bar()).collect()
}

#[test]
fn cosine_betas_match_the_published_formula_in_f64() {
    let tables: BTreeMap<usize, Thin> = serde_json::from_value(golden("cosine_betas")).unwrap();
    assert_eq!(tables.keys().copied().collect::<Vec<_>>(), [10, 100, 1000, 4000]);
    for (steps, table) in tables {
        table.assert_close(&format!("cosine {steps}"), &Schedule::cosine(steps).unwrap().betas(), 1e-11);
    }
}

#[test]
fn beta_schedules_match_diffusers_float32_tables() {
    for kind in [ScheduleKind::Linear, ScheduleKind::ScaledLinear, ScheduleKind::Sigmoid] {
        let schedule = ScheduleConfig::new(kind).build().unwrap();
        thin(kind.name()).assert_close(kind.name(), &schedule.betas(), 1e-6);
        let key = format!("{kind}-zero-terminal-snr-alpha-bars");
        let rescaled = schedule.with_zero_terminal_snr().unwrap();
        // A float32 cumulative product of 1000 factors near 1 is good to 1e-4 at its small end.
        thin(&key).assert_close(&key, &alpha_bars(&rescaled), 2e-4);
        assert_eq!(rescaled.levels().last().unwrap().alpha(), 0.0);
        let first = |schedule: &Schedule| schedule.levels().next().unwrap().log_snr();
        assert_eq!(first(&rescaled), first(&schedule));
    }
}

#[test]
fn karras_sigmas_match_edm() {
    let config = ScheduleConfig::with_steps(ScheduleKind::Karras, 18);
    let sigmas: Vec<f64> = config.build().unwrap().levels().map(|level| level.sigma()).collect();
    thin("karras").assert_close("karras", &sigmas, 1e-12);
}

#[test]
fn betas_and_alpha_bars_go_in_and_come_out() {
    let betas: Vec<f64> = (0..50).map(|i| 1e-5 + 0.01 * f64::from(i)).collect();
    let schedule = Schedule::from_betas(&betas).unwrap();
    for (given, derived) in betas.iter().zip(schedule.betas()) {
        assert!((given - derived).abs() < 1e-12 * given);
    }
    let same = Schedule::from_alpha_bars(&alpha_bars(&schedule)).unwrap();
    for (a, b) in schedule.levels().zip(same.levels()) {
        assert!((a.log_snr() - b.log_snr()).abs() < 1e-10);
    }
}

#[test]
fn autoregressive_form_composes_to_the_level() {
    // x_t = lambda_t x_{t-1} + sqrt(1 - lambda_t^2) eps, carried as (scale, variance) of x_t given x_0.
    let schedule = Schedule::cosine(200).unwrap();
    let (mut scale, mut variance) = (1.0, 0.0);
    for (beta, level) in schedule.betas().into_iter().zip(schedule.levels()) {
        let lambda = (1.0 - beta).sqrt();
        scale *= lambda;
        variance = lambda * lambda * variance + (1.0 - lambda * lambda);
        assert!((scale - level.alpha()).abs() < 1e-12 * level.alpha());
        assert!((variance.sqrt() - level.sigma()).abs() < 1e-12 * level.sigma());
    }
}

#[test]
fn default_betas_keep_the_total_noise_when_t_changes() {
    for kind in
        [ScheduleKind::Linear, ScheduleKind::ScaledLinear, ScheduleKind::Sigmoid, ScheduleKind::Constant]
    {
        let total =
            |steps| ScheduleConfig::with_steps(kind, steps).build().unwrap().betas().iter().sum::<f64>();
        // The ends are included, so the mean of a curve that is not odd about its middle moves by O(1/T).
        assert!((total(250) / total(1000) - 1.0).abs() < 2.0 / 250.0, "{kind}");
    }
    assert_eq!(Schedule::linear(1000).unwrap(), Schedule::linear_between(1e-4, 0.02, 1000).unwrap());
}

#[test]
fn every_level_is_finite_in_single_precision() {
    for kind in ScheduleKind::ALL.iter().copied().take(7) {
        for steps in [25, 100, 1000, 4000] {
            let schedule = ScheduleConfig::with_steps(kind, steps).build().unwrap();
            for level in schedule.levels() {
                assert!(
                    (level.alpha() as f32).is_normal() && (level.sigma() as f32).is_normal(),
                    "{kind} {steps}"
                );
            }
            for p in schedule.posteriors() {
                let scalars = [p.of_x_t, p.of_x0, p.variance, p.transition_variance, p.transition_scale];
                assert!(scalars.iter().all(|&x| (x as f32).is_finite()), "{kind} {steps} {p:?}");
            }
        }
    }
}

#[test]
fn variance_exploding_and_preserving_views_share_posteriors_up_to_scale() {
    let preserving = Schedule::linear(100).unwrap();
    let sigmas: Vec<f64> = preserving.levels().map(|level| level.relative_sigma()).collect();
    let exploding = Schedule::from_sigmas(&sigmas).unwrap();
    let mut s_alpha = 1.0;
    for ((p, e), level) in preserving.posteriors().zip(exploding.posteriors()).zip(preserving.levels()) {
        assert!((p.of_x0 / s_alpha - e.of_x0).abs() < 1e-10);
        assert!((p.of_x_t * level.alpha() / s_alpha - e.of_x_t).abs() < 1e-10);
        assert!((p.variance / (s_alpha * s_alpha) - e.variance).abs() < 1e-10 * (1.0 + e.variance));
        s_alpha = level.alpha();
    }
}

#[test]
fn a_configuration_reads_names_and_rejects_what_it_does_not_know() {
    let read = |text: &str| serde_json::from_str::<ScheduleConfig>(text);
    let config =
        read(r#"{"kind":"scaled-linear","beta_start":1e-3,"beta_end":0.03,"train_steps":40}"#).unwrap();
    assert_eq!(config.build().unwrap(), Schedule::scaled_linear(1e-3, 0.03, 40).unwrap());
    assert_eq!(read(&serde_json::to_string(&config).unwrap()).unwrap(), config);
    assert!(read(r#"{"kind":"linear","beta_strat":1e-4}"#).unwrap_err().to_string().contains("beta_strat"));
    assert!(read(r#"{"kind":"liner"}"#).is_err());
    for (text, expected) in [
        (r#"{"kind":"cosine","beta_start":1e-4}"#, r#"schedule "cosine" does not take key "beta_start""#),
        (r#"{"kind":"betas"}"#, r#"schedule "betas" needs key "betas""#),
        (r#"{"kind":"betas","betas":[0.1,1.2]}"#, "betas[1] must be between 0 and 1, got 1.2"),
        (r#"{"kind":"betas","betas":[0.1],"train_steps":2}"#, "betas must have 2 entries, got 1"),
        (r#"{"kind":"linear","train_steps":0}"#, "train_steps must be at least 1, got 0"),
        (r#"{"kind":"karras","rho":-1.0}"#, "rho must be positive, got -1"),
        (
            r#"{"kind":"ve-geometric","sigma_min":2.0,"sigma_max":1.0}"#,
            "sigma_max must be finite and above sigma_min, got 1",
        ),
    ] {
        assert_eq!(read(text).unwrap().build().unwrap_err().to_string(), expected);
    }
    let unknown: CoreError = "squared".parse::<ScheduleKind>().unwrap_err();
    assert!(
        unknown
            .to_string()
            .starts_with(r#"unknown schedule "squared"; expected one of linear, scaled-linear"#)
    );
}

/// A default that does not fit the number of levels is named, with the levels that it needs.
#[test]
fn too_few_levels_for_the_default_betas_are_refused_by_key() {
    for (kind, least) in [("linear", 20), ("sigmoid", 20), ("constant", 20), ("scaled-linear", 12)] {
        let kind: ScheduleKind = kind.parse().unwrap();
        assert!(ScheduleConfig::with_steps(kind, least + 1).build().is_ok(), "{kind}");
        let few = ScheduleConfig::with_steps(kind, least - 1);
        let error = few.build().unwrap_err().to_string();
        assert!(error.contains("beta_end") && error.contains(&format!("at least {least} levels")), "{error}");
        assert!(ScheduleConfig { beta_end: Some(0.5), ..few }.build().is_ok(), "{kind}");
    }
}

#[test]
fn a_level_without_signal_is_the_last_one_alone() {
    assert!(Schedule::from_betas(&[0.1, 1.0]).unwrap().levels().last().unwrap().alpha() == 0.0);
    assert!(Schedule::from_betas(&[1.0, 0.1]).is_err());
    assert!(Schedule::from_alpha_bars(&[0.9, 0.9]).is_err());
    assert!(Schedule::from_alpha_bars(&[0.9, f64::NAN]).is_err());
    let level: Level = Schedule::from_alpha_bars(&[0.9, 0.0]).unwrap().levels().last().unwrap();
    assert_eq!((level.sigma(), level.prior_std()), (1.0, 1.0));
}
