//! The study of a closed-form target: computes everything that its decomposition page shows.

mod distances;
mod study;

pub use study::TargetStudy;

use crate::EvalError;
use crate::sampled_w2::{Effort, SampleRun, Sampled, sampled_ablation};
use ddpm_core::decomposition::{
    AblationDenoiser, AblationSteps, MeasuredModel, MonteCarlo, ScheduleCurve, Settings, decompose,
    gaussian_ablation, mmse_per_component,
};
use ddpm_core::interval::Interval;
use ddpm_core::recursion::Start;
use ddpm_core::{Level, Noising, Schedule, Scheme, Target, Trajectory, Variance};
use ddpm_report::ReportError;
use ddpm_report::decomposition_page::{
    Comparison, DecompositionReport, InitializationAt, Known, SampleCloud, compared_schedules, slopes,
    theory_of_densities,
};
use ddpm_report::results::{AdviceBasis, DecomposeReport, Measure, advice_sentences};

/// Dimensions above which samples are neither drawn for pictures nor for distances that are known exactly.
const PICTURED_DIM: usize = 256;
/// Noising paths of the curves that are compared, where terms are estimated: of the schedule in use, and of the others.
const CURVE_IMAGES: usize = 400;
const COMPARED_IMAGES: usize = 100;
/// Samples of a picture, where no distance asks for more.
const PICTURED: usize = 4000;

impl TargetStudy<'_> {
    /// Works everything out. `result` is what `ddpm decompose` found; `progress` hears what is done next.
    pub fn report(
        &self,
        result: DecomposeReport,
        progress: &mut dyn FnMut(&str),
    ) -> Result<DecompositionReport, EvalError> {
        let mut report = DecompositionReport {
            name: self.name.clone(),
            result,
            grid: self.grid.name().to_string(),
            train_steps: self.noising.max_steps(),
            perturbation: self.perturbation,
            sampler: Some(self.scheme),
            command: self.command.clone(),
            versions: self.versions.clone(),
            ..Default::default()
        };
        if let (Noising::Discrete(schedule), Scheme::Ddpm { variance }, Some(_)) =
            (self.noising, self.scheme, report.result.total_nats)
        {
            progress("divergences of other schedules, grids and variances");
            self.add_divergences(&mut report, schedule, variance)?;
        }
        self.add_ablation(&mut report, progress)?;
        progress("other samplers");
        distances::add_to(&mut report, self)?;
        if report.advice.is_empty() {
            report.advice = distances::sentences(&report);
        }
        Ok(report)
    }

    /// The trajectory of the sampler in use, with what analytic variance needs.
    fn trajectory(&self, steps: usize, scheme: &Scheme) -> Result<Trajectory, EvalError> {
        let trajectory = self.noising.trajectory(steps, self.grid)?;
        if *scheme != (Scheme::Ddpm { variance: Variance::Analytic }) {
            return Ok(trajectory);
        }
        let mse = mmse_per_component(self.target, &trajectory)?;
        Ok(trajectory.with_mse(mse)?)
    }

    /// The divergence for other schedules, grids and variances, and the advice.
    fn add_divergences(
        &self,
        report: &mut DecompositionReport,
        schedule: &Schedule,
        variance: Variance,
    ) -> Result<(), EvalError> {
        if schedule.steps() < 2 || self.steps < 2 {
            return Ok(());
        }
        let images =
            |most: usize| MonteCarlo { images: most.min(self.monte_carlo.images), ..self.monte_carlo };
        let mut known = self.known(schedule, images(CURVE_IMAGES))?;
        let result = &report.result;
        let stderr = result.stderr.unwrap_or_default();
        let term = |value: Option<f64>, stderr| Interval::normal(value.unwrap_or_default(), stderr);
        let init = term(result.init_nats, stderr.init_nats);
        let discretization = term(result.discretization_nats, stderr.discretization_nats);
        let training = term(result.training_nats, stderr.training_nats);
        let total = term(result.total_nats, stderr.total_nats);
        // The terms in use come from more noising paths than the curve: one quantity has one value.
        let positions = known.positions(self.grid, self.steps)?;
        known.curve = known.curve.calibrated(&positions, variance, discretization.value)?;
        known.init = init_from(known.init, positions[0], init.value);
        let input = MeasuredModel {
            floor: known.curve.clone(),
            mse: known.mse.clone(),
            init: init.value,
            chosen: None,
            grid: self.grid,
            steps: self.steps,
            variance,
            others: vec![Variance::FixedSmall, Variance::FixedLarge, Variance::Analytic],
        };
        let advice = input.advise()?;
        let basis = AdviceBasis::of_target([init, discretization, training], total);
        let name = result.schedule.clone().unwrap_or_default();
        report.advice = advice_sentences(&advice, &input, &basis).into();
        let comparison = Comparison {
            known: &known,
            name: &name,
            grid: self.grid,
            steps: self.steps,
            variance,
            best_variance: advice.best_variance,
            measure: Measure::TotalNats,
        };
        let compared = compared_schedules(&name, schedule)?;
        let along = |other| self.known(other, images(COMPARED_IMAGES));
        report.sweeps.extend(comparison.sweeps(along, &compared)?);
        let dim = self.target.dim();
        report.slopes.extend(slopes(&known, &|variance| theory_of_densities(dim, variance))?);
        Ok(())
    }

    /// What is known of the target along a schedule.
    fn known<'b>(
        &'b self,
        schedule: &'b Schedule,
        monte_carlo: MonteCarlo,
    ) -> Result<Known<'b>, ReportError> {
        let levels: Vec<Level> = schedule.levels().rev().collect();
        let (curve, first) = ScheduleCurve::of_target(self.target, &levels, monte_carlo)?;
        let error = self.target.dim() as f64 * self.perturbation * self.perturbation;
        let mse = curve.curve().iter().map(|m| m + error).collect();
        let init = move |position: usize| {
            if position == 0 {
                return Ok(first.value);
            }
            let settings = Settings { monte_carlo, ..Settings::new(Variance::FixedLarge) };
            Ok(decompose(self.target, &[levels[position]], &settings)?.init.value)
        };
        Ok(Known { schedule, curve, mse, init: Box::new(init) })
    }

    fn run(&self, trajectory: Trajectory, scheme: Scheme) -> SampleRun<'_> {
        SampleRun {
            target: self.target,
            trajectory,
            scheme,
            perturbation: self.perturbation,
            denoiser: None,
            tolerance: self.tolerance,
            seed: self.seed,
            device: self.device,
        }
    }

    fn add_ablation(
        &self,
        report: &mut DecompositionReport,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), EvalError> {
        let trajectory = self.trajectory(self.steps, &self.scheme)?;
        let run = self.run(trajectory, self.scheme);
        let exactly = match self.target {
            Target::Gaussian(law) if self.scheme != Scheme::OdeRk45 => Some(law),
            _ => None,
        };
        if let Some(law) = exactly {
            report.ablation = Some(gaussian_ablation(law, &run.trajectory, &self.scheme, self.perturbation)?);
            if self.target.dim() <= PICTURED_DIM {
                progress("samples");
                let effort = Effort { samples: PICTURED, ..self.effort };
                let samples =
                    run.samples(Start::Prior, AblationSteps::Steps, AblationDenoiser::Given, &effort)?;
                let exact = run.exact(Sampled::Reference, PICTURED);
                report.samples = SampleCloud::of(self.target, &samples, &exact)?;
            }
            return Ok(());
        }
        let found = sampled_ablation(&run, self.effort, &mut |done, total| {
            progress(&format!("samples of {done} of {total} combinations of errors"));
        })?;
        if self.target.dim() <= PICTURED_DIM {
            report.samples = SampleCloud::of(self.target, &found.samples, &found.exact)?;
        }
        report.ablation = Some(found.ablation);
        Ok(())
    }
}

/// The initialization term by position, with the value of the result at the position where sampling starts.
fn init_from(other: InitializationAt<'_>, start: usize, value: f64) -> InitializationAt<'_> {
    Box::new(move |position| if position == start { Ok(value) } else { other(position) })
}
