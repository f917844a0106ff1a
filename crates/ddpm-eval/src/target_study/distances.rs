//! W2 against the number of steps for other samplers, and their orders of convergence.

use super::study::TargetStudy;
use crate::EvalError;
use crate::sampled_w2::{Effort, Reference};
use ddpm_core::decomposition::{AblationDenoiser, AblationSteps, evenly_refined, fine};
use ddpm_core::recursion::{GaussianDenoiser, Start, w2_errors, w2_to_end};
use ddpm_core::scheme::{Churn, SamplerInfo};
use ddpm_core::targets::Gaussian;
use ddpm_core::{Noising, Scheme, Target, Variance};
use ddpm_report::decomposition_page::DecompositionReport;
use ddpm_report::kit::{listed, number};
use ddpm_report::results::{Measure, Slope, Sweep, SweepCurve, SweepPoint};

/// Samples and resamples of each point of a sampled curve.
const SAMPLED: Effort = Effort { samples: 2000, resamples: 60, directions: 24, fine_steps: 300 };
/// Samples whose paths are followed to measure an order.
const FOLLOWED: usize = 1000;
/// Steps that stand for infinitely many there: second order, so that their error is below a hundredth of any shown.
const FOLLOWED_FINE: usize = 1024;
/// Numbers of steps along which an order is measured.
const DOUBLINGS: [usize; 5] = [8, 16, 32, 64, 128];
/// Distances below this are rounding.
const ROUNDING: f64 = 1e-11;
/// The same for samples in single precision.
const SAMPLE_ROUNDING: f64 = 1e-5;
/// Dimensions up to which curves go on to a thousand steps.
const LONG_DIM: usize = 64;

const NO_CHURN: Churn = Churn { amount: 0.0, min: 0.0, max: f64::MAX, noise: 1.0 };

pub(super) fn add_to(report: &mut DecompositionReport, study: &TargetStudy<'_>) -> Result<(), EvalError> {
    let law = match study.target {
        Target::Gaussian(law) => Some(law),
        _ => None,
    };
    let floor = report.ablation.as_ref().and_then(|ablation| ablation.noise_floor);
    let mut curves = Vec::new();
    let mut mark = None;
    if let Some(law) = law {
        for (name, scheme) in compared(study) {
            curves.extend(exact_curve(study, law, name, &scheme)?);
        }
    } else {
        let run = study.run(study.noising.trajectory(study.steps, study.grid)?, study.scheme);
        let reference = Reference::new(&run, SAMPLED)?;
        mark = Some((reference.noise_floor()?.w2, "exact samples".to_string()));
        for (name, scheme) in compared(study) {
            curves.extend(sampled_curve(study, &reference, name, &scheme)?);
        }
    }
    if !curves.is_empty() {
        let how = if law.is_some() {
            "Exact W₂ of samplers that start at N(0, I), with the denoiser in use.".to_string()
        } else {
            format!(
                "W₂ of {} samples per point, from N(0, I) with the denoiser in use. The dotted line is W₂ between two exact sets of as many samples: \
                 differences of that size between curves are noise. The intervals are in the data.",
                number::count(SAMPLED.samples as u64)
            )
        };
        report.sweeps.push(Sweep {
            question: "Which sampler?".to_string(),
            reading: how,
            measure: Measure::W2,
            curves,
            mark: mark.or(floor.map(|floor| (floor.w2, "exact samples".to_string()))),
            guides: Vec::new(),
        });
    }
    orders(report, study, law)
}

/// The samplers that are compared: the one in use first.
fn compared(study: &TargetStudy<'_>) -> Vec<(String, Scheme)> {
    let others = match study.noising {
        Noising::Discrete(_) => vec![
            Scheme::Ddpm { variance: Variance::FixedSmall },
            Scheme::Ddpm { variance: Variance::FixedLarge },
            Scheme::Ddpm { variance: Variance::Analytic },
            Scheme::ddim(0.0),
            Scheme::Dpmpp2m,
            Scheme::Edm { churn: NO_CHURN },
        ],
        Noising::Continuous { .. } => {
            vec![Scheme::DdpmRate, Scheme::Em, Scheme::Ei, Scheme::OdeEuler, Scheme::OdeHeun, Scheme::Dpmpp2m]
        }
    };
    let mut schemes = vec![study.scheme];
    schemes.extend(others.into_iter().filter(|scheme| *scheme != study.scheme));
    // As many as there are colours.
    schemes.truncate(6);
    schemes.into_iter().map(|scheme| (name(&scheme), scheme)).collect()
}

fn name(scheme: &Scheme) -> String {
    match scheme {
        Scheme::Ddpm { variance } => format!("ddpm ({variance})"),
        Scheme::Ddim { eta, .. } if *eta > 0.0 => format!("ddim (eta {eta})"),
        other => other.name().to_string(),
    }
}

fn counts(study: &TargetStudy<'_>, most: usize) -> Vec<usize> {
    let most = study.noising.max_steps().map_or(most, |all| all.min(most));
    [5, 10, 20, 50, 100, 200, 500, 1000].into_iter().filter(|&n| n <= most).collect()
}

/// None where the sampler cannot go through these levels, or its samples are no law of their own.
fn exact_curve(
    study: &TargetStudy<'_>,
    law: &Gaussian,
    name: String,
    scheme: &Scheme,
) -> Result<Option<SweepCurve>, EvalError> {
    if *scheme == Scheme::OdeRk45 {
        return Ok(None);
    }
    let denoiser = GaussianDenoiser::new(law, study.perturbation);
    let most = if law.dim() <= LONG_DIM { 1000 } else { 200 };
    let mut points = Vec::new();
    for steps in counts(study, most) {
        let trajectory = study.trajectory(steps, scheme)?;
        let Ok(errors) = w2_errors(&denoiser, &trajectory, scheme) else { continue };
        if errors.from_normal.is_finite() {
            points.push(SweepPoint::exact(steps, errors.from_normal));
        }
    }
    Ok((!points.is_empty()).then_some(SweepCurve { name, points }))
}

fn sampled_curve(
    study: &TargetStudy<'_>,
    reference: &Reference<'_>,
    name: String,
    scheme: &Scheme,
) -> Result<Option<SweepCurve>, EvalError> {
    let mut points = Vec::new();
    for steps in counts(study, 100) {
        let run = study.run(study.trajectory(steps, scheme)?, *scheme);
        if run.is_stochastic().is_err() {
            continue;
        }
        let samples = run.samples(Start::Prior, AblationSteps::Steps, AblationDenoiser::Given, &SAMPLED)?;
        let distance = reference.distance(&samples)?;
        points.push(SweepPoint { steps, value: distance.w2, interval: Some(distance.interval) });
    }
    Ok((!points.is_empty()).then_some(SweepCurve { name, points }))
}

/// Orders of convergence to infinitely many steps, on levels evenly spaced in log-SNR with both ends kept.
fn orders(
    report: &mut DecompositionReport,
    study: &TargetStudy<'_>,
    law: Option<&Gaussian>,
) -> Result<(), EvalError> {
    let mut schemes = vec![Scheme::ddim(0.0), Scheme::Edm { churn: NO_CHURN }, Scheme::Dpmpp2m];
    if law.is_some() {
        schemes.insert(0, Scheme::Ddpm { variance: Variance::FixedLarge });
    }
    let levels = study.noising.trajectory(study.steps.max(2), study.grid)?;
    let mut curves = Vec::new();
    let mut slopes = Vec::new();
    let followed = match law {
        Some(_) => None,
        None => Some(Followed::new(study, evenly_refined(&levels, FOLLOWED_FINE)?)?),
    };
    for scheme in schemes {
        let mut points = Vec::new();
        for steps in DOUBLINGS {
            let trajectory = evenly_refined(&levels, steps)?;
            let distance = match (law, &followed) {
                (Some(law), _) => w2_to_end(&GaussianDenoiser::new(law, 0.0), &trajectory, &scheme).ok(),
                (None, Some(followed)) => followed.apart(study, trajectory, scheme).ok(),
                (None, None) => None,
            };
            let rounding = if law.is_some() { ROUNDING } else { SAMPLE_ROUNDING };
            points.extend(distance.filter(|d| *d > rounding).map(|d| SweepPoint::exact(steps, d)));
        }
        if let [.., coarse, fine] = points[..] {
            let order = SamplerInfo::find(scheme.name())?.order;
            let quantity = format!("W₂, {}", name(&scheme));
            slopes.extend(Slope::between(quantity, (coarse, fine), Some(-f64::from(order)), ""));
        }
        if !points.is_empty() {
            curves.push(SweepCurve { name: name(&scheme), points });
        }
    }
    if !curves.is_empty() {
        let how = if law.is_some() {
            "Exact W₂ from the law of x_T with the ideal denoiser"
        } else {
            "Root mean square distance between paths from the same start and noise, with the ideal denoiser: W₂ itself on the line, an upper bound of \
             it in more dimensions"
        };
        report.sweeps.push(Sweep {
            question: "Convergence with the number of steps".to_string(),
            reading: format!("{how}. The levels are evenly spaced in log-SNR between the same ends. Grey lines show first and second order."),
            measure: Measure::W2ToFine,
            curves,
            mark: None,
            guides: vec![-1, -2],
        });
    }
    report.slopes.extend(slopes);
    Ok(())
}

/// Ends of paths of deterministic samplers from common starts.
struct Followed {
    ends: Vec<f64>,
}

impl Followed {
    const EFFORT: Effort = Effort { samples: FOLLOWED, ..SAMPLED };

    fn new(study: &TargetStudy<'_>, trajectory: ddpm_core::Trajectory) -> Result<Self, EvalError> {
        let (_, scheme) = fine(&trajectory, 1, false)?;
        let run = study.run(trajectory, scheme);
        Ok(Followed {
            ends: run.samples(
                Start::Marginal,
                AblationSteps::Steps,
                AblationDenoiser::Ideal,
                &Self::EFFORT,
            )?,
        })
    }

    /// Root mean square distance of the ends.
    fn apart(
        &self,
        study: &TargetStudy<'_>,
        trajectory: ddpm_core::Trajectory,
        scheme: Scheme,
    ) -> Result<f64, EvalError> {
        let run = study.run(trajectory, scheme);
        let ends =
            run.samples(Start::Marginal, AblationSteps::Steps, AblationDenoiser::Ideal, &Self::EFFORT)?;
        let squares: f64 = ends.iter().zip(&self.ends).map(|(a, b)| (a - b).powi(2)).sum();
        Ok((squares / FOLLOWED as f64).sqrt())
    }
}

/// The sentences at the top of a page about distances, where there is no divergence. Nothing is ranked by a difference that the intervals
/// do not support.
pub(super) fn sentences(report: &DecompositionReport) -> Vec<String> {
    let Some(ablation) = &report.ablation else { return Vec::new() };
    let distance = |start, steps, denoiser| {
        let cell = ablation.cell(start, steps, denoiser)?;
        Some(cell.interval.map_or_else(|| number::number(cell.w2), distance_in_words))
    };
    let (ideal, given) = (AblationDenoiser::Ideal, AblationDenoiser::Given);
    let none = distance(Start::Marginal, AblationSteps::Fine, ideal);
    let all = distance(Start::Prior, AblationSteps::Steps, given);
    let steps = report.result.steps;
    let mut sentences = Vec::new();
    if let (Some(none), Some(all)) = (none, all) {
        sentences.push(format!(
            "W₂ between the samples of {steps} steps and the target is {all}. With all errors off it is {none}."
        ));
    }
    let mut alone = vec![
        ("the finite steps", distance(Start::Marginal, AblationSteps::Steps, ideal)),
        ("the start at N(0, I)", distance(Start::Prior, AblationSteps::Fine, ideal)),
    ];
    if report.perturbation != 0.0 {
        alone.push(("the denoiser", distance(Start::Marginal, AblationSteps::Fine, given)));
    }
    let list: Vec<String> =
        alone.into_iter().filter_map(|(name, w2)| Some(format!("{name} {}", w2?))).collect();
    sentences.push(format!("W₂ with one error at a time: {}.", list.join("; ")));
    sentences.extend(nearest(report));
    sentences
}

/// An interval of a distance, which is never negative.
fn distance_in_words([low, high]: [f64; 2]) -> String {
    match (low > 0.0, high > 0.0) {
        (true, _) => number::range(low, high),
        (false, true) => format!("{} (not distinguishable from 0)", number::range(0.0, high)),
        (false, false) => "not distinguishable from 0".to_string(),
    }
}

/// The sampler with the least distance at the number of steps nearest to the one in use, or those that cannot be told from it.
fn nearest(report: &DecompositionReport) -> Option<String> {
    let sweep = report.sweeps.iter().find(|sweep| sweep.measure == Measure::W2)?;
    let at = sweep.curves.iter().flat_map(|c| c.points.iter().map(move |p| (c, p)));
    let near = at.clone().map(|(_, p)| p.steps).min_by_key(|n| n.abs_diff(report.result.steps))?;
    let mut here: Vec<(&SweepCurve, &SweepPoint)> = at.filter(|(_, p)| p.steps == near).collect();
    here.sort_by(|a, b| a.1.value.total_cmp(&b.1.value));
    let (best, least) = here.first()?;
    let ends = |point: &SweepPoint| point.interval.unwrap_or([point.value; 2]);
    let alike: Vec<&str> = here
        .iter()
        .skip(1)
        .filter(|(_, point)| ends(point)[0] <= ends(least)[1])
        .map(|(curve, _)| curve.name.as_str())
        .collect();
    Some(if alike.is_empty() {
        format!(
            "Of the samplers compared, {} has the least W₂ at {near} steps: {}.",
            best.name,
            least.interval.map_or_else(|| number::number(least.value), distance_in_words)
        )
    } else {
        format!(
            "At {near} steps no sampler is known to be nearest: the 95 % intervals of the W₂ of {} overlap.",
            listed(&[&[best.name.as_str()], alike.as_slice()].concat())
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(points: [(f64, Option<[f64; 2]>); 2]) -> DecompositionReport {
        let curve = |(name, (value, interval)): (&str, (f64, Option<[f64; 2]>))| SweepCurve {
            name: name.to_string(),
            points: vec![SweepPoint { steps: 20, value, interval }],
        };
        DecompositionReport {
            result: ddpm_report::results::DecomposeReport { steps: 20, ..Default::default() },
            sweeps: vec![Sweep {
                question: String::new(),
                reading: String::new(),
                measure: Measure::W2,
                curves: ["ddim", "edm"].into_iter().zip(points).map(curve).collect(),
                mark: None,
                guides: Vec::new(),
            }],
            ..Default::default()
        }
    }

    #[test]
    fn a_sampler_is_best_only_where_the_intervals_part() {
        let noise = report([(0.0488, Some([0.0, 0.09])), (0.06, Some([0.01, 0.11]))]);
        assert!(nearest(&noise).is_some_and(
            |text| text.contains("no sampler is known to be nearest") && text.contains("ddim and edm")
        ));
        let apart = report([(0.05, Some([0.04, 0.06])), (0.5, Some([0.4, 0.6]))]);
        assert!(nearest(&apart).is_some_and(|text| text.contains("ddim has the least W₂")));
        assert!(nearest(&report([(0.05, None), (0.06, None)])).is_some_and(|text| text.contains("ddim")));
        assert_eq!(distance_in_words([-0.1, -0.05]), "not distinguishable from 0");
    }
}
