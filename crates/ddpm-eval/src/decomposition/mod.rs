//! The error decomposition of a trained network on a data set: a pure function of what was measured (formulas:
//! [`ddpm_core::decomposition`]).
//!
//! The population's ideal denoiser D* is unknown. Each decomposition names the floor that stands for it:
//!
//! - the empirical denoiser D_emp, on *training* images. It is D* of their empirical measure, so that mse - mmse_emp = E|D - D_emp|^2 >= 0,
//!   which is measured directly, and the decomposition is exact for that measure;
//! - a better network, on *held-out* images, measured on the same noised images;
//! - mmse_emp on training images against mse on held-out images: an upper bound of the population's training error.
//!
//! On held-out images D_emp is no floor: its error there is the scale on which the network's memorization is read.
//!
//! Every sum over levels is a mean over images of sums within each image, and its interval is Student's; sums over the images of both splits
//! are joined as Welch does.

mod advice;
mod bounds;
mod context;
mod floors;
mod measured_levels;
mod statistic;

use crate::{EvalError, MeasuredErrors, NetworkStudy, Spectrum};
use context::Context;
use ddpm_core::classical::{ClassicalTerms, discretization_max};
use ddpm_core::decomposition::{prior_divergence, truncation_bound_of_moment};
use ddpm_data::Split;
use ddpm_report::results::{DecomposeReport, Floor, FloorReport, InitializationBracket, NetworkReport};
use floors::FloorTerms;
use std::collections::BTreeMap;
use std::f64::consts::LN_2;

/// Decomposes the error of a measured network. `spectrum` is that of the training images.
pub fn decompose(
    study: &NetworkStudy<'_>,
    measured: &MeasuredErrors,
    spectrum: &Spectrum,
) -> Result<DecomposeReport, EvalError> {
    let context = Context::new(study, measured, spectrum)?;
    let train = &context.train;
    let train_bound = context.bound(train)?;
    let empirical = &train.empirical;
    let mut floors =
        vec![context.floor(Floor::EmpiricalTraining, train, &train_bound, empirical, Split::Train)?];
    let mut bounds = vec![train_bound];
    if let Some(side) = &context.held_out {
        let bound = context.bound(side)?;
        if let Some(reference) = &side.reference {
            floors.insert(0, context.floor(Floor::Reference, side, &bound, reference, Split::HeldOut)?);
        }
        floors.push(context.floor(Floor::EmpiricalLowerBound, side, &bound, empirical, Split::Train)?);
        bounds.insert(0, bound);
    }
    let (advice, sentences) = context.advice(&floors[0])?;
    let reports: Vec<FloorReport> = floors.iter().map(|floor| floor.report.clone()).collect();
    let start = &context.steps[0].t;
    let network = NetworkReport {
        measured: context.facts(),
        levels: context.measured_levels()?,
        bounds,
        initialization: InitializationBracket {
            lower_nats: context.init,
            upper_nats: prior_divergence(spectrum.second_moment(), measured.dim, start),
        },
        training: context.training_bracket()?,
        memorization: context.memorization()?,
        checks: context.checks(&reports)?,
        advice,
        floors: reports,
    };
    summary(&context, &floors[0], network, sentences)
}

/// The fields of the report itself: those of the first floor, which add up.
fn summary(
    context: &Context<'_>,
    chosen: &FloorTerms,
    network: NetworkReport,
    advice: Vec<String>,
) -> Result<DecomposeReport, EvalError> {
    let (study, dim, floor) = (context.study, context.measured.dim, &chosen.report);
    let visited = context.plan().visited_levels();
    let (start, lowest) = (&visited[0], &visited[visited.len() - 1]);
    let initialization = context.spectrum.initialization(start)?;
    let bits = 1.0 / (dim as f64 * LN_2);
    let bound = network.bounds.iter().find(|bound| bound.images == floor.images);
    let mut intervals: BTreeMap<String, [f64; 2]> = [
        ("discretization_nats", floor.discretization_nats),
        ("training_nats", floor.training_nats),
        ("total_nats", floor.total_nats),
        ("info_nats", floor.info_nats),
        ("l_t_nats", floor.l_t_nats),
        ("l_0_nats", floor.l_0_nats),
        ("vlb_bits_per_dim", floor.vlb_nats.scaled(bits, 0.0)),
    ]
    .into_iter()
    .chain(bound.map(|bound| ("vlb_continuum_gap_nats", bound.continuum_gap_nats)))
    .map(|(name, interval)| (name.to_owned(), interval.ends()))
    .collect();
    let bracket = network.initialization;
    intervals.insert("init_nats".to_owned(), [bracket.lower_nats, bracket.upper_nats]);
    Ok(DecomposeReport {
        checkpoint: Some(study.names.checkpoint.clone()),
        schedule: Some(study.names.schedule.clone()),
        steps: visited.len(),
        variance: Some(study.variance),
        replaced_variance: study.replaced_variance,
        dim,
        init_nats: Some(context.init),
        discretization_nats: Some(floor.discretization_nats.value),
        training_nats: Some(floor.training_nats.value),
        total_nats: Some(floor.total_nats.value),
        stderr: Some(chosen.stderr),
        truncation_w2_bound: Some(truncation_bound_of_moment(context.spectrum.second_moment(), dim, lowest)),
        classical: Some(ClassicalTerms {
            w2_init: initialization.w2,
            w2_init_kind: initialization.kind,
            w2_init_interval: initialization.interval,
            training_mse_sum: floor.mse_sum.value,
            mmse_sum: Some(floor.floor_sum.value),
            discretization_max: discretization_max(&visited),
        }),
        per_level: Some(floor.levels.clone()),
        floor: Some(floor.floor.to_string()),
        info_nats: Some(floor.info_nats.value),
        l_t_nats: Some(floor.l_t_nats.value),
        l_0_nats: Some(floor.l_0_nats.value),
        vlb_bits_per_dim: Some(floor.vlb_nats.value * bits),
        vlb_continuum_gap_nats: bound.map(|bound| bound.continuum_gap_nats.value),
        quadrature_error_nats: Some(floor.quadrature_error_nats),
        intervals: Some(intervals),
        advice: Some(advice),
        network: Some(Box::new(network)),
        ..DecomposeReport::default()
    })
}
