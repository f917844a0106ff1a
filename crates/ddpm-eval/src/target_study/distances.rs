//! W2 against the number of steps for other samplers, and their orders of convergence.

use super::{Noised, TargetStudy};
use crate::EvalError;
use crate::sampled_w2::{Effort, Reference};
use ddpm_core::decomposition::{AblationDenoiser, AblationSteps, evenly_refined, fine};
use ddpm_core::recursion::{GaussianDenoiser, Start, w2_errors, w2_to_end};
use ddpm_core::scheme::{Churn, SamplerInfo};
use ddpm_core::targets::Gaussian;
use ddpm_core::{Scheme, Target, Variance};
use ddpm_report::decomposition_page::{DecompositionReport, Measure, Slope, Sweep, SweepCurve, SweepPoint};
use ddpm_report::kit::number;

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
        let run = study.run(study.noised.trajectory(study.grid, study.steps)?, study.scheme);
        let reference = Reference::new(&run, SAMPLED)?;
        mark = Some((reference.noise_floor()?.w2, "exact samples".to_string()));
        for (name, scheme) in compared(study) {
            curves.extend(sampled_curve(study, &reference, name, &scheme)?);
        }
    }
    if !curves.is_empty() {
        let how = if law.is_some() {
            "Exact, from N(0, I) with the denoiser in use.".to_string()
        } else {
            format!(
                "{} samples a point, from N(0, I) with the denoiser in use. Two exact sets of as many samples are as far apart as the dotted line \
                 says, and the curves waver by about as much: intervals are in the data.",
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
    let others = match study.noised {
        Noised::Schedule(_) => vec![
            Scheme::Ddpm { variance: Variance::FixedSmall },
            Scheme::Ddpm { variance: Variance::FixedLarge },
            Scheme::Ddpm { variance: Variance::Analytic },
            Scheme::Ddim { eta: 0.0 },
            Scheme::Dpmpp2m,
            Scheme::Edm { churn: NO_CHURN },
        ],
        Noised::Process { .. } => {
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
        Scheme::Ddpm { variance } => format!("ddpm, {variance}"),
        Scheme::Ddim { eta } if *eta > 0.0 => format!("ddim, eta {eta}"),
        other => other.name().to_string(),
    }
}

fn counts(study: &TargetStudy<'_>, most: usize) -> Vec<usize> {
    let all = match study.noised {
        Noised::Schedule(schedule) => schedule.steps(),
        Noised::Process { .. } => most,
    };
    [5, 10, 20, 50, 100, 200, 500, 1000].into_iter().filter(|&n| n <= all.min(most)).collect()
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
    let mut schemes = vec![Scheme::Ddim { eta: 0.0 }, Scheme::Edm { churn: NO_CHURN }, Scheme::Dpmpp2m];
    if law.is_some() {
        schemes.insert(0, Scheme::Ddpm { variance: Variance::FixedLarge });
    }
    let levels = study.noised.trajectory(study.grid, study.steps.max(2))?;
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
            "Exact, from the true law of x_T with the ideal denoiser"
        } else {
            "The root mean square distance between paths from the same start and noise, with the ideal denoiser: W₂ itself on the line, and \
             never less than it in more dimensions"
        };
        report.sweeps.push(Sweep {
            question: "How fast do the steps’ errors vanish?".to_string(),
            reading: format!("{how}; levels evenly spaced in log-SNR between the same ends. Grey lines show first and second order."),
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

/// What the distances say, where there is no divergence to speak of: three sentences.
pub(super) fn sentences(report: &DecompositionReport) -> Vec<String> {
    let Some(ablation) = &report.ablation else { return Vec::new() };
    let value =
        |start, steps, denoiser| ablation.cell(start, steps, denoiser).map_or(f64::NAN, |cell| cell.w2);
    let none = value(Start::Marginal, AblationSteps::Fine, AblationDenoiser::Ideal);
    let all = value(Start::Prior, AblationSteps::Steps, AblationDenoiser::Given);
    let mut alone = vec![
        ("the finite steps", value(Start::Marginal, AblationSteps::Steps, AblationDenoiser::Ideal)),
        ("the start at N(0, I)", value(Start::Prior, AblationSteps::Fine, AblationDenoiser::Ideal)),
    ];
    if report.perturbation != 0.0 {
        alone.push(("the denoiser", value(Start::Marginal, AblationSteps::Fine, AblationDenoiser::Given)));
    }
    alone.sort_by(|a, b| b.1.total_cmp(&a.1));
    let list: Vec<String> =
        alone.iter().map(|(name, w2)| format!("{name} {}", number::number(*w2))).collect();
    let steps = report.result.steps;
    let mut sentences = vec![format!(
        "The samples of {steps} steps are {} away from the target in W₂; with all errors off, {} would be left.",
        number::number(all),
        number::number(none)
    )];
    sentences.push(format!("By itself each error leads to: {}.", list.join(", ")));
    let best = report.sweeps.iter().filter(|sweep| sweep.measure == Measure::W2).find_map(|sweep| {
        let at = sweep.curves.iter().flat_map(|c| c.points.iter().map(move |p| (c, p)));
        // The number of steps that is nearest to the one in use.
        let near = at.clone().map(|(_, p)| p.steps).min_by_key(|n| n.abs_diff(steps))?;
        at.filter(|(_, p)| p.steps == near).min_by(|a, b| a.1.value.total_cmp(&b.1.value))
    });
    if let Some((curve, point)) = best {
        sentences.push(format!(
            "Of the samplers compared, {} comes nearest at {} steps: {}.",
            curve.name,
            point.steps,
            number::number(point.value)
        ));
    }
    sentences
}
