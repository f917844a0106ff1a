//! The decomposition page and its terminal summary show the same numbers, one convention for intervals, and no more than is known.
#![allow(clippy::unwrap_used)]

use ddpm_core::decomposition::{Settings, decompose};
use ddpm_core::{Grid, Schedule, Target, TargetSpec, Variance};
use ddpm_report::decomposition_page::{DecompositionReport, compared_schedules, summary};
use ddpm_report::results::{DecomposeReport, StandardErrors};

fn target() -> Target {
    let text = r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5],[1]],"stds":[0.25,0.4]}"#;
    serde_json::from_str::<TargetSpec>(text).unwrap().build().unwrap()
}

fn result(perturbation: f64) -> DecomposeReport {
    let schedule = Schedule::linear(100).unwrap();
    let timesteps = Grid::Trailing.visit(&schedule, 20).unwrap();
    let settings = Settings { perturbation, ..Settings::new(Variance::FixedLarge) };
    let result = decompose(&target(), &schedule.visited(&timesteps).unwrap(), &settings).unwrap();
    DecomposeReport::closed_form("m.json", "linear", Variance::FixedLarge, &timesteps, &result).unwrap()
}

fn report(result: DecomposeReport) -> DecompositionReport {
    DecompositionReport {
        name: "m.json".to_string(),
        result,
        grid: "trailing".to_string(),
        train_steps: Some(100),
        run_page: Some("../index.html".to_string()),
        command: "ddpm decompose".to_string(),
        ..Default::default()
    }
}

fn html(result: DecomposeReport) -> String {
    report(result).page().unwrap().to_html().unwrap()
}

/// Numbers as a page writes them, without the spaces that HTML and terminal set differently.
fn cells(text: &str) -> String {
    text.replace(['\u{202f}', '\u{a0}'], " ")
}

#[test]
fn page_and_terminal_show_the_same_terms() {
    let (page, terminal) = (cells(&html(result(0.05))), summary(&result(0.05), false).to_text(80).unwrap());
    for term in ["initialization", "discretization", "training", "total"] {
        let line = terminal.lines().find(|line| line.starts_with(term)).unwrap();
        for number in
            line.split_whitespace().skip(1).filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        {
            assert!(page.contains(number), "{number} of {term} is not on the page");
        }
    }
}

#[test]
fn the_terminal_fits_eighty_columns_and_cuts_no_heading() {
    for all in [false, true] {
        let text = summary(&result(0.05), all).to_text(80).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
        for heading in ["snr", "mmse", "mse", "discretization", "training", "ratio"] {
            assert!(text.contains(heading), "{heading}");
        }
        assert_eq!(text.contains("16 of 20 levels"), !all);
    }
}

#[test]
fn intervals_have_one_named_convention() {
    let convention = "95\u{202f}% confidence intervals";
    // An exact result has no interval and needs no convention.
    assert!(!html(result(0.0)).contains(convention));
    let mut estimated = result(0.0);
    estimated.stderr = Some(StandardErrors { total_nats: 0.01, ..StandardErrors::default() });
    estimated.total_nats = Some(0.5);
    let page = html(estimated.clone());
    assert_eq!(page.matches(convention).count(), 1);
    // 1.96 standard errors, on the page and on the terminal.
    assert!(page.contains("0.500 ± 0.020"), "{page}");
    let terminal = summary(&estimated, false).to_text(80).unwrap();
    assert!(
        terminal.contains("0.500 ± 0.020") && terminal.contains("95 % confidence intervals"),
        "{terminal}"
    );
    assert!(!page.contains("standard error"));
}

#[test]
fn a_divergence_is_never_shown_negative() {
    let mut estimated = result(0.0);
    estimated.init_nats = Some(-2e-5);
    estimated.stderr = Some(StandardErrors { init_nats: 2e-5, ..StandardErrors::default() });
    for text in [html(estimated.clone()), summary(&estimated, false).to_text(80).unwrap()] {
        assert!(text.contains("consistent with 0"), "{text}");
        assert!(!text.contains("−2.0"), "{text}");
    }
}

#[test]
fn an_ideal_denoiser_has_no_training_curve_and_no_tautology_is_called_a_check() {
    let page = html(result(0.0));
    assert!(!page.contains("nothing is lost or counted twice"));
    // The legend of the stacked chart names it; the curves of single steps leave it out.
    let steps = &page[page.find("Nats of each step").unwrap()..];
    let plot = &steps[..steps.find("</svg>").unwrap()];
    assert!(!plot.contains(">training</text>"), "{plot}");
}

#[test]
fn a_replaced_variance_is_named_on_the_page_and_on_the_terminal() {
    let replaced = DecomposeReport { replaced_variance: Some(Variance::LearnedRange), ..result(0.0) };
    for text in [html(replaced.clone()), summary(&replaced, false).to_text(500).unwrap()] {
        assert!(text.contains("learned-range, differs from component to component"), "{text}");
    }
    assert!(!html(result(0.0)).contains("learned-range"));
}

#[test]
fn a_page_links_to_its_run_and_needs_nothing_else() {
    let page = html(result(0.0));
    assert!(page.contains("href=\"../index.html\""));
    assert!(!page.contains("src=\"http") && !page.contains("<link"));
}

#[test]
fn schedules_are_compared_down_to_one_noise_level() {
    let schedule = Schedule::linear(1000).unwrap();
    let compared = compared_schedules("linear", &schedule).unwrap();
    assert_eq!(compared[0].0, "linear (in use)");
    let lowest: Vec<f64> =
        compared.iter().map(|(_, schedule)| schedule.levels().next().unwrap().log_snr()).collect();
    assert!(lowest.len() == 4 && lowest.iter().all(|end| (end - lowest[0]).abs() < 1e-9), "{lowest:?}");
}
