//! The JSON of a closed-form decomposition has the fields of its contract, and the advice names what would help.
#![allow(clippy::unwrap_used)]

use ddpm_core::decomposition::{Advice, MeasuredModel, ScheduleCurve, Settings, decompose};
use ddpm_core::interval::Interval;
use ddpm_core::{Grid, Level, Schedule, Target, TargetSpec, TimeIndex, Variance};
use ddpm_report::results::{DecomposeReport, Format, advice_sentences};

fn reference() -> Target {
    let text = r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5],[1]],"stds":[0.25,0.4]}"#;
    serde_json::from_str::<TargetSpec>(text).unwrap().build().unwrap()
}

#[test]
fn the_report_has_the_contracts_fields() {
    let schedule = Schedule::linear(100).unwrap();
    let timesteps: Vec<TimeIndex> = Grid::Trailing.visit(&schedule, 10).unwrap();
    let levels = schedule.visited(&timesteps).unwrap();
    let result = decompose(&reference(), &levels, &Settings::new(Variance::FixedLarge)).unwrap();
    let report =
        DecomposeReport::closed_form("t.json", "linear", Variance::FixedLarge, &timesteps, &result).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "target",
            "schedule",
            "steps",
            "variance",
            "dim",
            "init_nats",
            "discretization_nats",
            "training_nats",
            "total_nats",
            "stderr",
            "truncation_w2_bound",
            "classical",
            "per_level"
        ]
    );
    let entries = json["per_level"].as_array().unwrap();
    assert_eq!(
        (entries.len(), entries[0]["t"].as_u64(), entries[9]["t"].as_u64()),
        (10, Some(10), Some(100))
    );
    assert!(entries[0]["discretization_nats"].is_null() && entries[0]["discretization_ratio"].is_null());
    assert!(entries[9]["discretization_nats"].as_f64().unwrap() > 0.0);
    assert_eq!(json["stderr"]["total_nats"], 0.0);
    assert_eq!(json["variance"], "fixed-large");
    for key in ["w2_init", "w2_init_kind", "training_mse_sum", "mmse_sum", "discretization_max"] {
        assert!(!json["classical"][key].is_null(), "{key}");
    }
    let back: DecomposeReport = serde_json::from_value(json).unwrap();
    assert_eq!(back, report);
    // Files with the version and without it are read, those of a newer version are not.
    let versioned = DecomposeReport { format: Some(Format), ..report };
    let json = serde_json::to_value(&versioned).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(serde_json::from_value::<DecomposeReport>(json).unwrap(), versioned);
    let newer = serde_json::from_value::<DecomposeReport>(serde_json::json!({"format": 2}));
    assert!(newer.unwrap_err().to_string().contains("format: expected 1, got 2"));
    assert!(
        DecomposeReport::closed_form("t", "linear", Variance::FixedLarge, &timesteps[1..], &result).is_err()
    );
}

#[test]
fn the_advice_names_the_lever_that_helps() {
    let levels: Vec<Level> = Schedule::linear(1000).unwrap().levels().rev().collect();
    let advise = |perturbation: f64, steps: usize, grid: Grid| -> (Advice, [String; 3]) {
        let settings = Settings { perturbation, ..Settings::new(Variance::FixedLarge) };
        let result = decompose(&reference(), &levels, &settings).unwrap();
        let mmse = result.levels.iter().map(|terms| terms.mmse).collect();
        let mse = result.levels.iter().map(|terms| terms.mse).collect();
        let floor = ScheduleCurve::new(levels.clone(), mmse, 1).unwrap();
        let input = MeasuredModel {
            floor,
            mse,
            init: result.init.value,
            grid,
            steps,
            variance: Variance::FixedLarge,
        };
        let advice = input.advise().unwrap();
        let sentences = advice_sentences(&advice, &input, &Interval::around(result.init.value, 0.0));
        (advice, sentences)
    };
    let (_, sentences) = advise(0.05, 100, Grid::Trailing);
    assert!(sentences[1].contains("a better denoiser will"), "{sentences:?}");
    // What changes little is not listed, and a variance is named only where it is another one.
    let (costly, sentences) = advise(0.5, 1000, Grid::Trailing);
    assert!(costly.shares().placement < 0.005 && costly.shares().training > 0.9);
    assert!(
        sentences[2].ends_with(&format!(
            "a denoiser as good as the floor by {:.0} %.",
            100.0 * costly.shares().training
        )),
        "{sentences:?}"
    );
    let (_, sentences) = advise(1e-4, 20, Grid::LogSnr);
    assert!(
        !sentences[2].contains("as good as the floor") && sentences[2].contains("all 1000 levels by"),
        "{sentences:?}"
    );
    assert!(sentences[1].starts_with("Even all 1000 steps"), "{sentences:?}");
    let (middle, sentences) = advise(0.005, 10, Grid::Trailing);
    let enough = middle.enough_steps.unwrap();
    assert!(sentences[1].contains(&format!("at {enough} steps")), "{sentences:?}");
}

#[test]
fn an_ideal_denoiser_is_not_compared_with_a_training_error() {
    let levels: Vec<Level> = Schedule::linear(200).unwrap().levels().rev().collect();
    let result = decompose(&reference(), &levels, &Settings::new(Variance::FixedLarge)).unwrap();
    let mmse: Vec<f64> = result.levels.iter().map(|terms| terms.mmse).collect();
    let floor = ScheduleCurve::new(levels, mmse.clone(), 1).unwrap();
    for (steps, grid) in [(200, Grid::Trailing), (20, Grid::LogSnr)] {
        let (floor, mse) = (floor.clone(), mmse.clone());
        let input = MeasuredModel { floor, mse, init: 1e-6, grid, steps, variance: Variance::FixedLarge };
        let advice = input.advise().unwrap();
        // An estimate of the initialization that is lost in its noise.
        let sentences = advice_sentences(&advice, &input, &Interval::around(-2e-5, 4e-5));
        assert!(sentences[1].contains("The denoiser is ideal"), "{sentences:?}");
        assert!(sentences[2].contains("consistent with 0") && !sentences[2].contains('−'), "{sentences:?}");
        // Every change is named with its variance, and none promises more than the whole total.
        assert!(sentences[2].contains(&format!("variance {}", advice.best_variance)), "{sentences:?}");
        let shares = advice.shares();
        assert!(shares.more_steps <= 1.0 && shares.placement <= 1.0 && shares.training == 0.0);
    }
}
