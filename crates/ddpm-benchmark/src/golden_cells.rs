//! Golden cells: stored results of a few cells of each kind and of one measurement of a network, so that a change of the results is noticed.
//!
//! Results are cached under [`RESULTS_VERSION`]: where the code computes other values under the same version, a sweep mixes old and new results.

use crate::cell::{Cell, Computation, MonteCarloPaths, RESULTS_VERSION, VisitedLevels};
use crate::closed_form_target::{NamedTarget, TargetName};
use crate::networks::golden;
use crate::outcome;
use crate::plan::{ornstein_uhlenbeck, schedule, vp};
use ddpm_core::{Grid, ScheduleConfig, ScheduleKind, Scheme, Variance};
use serde_json::{Value, json};

/// The file of the stored results, beside this one. `DDPM_GOLDEN=write` with this test writes it anew.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/golden_cells.json");

/// Greatest relative difference that counts as rounding.
const ROUNDING: f64 = 1e-9;
/// The same of a network, which is evaluated in single precision.
const NETWORK_ROUNDING: f64 = 1e-4;
/// The name of the measurement of a network.
const NETWORK: &str = "network, errors by level and their decomposition";

/// A name and a cell for each kind of computation, chain and target.
fn cells() -> Vec<(&'static str, Cell)> {
    use TargetName::{Cifar10Gaussian, DigitsGaussian, Gaussian2d, Mixture1d, Mixture2d};
    let divergence = |target, levels, variance, perturbation, sampled| Cell {
        target,
        computation: Computation::Divergence { levels, variance, perturbation, sampled },
    };
    let w2 =
        |target, levels, sampler| Cell { target, computation: Computation::Wasserstein { levels, sampler } };
    let short = |kind, grid, steps| schedule(ScheduleConfig::with_steps(kind, 200), grid, steps);
    let linear = |grid, steps| short(ScheduleKind::Linear, grid, steps);
    let stopped = VisitedLevels { least_noise: Some(0.05), ..linear(Grid::Linspace, 20) };
    let sampled = Some(MonteCarloPaths { number: 64, seed: 3 });
    let placement = |target| Cell {
        target,
        computation: Computation::Placement {
            schedule: ScheduleConfig::with_steps(ScheduleKind::Linear, 200),
            steps: 8,
            variance: Variance::Analytic,
        },
    };
    let analytic = Scheme::Ddpm { variance: Variance::Analytic };
    vec![
        (
            "divergence, Gaussian",
            divergence(Gaussian2d, linear(Grid::Linspace, 20), Variance::Analytic, 0.0, None),
        ),
        (
            "divergence, stopped at a noise level",
            divergence(Gaussian2d, stopped, Variance::Analytic, 0.0, None),
        ),
        (
            "divergence, quadrature",
            divergence(Mixture1d, linear(Grid::Trailing, 10), Variance::FixedSmall, 0.05, None),
        ),
        (
            "divergence, variance exploding",
            divergence(
                Gaussian2d,
                short(ScheduleKind::Karras, Grid::Karras, 12),
                Variance::FixedLarge,
                0.0,
                None,
            ),
        ),
        (
            "divergence, process",
            divergence(DigitsGaussian, vp(Grid::LogSnr, 10, 1e-3), Variance::FixedLarge, 0.0, None),
        ),
        (
            "divergence, Ornstein-Uhlenbeck",
            divergence(
                Cifar10Gaussian,
                ornstein_uhlenbeck(5.0, Grid::Linspace, 4, 1e-3),
                Variance::FixedLarge,
                0.0,
                None,
            ),
        ),
        (
            "divergence, Monte Carlo",
            divergence(
                Mixture2d,
                short(ScheduleKind::Cosine, Grid::Linspace, 6),
                Variance::Analytic,
                0.0,
                sampled,
            ),
        ),
        ("W2, ancestral", w2(Gaussian2d, linear(Grid::Trailing, 10), analytic)),
        ("W2, DDIM", w2(DigitsGaussian, linear(Grid::LogSnr, 10), Scheme::ddim(0.0))),
        ("W2, multistep on a process", w2(Gaussian2d, vp(Grid::LogSnr, 10, 1e-3), Scheme::Dpmpp2m)),
        ("placement, Gaussian", placement(Gaussian2d)),
        ("placement, mixture", placement(Mixture1d)),
    ]
}

fn computed() -> Vec<Value> {
    let digits =
        ddpm_data::load(ddpm_data::DatasetName::Digits, &ddpm_data::Source::from_data_dir(None).unwrap())
            .unwrap();
    let result = |(name, cell): (&str, Cell)| {
        let target = NamedTarget::build(cell.target, &digits, None).unwrap().unwrap();
        json!({"name": name, "outcome": outcome::compute(&cell, &target).unwrap()})
    };
    let network = json!({"name": NETWORK, "outcome": golden::terms(&digits)});
    cells().into_iter().map(result).chain([network]).collect()
}

/// The first place where two results differ by more than rounding.
fn difference(path: &str, golden: &Value, now: &Value, rounding: f64) -> Option<String> {
    let different = || Some(format!("{path}: {golden} stored, {now} now"));
    match (golden, now) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(key, value)| difference(&format!("{path}.{key}"), value, &b[key], rounding))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(k, (a, b))| difference(&format!("{path}[{k}]"), a, b, rounding)),
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64()?, b.as_f64()?);
            if (a - b).abs() <= rounding * a.abs().max(b.abs()) + 1e-13 { None } else { different() }
        }
        _ if golden == now => None,
        _ => different(),
    }
}

#[test]
fn golden_cells() {
    let now = json!({"version": RESULTS_VERSION, "cells": computed()});
    if std::env::var("DDPM_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(FILE, serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
    }
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    let found = golden["cells"].as_array().unwrap().iter().zip(now["cells"].as_array().unwrap());
    let changed = found.filter_map(|(a, b)| {
        let name = a["name"].as_str().unwrap_or("?");
        difference(name, a, b, if name == NETWORK { NETWORK_ROUNDING } else { ROUNDING })
    });
    let changed: Vec<String> = changed.collect();
    assert!(
        changed.is_empty()
            && golden["version"] == now["version"]
            && golden["cells"].as_array().map(Vec::len) == Some(cells().len() + 1),
        "the results of cells or of the measurement of networks changed, so that cached ones are out of date: raise RESULTS_VERSION in cell.rs and write the new results with \
         DDPM_GOLDEN=write cargo test -p ddpm-benchmark golden_cells. Changed:\n{}",
        changed.join("\n")
    );
}
