//! How does each term scale? Measured exponents beside the theoretical ones.

use crate::cell::{Cell, Chain, Continuous};
use crate::closed_form_target::{NamedTarget, TargetName};
use crate::plan::{NamedSampler, Plan, VARIANCES, WHOLE, by_log_snr, rebuilt, samplers, thinned};
use crate::report_section::{Block, ReportSection};
use crate::sweep::Results;
use anyhow::Result;
use ddpm_core::power_law::{Point, PowerLaw};
use ddpm_core::{FIXED_SMALL_LIMIT, Grid, ScheduleKind, Scheme, Target, Variance};
use ddpm_report::kit::{Axis, Cell as TableCell, Plot, Series, Table, Text, number};
use serde::Serialize;
use serde_json::json;

/// A measured exponent agrees with theory within this, or within two of its standard errors.
const TOLERANCE: f64 = 0.15;

/// Errors below this share of the data's spread are rounding.
const ROUNDING: f64 = 1e-12;

/// The square of the least noise of a linear chain of 1000 levels: directions with less variance are not resolved.
const NARROW: f64 = 1e-4;

/// Errors of the denoiser.
const PERTURBATIONS: [f64; 4] = [0.0125, 0.025, 0.05, 0.1];
/// Lengths of the Ornstein-Uhlenbeck process: alpha_bar = e^-horizon at the start of sampling.
const HORIZONS: [f64; 5] = [4.0, 5.0, 6.0, 7.0, 8.0];
/// Times of the usual process at which sampling stops.
const STOPS: [f64; 4] = [3e-3, 1e-3, 3e-4, 1e-4];
/// Where the process stops while the number of steps varies: for divergences, and for the orders of samplers.
const DIVERGENCE_STOP: f64 = 1e-3;
const ORDER_STOP: f64 = 0.05;
/// Estimated terms are not followed to longer chains than this.
const LONGEST_ESTIMATED: usize = 2000;

/// What is read from a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    Discretization,
    Training,
    Initialization,
    TruncationBound,
    Truncation,
    SamplerDiscretization,
}

/// What theory says of an exponent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Theory {
    /// It has this value.
    Is(f64),
    /// It lies between these, the chain being too short for its limit.
    Between(f64, f64),
    /// It tends to 0 slowly: the term has a limit that is not zero.
    TendsToZero,
}

impl Theory {
    /// Whether a measured exponent agrees; nothing can be said where only the limit is known.
    fn agrees(self, exponent: f64, slack: f64) -> Option<bool> {
        match self {
            Theory::Is(value) => Some((exponent - value).abs() <= slack),
            Theory::Between(low, high) => Some(low - slack <= exponent && exponent <= high + slack),
            Theory::TendsToZero => None,
        }
    }
}

impl std::fmt::Display for Theory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Theory::Is(value) => value.to_string(),
            Theory::Between(low, high) => format!("{low} to {high}"),
            Theory::TendsToZero => "to 0".to_owned(),
        };
        f.write_str(&number::typeset(&text))
    }
}

/// One measured exponent.
#[derive(Debug)]
struct Law {
    /// Where it is listed.
    group: Group,
    what: String,
    target: TargetName,
    /// The exponent in theory.
    theory: Theory,
    quantity: Quantity,
    /// What is varied, and the cell at that value; none where the cell says it.
    points: Vec<(Option<f64>, Cell)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Rebuilt,
    LogSnr,
    Others,
    Samplers,
}

fn laws(plan: &Plan) -> Vec<Law> {
    let mut laws = Vec::new();
    for target in &plan.targets {
        laws.extend(divergences(plan, target));
    }
    for target in plan.gaussians() {
        laws.push(truncation(plan, target));
    }
    if let Some(target) = plan.target(TargetName::Gaussian2d) {
        laws.extend(samplers().into_iter().filter_map(|sampler| order(plan, target, sampler)));
    }
    laws
}

fn divergences(plan: &Plan, target: &NamedTarget) -> Vec<Law> {
    let law = |group, what: &str, theory, quantity, points| Law {
        group,
        what: what.to_owned(),
        target: target.name,
        theory,
        quantity,
        points,
    };
    let mut laws = Vec::new();
    for variance in VARIANCES {
        let lengths = plan.effort.lengths.iter().filter(|&&t| target.is_exact() || t <= LONGEST_ESTIMATED);
        let points = lengths
            .map(|&length| (Some(length as f64), plan.divergence(target, rebuilt(length), variance, 0.0)));
        let theory = match variance {
            Variance::FixedSmall => Theory::TendsToZero,
            // Below the least noise a narrow direction counts as a point, which only fixed-small renders exactly.
            _ if is_narrow(target) => Theory::Between(-1.0, 0.0),
            _ => Theory::Is(-1.0),
        };
        laws.push(law(Group::Rebuilt, variance.name(), theory, Quantity::Discretization, points.collect()));
    }
    if !target.is_exact() {
        return laws;
    }
    for variance in VARIANCES {
        let cell = |steps| plan.divergence(target, by_log_snr(steps, DIVERGENCE_STOP), variance, 0.0);
        let points = plan.effort.orders.iter().map(|&steps| (Some(steps as f64), cell(steps)));
        laws.push(law(
            Group::LogSnr,
            variance.name(),
            Theory::Is(-1.0),
            Quantity::Discretization,
            points.collect(),
        ));
    }
    let chain = || thinned(ScheduleKind::Linear, WHOLE, 50);
    let training = PERTURBATIONS
        .map(|error| (Some(error), plan.divergence(target, chain(), Variance::FixedLarge, error)))
        .to_vec();
    laws.push(law(
        Group::Others,
        "training, by the denoiser’s error",
        Theory::Is(2.0),
        Quantity::Training,
        training,
    ));
    let initialization = HORIZONS.map(|horizon| {
        let process = Continuous::OrnsteinUhlenbeck { horizon };
        let chain = Chain::Process { process, grid: Grid::Linspace, steps: 2, t_min: 0.01 };
        (None, plan.divergence(target, chain, Variance::FixedLarge, 0.0))
    });
    // The mean enters linearly in alpha_bar, everything else quadratically.
    let centred = target.law.mean().iter().all(|m| *m == 0.0);
    let what = if centred {
        "initialization of centred data, by ᾱ at the start"
    } else {
        "initialization, by ᾱ at the start"
    };
    let theory = Theory::Is(if centred { 2.0 } else { 1.0 });
    laws.push(law(Group::Others, what, theory, Quantity::Initialization, initialization.to_vec()));
    let bound = STOPS
        .map(|stop| (None, plan.divergence(target, by_log_snr(2, stop), Variance::FixedLarge, 0.0)))
        .to_vec();
    laws.push(law(
        Group::Others,
        "truncation bound, by the least noise σ/α",
        Theory::Is(1.0),
        Quantity::TruncationBound,
        bound,
    ));
    laws
}

/// Whether the data have directions with hardly any spread: pixels that never change.
fn is_narrow(target: &NamedTarget) -> bool {
    match &target.law {
        Target::Gaussian(law) => law.covariance().eigenvalues().iter().any(|l| *l < NARROW),
        _ => false,
    }
}

/// W2 of truncation alone: sqrt(l + sigma^2) - sqrt(l) is quadratic in sigma, but linear where l = 0.
fn truncation(plan: &Plan, target: &NamedTarget) -> Law {
    let theory = if is_narrow(target) { Theory::Between(1.0, 2.0) } else { Theory::Is(2.0) };
    let what = "W2 of truncation, by the least noise σ/α";
    let points = STOPS.map(|stop| (None, plan.wasserstein(target, by_log_snr(2, stop), Scheme::Ei))).to_vec();
    Law {
        group: Group::Others,
        what: what.to_owned(),
        target: target.name,
        theory,
        quantity: Quantity::Truncation,
        points,
    }
}

/// The discretization of a sampler in W2, from the true law at the start to the law at the end.
fn order(plan: &Plan, target: &NamedTarget, sampler: NamedSampler) -> Option<Law> {
    // Correctors relax towards the law of each level by a fixed amount: no order is claimed for them.
    if matches!(sampler.scheme, Scheme::PredictorCorrector { .. }) || sampler.order == 0 {
        return None;
    }
    let cell = |steps| plan.wasserstein(target, by_log_snr(steps, ORDER_STOP), sampler.scheme);
    Some(Law {
        group: Group::Samplers,
        what: sampler.name.to_owned(),
        target: target.name,
        theory: Theory::Is(-f64::from(sampler.order)),
        quantity: Quantity::SamplerDiscretization,
        points: plan.effort.orders.iter().map(|&steps| (Some(steps as f64), cell(steps))).collect(),
    })
}

pub(super) fn cells(plan: &Plan) -> Vec<Cell> {
    laws(plan).into_iter().flat_map(|law| law.points.into_iter().map(|(_, cell)| cell)).collect()
}

/// A law with its fit.
#[derive(Debug, Serialize)]
struct Measured {
    quantity: String,
    target: TargetName,
    theory: Theory,
    #[serde(flatten)]
    fit: PowerLaw,
    agrees: Option<bool>,
    #[serde(skip)]
    group: Group,
    points: Vec<[f64; 3]>,
}

impl Law {
    fn measure(&self, results: &Results, spread: f64) -> Result<Option<Measured>> {
        let mut points = Vec::new();
        for (varied, cell) in &self.points {
            let point = self.point(*varied, cell, results)?;
            if point.y > ROUNDING * spread {
                points.push(point);
            }
        }
        if points.len() < 3 {
            return Ok(None);
        }
        let fit = PowerLaw::fit(&points)?;
        let estimated = points.iter().any(|point| point.stderr > 0.0);
        let exponent = if estimated { fit.exponent } else { fit.last_exponent };
        let slack = if estimated { TOLERANCE.max(2.0 * fit.stderr) } else { TOLERANCE };
        Ok(Some(Measured {
            quantity: self.what.clone(),
            target: self.target,
            theory: self.theory,
            agrees: self.theory.agrees(exponent, slack),
            fit,
            group: self.group,
            points: points.iter().map(|point| [point.x, point.y, point.stderr]).collect(),
        }))
    }

    fn point(&self, varied: Option<f64>, cell: &Cell, results: &Results) -> Result<Point> {
        let exact = |x, y| Point { x, y, stderr: 0.0 };
        let estimate = |x, e: ddpm_core::decomposition::Estimate| Point { x, y: e.value, stderr: e.stderr };
        Ok(match self.quantity {
            Quantity::Truncation => {
                let chain = results.wasserstein(cell)?;
                exact(chain.least_noise, chain.errors.continuous_from_marginal)
            }
            Quantity::SamplerDiscretization => {
                exact(varied.unwrap_or(f64::NAN), results.wasserstein(cell)?.to_end)
            }
            _ => {
                let terms = results.divergence(cell)?;
                let x = varied.unwrap_or(f64::NAN);
                match self.quantity {
                    Quantity::Discretization => estimate(x, terms.discretization),
                    Quantity::Training => estimate(x, terms.training),
                    Quantity::Initialization => estimate(terms.last_alpha_bar, terms.init),
                    _ => exact(terms.least_noise, terms.truncation_w2_bound),
                }
            }
        })
    }
}

pub(super) fn answer(plan: &Plan, results: &Results) -> Result<Option<ReportSection>> {
    let mut measured = Vec::new();
    for law in laws(plan) {
        let spread = plan.target(law.target).map_or(1.0, NamedTarget::spread);
        measured.extend(law.measure(results, spread)?);
    }
    if measured.is_empty() {
        return Ok(None);
    }
    let of = |group: Group| measured.iter().filter(move |law| law.group == group);
    let judged: Vec<&Measured> = measured.iter().filter(|law| law.agrees.is_some()).collect();
    let agreeing = judged.iter().filter(|law| law.agrees == Some(true)).count();
    let verdict = format!(
        "{agreeing} of {} measured exponents agree with theory, within {TOLERANCE} or, where terms are estimated, two standard errors.",
        judged.len()
    );
    let mut detail = "In theory twice the steps halve the discretization of ancestral sampling and quarter the W2 error of second-order samplers, and half the denoiser’s error is \
         a quarter of the training term."
        .to_owned();
    for law in judged.iter().filter(|law| law.agrees == Some(false)) {
        detail.push_str(&format!(
            " Apart: {} on {}, {} in theory, {} measured at the end of the range.",
            law.quantity,
            law.target,
            law.theory,
            number::typeset(&format!("{:.2}", law.fit.last_exponent)),
        ));
    }
    let limits: Vec<(TargetName, f64)> = of(Group::Rebuilt)
        .filter(|law| law.theory == Theory::TendsToZero)
        .filter_map(|law| {
            let dim = plan.target(law.target)?.law.dim() as f64;
            Some((law.target, law.points.last()?[1] / dim))
        })
        .collect();
    if let Some((target, limit)) = limits.first() {
        detail.push_str(&format!(
            " With fixed-small on the linear schedule more steps do not help beyond a point: discretization tends to {FIXED_SMALL_LIMIT:.4} nats a dimension; it has come down to {} \
             on {target} with the longest chain.",
            number::typeset(&number::plain(*limit, 3)),
        ));
    }
    let mut blocks = vec![
        Block::Table(table(
            "Discretization of linear chains of T levels, all visited, by T. “To 0” means that the term has a limit that is not zero, approached slowly: the ratios of the lowest noise \
             levels do not shrink as the chain grows. “−1 to 0”: the data have directions narrower than the least noise, such as pixels that never change, which a longer chain \
             begins to resolve, so that the limit −1 is not reached at these lengths.",
            "variance",
            of(Group::Rebuilt),
        )),
        Block::Table(limits_table(&limits)),
        Block::Table(table(
            format!(
                "Discretization with N steps evenly spaced in log-SNR along the continuous process down to t = {DIVERGENCE_STOP}, by N: here all three variances \
                 fall as 1/N."
            ),
            "variance",
            of(Group::LogSnr),
        )),
        Block::Table(table(
            "The other terms. W2 of truncation is quadratic in the noise where the data are wider than it in every direction, linear where they are narrower.",
            "term and what it scales with",
            of(Group::Others),
        )),
        Block::Table(table(
            format!(
                "Samplers: W2 from the true law at the start to the law at t = {ORDER_STOP}, discretization alone, by the number of steps; theory is minus the order."
            ),
            "sampler",
            of(Group::Samplers),
        )),
    ];
    blocks.extend(plot(&measured));
    blocks.push(Block::Paragraph(Text::new(
        "An exponent p means: proportional to the p-th power. The fit is a straight line through all points of a log-log plot; its ± is one standard error, which for exact \
         figures is not noise but bending. The exponent at the end belongs to the last two points alone and is nearest to the limit that theory speaks of.",
    )));
    Ok(Some(ReportSection {
        name: "scaling",
        question: "How does each term scale?",
        verdict,
        detail,
        blocks,
        figures: json!({"exponents": measured, "fixed_small_nats_per_dimension": limits}),
    }))
}

fn table<'a>(caption: impl Into<Text>, first: &str, laws: impl Iterator<Item = &'a Measured>) -> Table {
    let mut table = Table::new(caption, [first, "target", "theory", "exponent, fit", "at the end", "agrees"]);
    let two = |value: f64| TableCell::Numeral(number::typeset(&format!("{value:.2}")).into());
    for law in laws {
        let fit = format!("{:.2} ± {:.2}", law.fit.exponent, law.fit.stderr);
        table.push([
            TableCell::from(law.quantity.as_str()),
            law.target.name().into(),
            TableCell::Numeral(law.theory.to_string().into()),
            TableCell::Numeral(number::typeset(&fit).into()),
            two(law.fit.last_exponent),
            match law.agrees {
                None => "in the limit".into(),
                Some(true) => "yes".into(),
                Some(false) => TableCell::Text(Text::default().strong("no")),
            },
        ]);
    }
    table
}

fn limits_table(limits: &[(TargetName, f64)]) -> Table {
    let mut table = Table::new(
        format!(
            "Fixed-small with the longest chain: discretization a dimension. It tends to {FIXED_SMALL_LIMIT:.4} on every target."
        ),
        ["target", "nats a dimension"],
    );
    for (target, limit) in limits {
        table.push([TableCell::from(target.name()), (*limit).into()]);
    }
    table
}

fn plot(measured: &[Measured]) -> Vec<Block> {
    let line = |law: &Measured| {
        let points: Vec<(f64, f64)> = law.points.iter().map(|p| (p[0], p[1])).collect();
        Series::line_and_points(law.quantity.clone(), points)
    };
    let guide = |name: &str, from: (f64, f64), to: f64, power: i32| {
        Series::guide(name, [from, (to, from.1 * (to / from.0).powi(power))])
    };
    let mut blocks = Vec::new();
    let ends = |laws: &[&Measured]| {
        let (first, last) = (laws.first()?.points.first()?, laws.first()?.points.last()?);
        Some((first[0], last[0]))
    };
    let chosen = [TargetName::DigitsGaussian, TargetName::Gaussian2d, TargetName::Mixture1d]
        .into_iter()
        .find(|name| measured.iter().any(|law| law.group == Group::Rebuilt && law.target == *name));
    let rebuilt: Vec<&Measured> =
        measured.iter().filter(|law| law.group == Group::Rebuilt && Some(law.target) == chosen).collect();
    if let (Some(target), Some((first, last)), Some(large)) = (chosen, ends(&rebuilt), rebuilt.get(1)) {
        let mut plot = Plot::new(
            format!("Discretization by chain length, {target}"),
            Axis::log("levels T, all visited"),
            Axis::log("discretization (nats)"),
        );
        plot = rebuilt.iter().fold(plot, |plot, law| plot.series(line(law)));
        plot = plot.series(guide("∝ 1/T", (first, 0.6 * large.points[0][1]), last, -1));
        let caption = "Twice the levels halve the term, except with fixed-small, which levels off.";
        blocks.push(Block::Plot(Box::new(plot), caption.into()));
    }
    let orders: Vec<&Measured> = measured.iter().filter(|law| law.group == Group::Samplers).collect();
    let shown = ["ddpm, fixed-large", "ddim", "ode-heun", "dpmpp-2m", "unipc", "ode-rk4"];
    let shown: Vec<&Measured> =
        orders.into_iter().filter(|law| shown.contains(&law.quantity.as_str())).collect();
    if let (Some((first, last)), Some(top)) = (ends(&shown), shown.first()) {
        let mut plot = Plot::new(
            "Discretization of samplers in W2",
            Axis::log("steps N"),
            Axis::log("W2 to the law at the end"),
        );
        plot = shown.iter().fold(plot, |plot, law| plot.series(line(law)));
        let start = (first, 1.8 * top.points[0][1]);
        plot = plot.series(guide("∝ 1/N", start, last, -1)).series(guide("∝ 1/N²", start, last, -2));
        let caption =
            format!("A selection of the samplers on {}, exact; the steeper the better.", top.target);
        blocks.push(Block::Plot(Box::new(plot), caption.into()));
    }
    blocks
}
