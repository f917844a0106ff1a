//! The JSON of a closed-form decomposition has the fields of its contract, and the advice names what would help.
#![allow(clippy::unwrap_used)]

use ddpm_core::decomposition::{Advice, MeasuredModel, ScheduleCurve, Settings, decompose};
use ddpm_core::interval::Interval;
use ddpm_core::{Grid, Level, Schedule, Target, TargetSpec, TimeIndex, Variance};
use ddpm_report::results::{AdviceBasis, DecomposeReport, Floor, advice_sentences};

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
            "format",
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
    // Files without the version are read, those of a newer version are not.
    let mut json = serde_json::to_value(&report).unwrap();
    assert_eq!(json.as_object_mut().unwrap().remove("format"), Some(1.into()));
    assert_eq!(serde_json::from_value::<DecomposeReport>(json).unwrap(), report);
    let newer = serde_json::from_value::<DecomposeReport>(serde_json::json!({"format": 2}));
    assert!(newer.unwrap_err().to_string().contains("format: expected 1, got 2"));
    assert!(
        DecomposeReport::closed_form("t", "linear", Variance::FixedLarge, &timesteps[1..], &result).is_err()
    );
}

/// Advice on the mixture along `levels` with a denoiser that is wrong by `perturbation`, with intervals of the training term and of the gains.
fn advise(
    levels: &[Level],
    perturbation: f64,
    (steps, grid): (usize, Grid),
    noise: f64,
) -> (Advice, [String; 3]) {
    let settings = Settings { perturbation, ..Settings::new(Variance::FixedLarge) };
    let result = decompose(&reference(), levels, &settings).unwrap();
    let mmse = result.levels.iter().map(|terms| terms.mmse).collect();
    let input = MeasuredModel {
        floor: ScheduleCurve::new(levels.to_vec(), mmse, 1).unwrap(),
        mse: result.levels.iter().map(|terms| terms.mse).collect(),
        init: result.init.value,
        chosen: None,
        grid,
        steps,
        variance: Variance::FixedLarge,
        others: vec![Variance::FixedSmall, Variance::Analytic],
    };
    let advice = input.advise().unwrap();
    let [init, discretization, training] = advice.now.map(|nats| Interval::around(nats, 0.0));
    let training = Interval::around(training.value, noise * training.value);
    let basis = AdviceBasis {
        terms: [init, discretization, training],
        total: Interval::around(advice.total(), noise * training.value),
        floor: (noise > 0.0).then_some(Floor::EmpiricalTraining),
        uncertainty: [noise; 2],
    };
    let sentences = advice_sentences(&advice, &input, &basis);
    (advice, sentences)
}

#[test]
fn the_advice_names_the_lever_that_helps() {
    let levels: Vec<Level> = Schedule::linear(1000).unwrap().levels().rev().collect();
    let (_, sentences) = advise(&levels, 0.05, (100, Grid::Trailing), 0.0);
    assert!(sentences[1].contains("a better denoiser will"), "{sentences:?}");
    // Where every level is visited already no placement is named, and what changes little is not recommended.
    let (costly, sentences) = advise(&levels, 0.5, (1000, Grid::Trailing), 0.0);
    assert!(costly.shares().placement < 0.005 && costly.shares().training > 0.9);
    assert!(
        sentences[0].ends_with("No other variance is known to lower the total by 1 % or more."),
        "{sentences:?}"
    );
    let training = format!(
        "{:.0} % is training: what the ideal denoiser would remove.",
        100.0 * costly.shares().training
    );
    assert!(sentences[2].ends_with(&training), "{sentences:?}");
    let (_, sentences) = advise(&levels, 1e-4, (20, Grid::LogSnr), 0.0);
    assert!(
        !sentences[2].contains("training")
            && sentences[2].contains("variance analytic and all 1000 levels, the total"),
        "{sentences:?}"
    );
    assert!(sentences[1].starts_with("Even all 1000 steps"), "{sentences:?}");
    let (middle, sentences) = advise(&levels, 0.005, (10, Grid::Trailing), 0.0);
    let enough = middle.enough_steps.unwrap();
    assert!(
        sentences[1].starts_with("With variance analytic, discretization")
            && sentences[1].contains(&format!("at {enough} steps")),
        "{sentences:?}"
    );
}

#[test]
fn the_advice_says_what_the_numbers_support() {
    let levels: Vec<Level> = Schedule::linear(1000).unwrap().levels().rev().collect();
    // `trailing` stops above the lowest level: it is compared down to that level.
    let (advice, sentences) = advise(&levels, 0.05, (20, Grid::Trailing), 0.0);
    let [discretization, training] = advice.down_to_the_lowest;
    let now = advice.now[0] + discretization + training;
    let best = advice.now[0] + advice.placement.discretization + advice.placement_training;
    assert!((advice.shares().placement - (1.0 - best / now)).abs() < 1e-12 && now > advice.total());
    let gain = format!("nats, which lowers the total by {:.0} %.", 100.0 * (1.0 - best / now));
    assert!(sentences[0].ends_with(&gain), "{sentences:?}");
    assert!(sentences[0].contains("Continued to the lowest level of the schedule"), "{sentences:?}");
    // A measured gain has its interval; one that is not larger than its interval is not recommended.
    let share = 100.0 * advice.shares().placement;
    assert!(share > 10.0);
    let (_, sentences) = advise(&levels, 0.05, (20, Grid::Trailing), 0.02);
    assert!(sentences[0].contains(&format!("lowers the total by ({share:.0} ± 2) %")), "{sentences:?}");
    assert!(
        sentences[2].contains("is training: what only memorizing the training images would remove"),
        "{sentences:?}"
    );
    let (_, sentences) = advise(&levels, 0.05, (20, Grid::Trailing), 0.95);
    assert!(sentences[0].contains("is known to lower the total"), "{sentences:?}");
    assert!(!sentences[2].contains("all 1000 levels"), "{sentences:?}");
}

#[test]
fn an_ideal_denoiser_is_not_compared_with_a_training_error() {
    let levels: Vec<Level> = Schedule::linear(200).unwrap().levels().rev().collect();
    for visited in [(200, Grid::Trailing), (20, Grid::LogSnr)] {
        let (advice, sentences) = advise(&levels, 0.0, visited, 0.0);
        assert!(sentences[1].contains("The denoiser is ideal"), "{sentences:?}");
        assert!(sentences[0].contains("With variance analytic"), "{sentences:?}");
        let shares = advice.shares();
        assert!(shares.more_steps <= 1.0 && shares.placement <= 1.0 && shares.training == 0.0);
    }
    // An estimate of the initialization that is lost in its noise.
    let terms = [Interval::around(-2e-5, 4e-5), Interval::around(0.2, 0.006), Interval::around(0.0, 0.0)];
    let basis = AdviceBasis::of_target(terms, Interval::around(0.2, 0.006));
    assert!((basis.uncertainty[0] - 0.03).abs() < 1e-12);
}
