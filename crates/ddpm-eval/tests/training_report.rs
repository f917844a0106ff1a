//! The training report says what it was given, leaves out what is absent, and does not overstate.
#![allow(clippy::unwrap_used)]

#[path = "../examples/training_report/invented.rs"]
mod invented;

use ddpm_data::Split;
use ddpm_report::results::{FloorLevel, LevelError};
use ddpm_report::training_page::{Measured, TrainingReport};

fn html(report: &TrainingReport) -> String {
    report.page().unwrap().to_html().unwrap()
}

/// The sentences above the first section.
fn headlines(html: &str) -> &str {
    let start = html.find("class=\"headlines\"").unwrap();
    &html[start..start + html[start..].find("</div>").unwrap()]
}

#[test]
fn the_first_sentences_say_what_was_done_and_found() {
    let html = html(&invented::report().unwrap());
    let headlines = headlines(&html);
    for words in [
        "A U-Net of 1\u{202f}618\u{202f}433 parameters, trained on 1500 images (UCI digits)",
        "training took 2 min 11 s",
        "2 min 45 s on cpu, 2 threads",
        "The loss ended at",
        "at step 10;",
        "comes from levels t\u{a0}≥\u{a0}",
        "no difference within the interval",
    ] {
        assert!(headlines.contains(words), "{words} is not in {headlines}");
    }
    for section in [
        "Samples",
        "Loss",
        "Denoising error by noise level",
        "The three classical error terms",
        "Comparison with the paper",
    ] {
        assert!(html.contains(&format!(">{section}</h2>")), "{section}");
    }
    // The page is complete in itself.
    assert!(!html.contains("src=\"http") && !html.contains("<link"));
    assert!(html.contains("block_out_channels = [32, 64]"));
}

#[test]
fn what_is_absent_is_left_out() {
    let mut report = invented::report().unwrap();
    report.pictures = Default::default();
    report.loss.clear();
    report.denoising = None;
    report.classical = None;
    report.paper = None;
    report.run.stages.clear();
    let html = html(&report);
    let sections = html.matches("<h2").count();
    assert_eq!(sections, 2, "configuration and commands are always there");
    assert!(!headlines(&html).contains("loss") && !html.contains("NaN"));
}

#[test]
fn the_verdict_follows_the_interval() {
    let verdict = |held_out: f64, stderr: f64| {
        let mut report = invented::report().unwrap();
        let denoising = report.denoising.as_mut().unwrap();
        for sum in &mut denoising.sums {
            sum.loss.mean = if sum.split == Split::HeldOut { held_out } else { 0.1 };
            sum.loss.stderr = stderr;
        }
        headlines(&html(&report)).to_string()
    };
    assert!(verdict(0.12, 0.001).contains("20\u{202f}% more</strong>"), "{}", verdict(0.12, 0.001));
    assert!(verdict(0.12, 0.02).contains("no sign of memorization"));
    assert!(verdict(0.08, 0.001).contains("20\u{202f}% less</strong>"));

    let mut report = invented::report().unwrap();
    let denoising = report.denoising.as_mut().unwrap();
    denoising.levels.retain(|level| level.split == Split::Train);
    denoising.sums.retain(|sum| sum.split == Split::Train);
    assert!(headlines(&html(&report)).contains("Without held-out images"));
}

#[test]
fn an_unmeasured_figure_says_so() {
    let mut report = invented::report().unwrap();
    let paper = report.paper.as_mut().unwrap();
    let fid = paper.rows.iter_mut().find(|row| row.quantity == "FID").unwrap();
    fid.measured = Measured::Not("needs 50 000 samples".to_string());
    let html = html(&report);
    let row = &html[html.find("<td>FID</td>").unwrap()..];
    assert!(
        row[..200].contains("3.17") && row[..200].contains("not measured: needs 50 000 samples"),
        "{}",
        &row[..200]
    );
}

#[test]
fn an_irreducible_part_stands_beside_the_training_term() {
    let mut report = invented::report().unwrap();
    assert!(html(&report).contains("of which irreducible") && html(&report).contains("training images</td>"));
    let classical = report.classical.as_mut().unwrap();
    classical.floor.clear();
    classical.terms.mmse_sum = None;
    assert!(
        html(&report).contains("that part is not known here")
            && !html(&report).contains("empirical (memorizing) denoiser")
    );
    let train = report.denoising.as_ref().unwrap().curve(Split::Train);
    let classical = report.classical.as_mut().unwrap();
    classical.terms.mmse_sum = Some(9_876.5);
    // Half of the network's error, and nothing at all at the least noise.
    let floor = |level: &LevelError| {
        let LevelError { t, snr, mse, stderr, .. } = *level;
        FloorLevel { t, snr, mse, stderr }
    };
    classical.floor = train.iter().map(floor).collect();
    for level in &mut classical.floor {
        level.mse *= if level.snr > 1.0 { 1e-200 } else { 0.5 };
    }
    let html = html(&report);
    assert!(html.contains("of which irreducible") && html.contains(">9876</td>"), "the floor is shown");
    assert!(
        html.contains("empirical denoiser, training images")
            && html.contains("empirical (memorizing) denoiser")
    );
    assert!(!html.contains("e-20") && !html.contains("10⁻²⁰"), "the axis stays with the network");
}

#[test]
fn an_error_above_the_linear_denoisers_is_explained() {
    let mut report = invented::report().unwrap();
    let words = "a small error in the predicted noise is a large one in the image";
    assert!(!html(&report).contains(words));
    let noisiest = &mut report.denoising.as_mut().unwrap().levels[0];
    noisiest.mse *= 3.0;
    assert!(html(&report).contains(words));
}

#[test]
fn names_from_outside_are_text() {
    let mut report = invented::report().unwrap();
    report.name = "<script>alert(1)</script>".to_string();
    report.run.device = "a & b".to_string();
    let html = html(&report);
    assert!(!html.contains("<script>alert") && html.contains("a &amp; b"));
}
