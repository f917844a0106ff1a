//! The report of a trained network for people: what would help first, then every number with what it means and what it was measured on.

use super::table::levels_table;
use ddpm_core::interval::Interval;
use ddpm_report::results::DecomposeReport;
use ddpm_report::results::{Floor, FloorReport, Images, NetworkReport};
use std::fmt::{Result, Write};

/// Rows of the table of measured errors.
const ROWS: usize = 14;

/// What `ddpm decompose --checkpoint` prints; `all` levels or a selection.
pub(super) fn table(
    report: &DecomposeReport,
    network: &NetworkReport,
    all: bool,
) -> std::result::Result<String, std::fmt::Error> {
    let mut text = String::new();
    for (number, sentence) in report.advice.iter().flatten().enumerate() {
        writeln!(text, "{}. {sentence}", number + 1)?;
    }
    if let Some(floor) = network.floors.first() {
        writeln!(text, "{}", caution(floor.floor))?;
    }
    if let Some(note) = report.variance_note() {
        writeln!(text, "{note}")?;
    }
    head(&mut text, report, network)?;
    for floor in &network.floors {
        floor_table(&mut text, floor, network)?;
    }
    bounds(&mut text, network)?;
    generalization(&mut text, network)?;
    checks(&mut text, network)?;
    classical(&mut text, report)?;
    measured(&mut text, network, all)?;
    if let (Some(levels), Some(floor)) = (&report.per_level, network.floors.first()) {
        write!(text, "\nTerms by visited level; mmse is the floor {}", floor.floor)?;
        levels_table(&mut text, levels, all)?;
    }
    Ok(text)
}

/// How the sentences are to be taken.
fn caution(floor: Floor) -> &'static str {
    match floor {
        Floor::EmpiricalTraining => {
            "Training error here is the distance from a denoiser that knows the training images by heart, which only memorizing would close; \
             with --reference BETTER it is what a better network would remove."
        }
        Floor::Reference => {
            "Training error here is the distance from the reference; a still better network would remove more."
        }
        Floor::EmpiricalLowerBound => "Training error here is an upper bound.",
    }
}

fn head(text: &mut String, report: &DecomposeReport, network: &NetworkReport) -> Result {
    let facts = &network.measured;
    writeln!(
        text,
        "\n{} on {}: {} dimensions, {} of {} {} levels ({}), ddpm with variance {}, x_0 {}",
        report.checkpoint.as_deref().unwrap_or("checkpoint"),
        facts.data,
        report.dim,
        report.steps,
        facts.train_steps,
        report.schedule.as_deref().unwrap_or(""),
        facts.grid,
        report.variance.map_or_else(String::new, |variance| variance.to_string()),
        if facts.threshold == "none" { "as predicted" } else { facts.threshold.as_str() },
    )?;
    writeln!(
        text,
        "{} training and {} held-out images, {} noise draw{} each at {} levels; {:.0} % intervals over images, without quadrature error and \
         without the variance between training runs",
        facts.train_images,
        facts.held_out_images,
        facts.repeats,
        if facts.repeats == 1 { "" } else { "s" },
        network.levels.len(),
        100.0 * facts.confidence,
    )?;
    if facts.fitting_images > 0 {
        writeln!(text, "{} further images fit the variance and count nowhere else", facts.fitting_images)?;
    }
    Ok(())
}

fn row(text: &mut String, name: &str, interval: &Interval, meaning: &str) -> Result {
    writeln!(
        text,
        "  {name:<16} {:>13} [{:>13}, {:>13}]  {meaning}",
        number(interval.value),
        number(interval.low),
        number(interval.high)
    )
}

/// Six significant digits.
fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{value:.4e}");
    }
    let decimals = if size < 1.0 { 6 } else { 5 - (size.log10().floor() as usize).min(5) };
    format!("{value:.decimals$}")
}

fn floor_table(text: &mut String, floor: &FloorReport, network: &NetworkReport) -> Result {
    let facts = &network.measured;
    let mirrored = if facts.flips { " and their mirror images" } else { "" };
    let by_class = if facts.class_conditional { ", class by class" } else { "" };
    let title = match floor.floor {
        Floor::EmpiricalTraining => format!(
            "exact denoiser of all {} training images{mirrored}{by_class}, on training images: exact for that measure",
            facts.training_set
        ),
        Floor::Reference => format!(
            "{}, on held-out images: what that network would remove",
            facts.reference.as_deref().unwrap_or("the reference")
        ),
        Floor::EmpiricalLowerBound => {
            "the training measure's own least error against held-out images: training is an upper bound"
                .to_owned()
        }
    };
    writeln!(text, "\nKL(noising path || generated path) in nats, floor {}: {title}", floor.floor)?;
    let bracket = network.initialization;
    writeln!(
        text,
        "  {:<16} {:>13} [{:>13}, {:>13}]  starting from N(0, I); bracket by the data's moments and L_T",
        "initialization",
        number(bracket.lower_nats),
        number(bracket.lower_nats),
        number(bracket.upper_nats)
    )?;
    row(text, "discretization", &floor.discretization_nats, "what finer steps would remove")?;
    row(text, "training", &floor.training_nats, "what a denoiser as good as the floor would remove")?;
    row(text, "total", &floor.total_nats, "")?;
    row(text, "information", &floor.info_nats, "restored by the steps: not an error")?;
    writeln!(
        text,
        "  L_T + parts + L_0 = bound of {} nats, up to {:.1e}; quadrature moves up to {} nats between discretization and information",
        number(floor.vlb_nats.value),
        floor.residual_nats.abs(),
        number(floor.quadrature_error_nats)
    )
}

fn bounds(text: &mut String, network: &NetworkReport) -> Result {
    for bound in &network.bounds {
        let images = match bound.images {
            Images::HeldOut => "held-out",
            Images::Train => "training",
        };
        writeln!(text, "\nVariational bound on {images} images")?;
        row(text, "bits/dim", &bound.vlb_bits_per_dim, "")?;
        row(text, "L_T", &bound.l_t_nats, "nats: what is left of the data at the noisiest level")?;
        row(text, "sum of L_t-1", &bound.denoising_nats, "nats: the steps")?;
        row(text, "L_0", &bound.l_0_nats, "nats: the last step to grey levels")?;
        row(
            text,
            "continuum gap",
            &bound.continuum_gap_nats,
            "nats: bound minus that of infinitely many steps, signed; not the discretization error",
        )?;
        writeln!(
            text,
            "  levels between the measured ones are interpolated, at up to {} nats",
            number(bound.quadrature_error_nats)
        )?;
    }
    Ok(())
}

fn generalization(text: &mut String, network: &NetworkReport) -> Result {
    if let Some(bracket) = &network.training {
        writeln!(text, "\nTraining error on the population, in nats, lies between")?;
        row(text, "at least", &bracket.lower_nats, "against the best known denoiser of held-out images")?;
        row(text, "at most", &bracket.upper_nats, "against the training measure's own error; loose")?;
    }
    if let Some(memorization) = &network.memorization {
        writeln!(text, "\nMemorization: held-out minus training error, in nats")?;
        row(text, "network", &memorization.nats, "")?;
        row(
            text,
            "memorizer",
            &memorization.memorizer_nats,
            "a denoiser that knows the training images by heart",
        )?;
    }
    Ok(())
}

fn checks(text: &mut String, network: &NetworkReport) -> Result {
    let checks = &network.checks;
    let information = &checks.empirical_information_nats;
    writeln!(text, "\nChecks")?;
    writeln!(
        text,
        "  information in the training measure {} [{}, {}] nats, at most log n = {}",
        number(information.value),
        number(information.low),
        number(information.high),
        number(checks.log_n_nats)
    )?;
    let cross = &checks.cross_term_nats;
    writeln!(
        text,
        "  mse - mmse_emp - E|D - D_emp|^2 on training images {} [{}, {}] nats, 0 in expectation",
        number(cross.value),
        number(cross.low),
        number(cross.high)
    )
}

fn classical(text: &mut String, report: &DecomposeReport) -> Result {
    let Some(classical) = &report.classical else { return Ok(()) };
    writeln!(text, "\nClassical terms (variance-exploding units)")?;
    writeln!(text, "  initialization W2 {}, from the data's first two moments", number(classical.w2_init))?;
    writeln!(
        text,
        "  training, sum of mean-square errors {}{}",
        number(classical.training_mse_sum),
        classical.mmse_sum.map_or_else(String::new, |sum| format!(", of which the floor's {}", number(sum)))
    )?;
    writeln!(
        text,
        "  discretization, largest 1 - sigma_s^2/sigma_t^2 {}",
        number(classical.discretization_max)
    )?;
    if let Some(bound) = report.truncation_w2_bound {
        writeln!(
            text,
            "  truncation: W2 between the data and the lowest level is at most {}",
            number(bound)
        )?;
    }
    Ok(())
}

fn measured(text: &mut String, network: &NetworkReport, all: bool) -> Result {
    writeln!(text, "\nE|x_0 - D|^2 at the measured levels")?;
    writeln!(
        text,
        "{:>6} {:>11}  {:>24} {:>24} {:>12} {:>12} {:>24}",
        "t",
        "snr",
        "network, held-out",
        "network, training",
        "memorizer, h",
        "memorizer, t",
        "reference, held-out"
    )?;
    let levels = &network.levels;
    let rows = if all { levels.len() } else { ROWS.min(levels.len()) };
    let with_error = |interval: Option<Interval>| {
        interval.map_or("-".to_owned(), |i| format!("{:.4e} +- {:.1e}", i.value, 0.5 * (i.high - i.low)))
    };
    let plain = |interval: Option<Interval>| interval.map_or("-".to_owned(), |i| format!("{:.4e}", i.value));
    for row in 0..rows {
        let level = &levels[if rows == 1 { 0 } else { row * (levels.len() - 1) / (rows - 1) }];
        writeln!(
            text,
            "{:>6} {:>11.4e} {:>22} {:>22} {:>20} {:>20} {:>22}",
            level.t,
            level.snr,
            with_error(level.held_out),
            with_error(Some(level.train)),
            plain(level.empirical_held_out),
            plain(Some(level.empirical_train)),
            with_error(level.reference_held_out),
        )?;
    }
    if rows < levels.len() {
        writeln!(text, "{rows} of {} measured levels; --all prints every one", levels.len())?;
    }
    Ok(())
}
