//! The steps that a sampler takes along a trajectory.

use super::algebra::{StepBuilder, score};
use super::ancestral::{ancestral, ancestral_rate, ddim, decode};
use super::edm::edm;
use super::exponential::exponential_integrator;
use super::langevin::{annealed_step_size, corrector_step_size, langevin};
use super::maruyama::euler_maruyama;
use super::multistep::{Order, dpm_solver_pp};
use super::ode::{Tableau, runge_kutta};
use super::scheme_kind::Scheme;
use super::step::Step;
use super::unipc::unipc;
use crate::{CoreError, Level, Posterior, Time, Trajectory, Variance};

/// Song & Ermon's (2019) epsilon in units of sigma_L^2: 2e-5 at sigma_L = 0.01.
const RELATIVE_EPSILON: f64 = 0.2;

impl Scheme {
    /// The steps along `trajectory`, in order. A step to data ([`Time::Clean`]) is the decoder's for every solver of a differential equation.
    pub fn plan(&self, trajectory: &Trajectory) -> Result<Vec<Step>, CoreError> {
        match *self {
            Scheme::Langevin { relative_step, steps } => {
                let level = trajectory.start();
                check_stable("step size in units of sigma^2", relative_step)?;
                let step = langevin(level, relative_step * level.sigma() * level.sigma())?;
                Ok(vec![step; steps])
            }
            Scheme::AnnealedLangevin { epsilon, steps, constant_step } => {
                self.needs_signal(trajectory.start())?;
                annealed(trajectory, epsilon, steps, constant_step)
            }
            _ => (0..trajectory.steps()).map(|index| self.step(trajectory, index)).collect(),
        }
    }

    /// The step from the trajectory's level `index` to the next.
    ///
    /// Fails for the two Langevin samplers, whose steps do not go from level to level: see [`Scheme::plan`].
    pub fn step(&self, trajectory: &Trajectory, index: usize) -> Result<Step, CoreError> {
        let levels = trajectory.levels();
        let (t, s) = (&levels[index], &levels[index + 1]);
        let decoder = s.time() == Time::Clean;
        // Levels of the evaluations before t's, the newest first.
        let earlier: Vec<Level> = levels[index.saturating_sub(2)..index].iter().rev().copied().collect();
        match self {
            Scheme::Ddpm { variance } => ancestral(t, s, *variance, trajectory.mse(index)),
            Scheme::Ddim { eta, use_clipped_model_output } => ddim(t, s, *eta, *use_clipped_model_output),
            Scheme::Dpmpp2m => Ok(dpm_solver_pp(t, s, &earlier, Order::Second, false)),
            Scheme::Dpmpp2mSde => Ok(dpm_solver_pp(t, s, &earlier, Order::Second, true)),
            Scheme::Dpmpp3m => Ok(dpm_solver_pp(t, s, &earlier, Order::Third, false)),
            Scheme::Dpmpp3mSde => Ok(dpm_solver_pp(t, s, &earlier, Order::Third, true)),
            Scheme::Unipc => Ok(unipc(t, s, earlier.first(), index == 0)),
            Scheme::Edm { churn } => {
                self.needs_signal(t)?;
                churn.check()?;
                let raised = raised(trajectory, t, churn.gamma(t.relative_sigma(), trajectory.steps()));
                Ok(edm(t, &raised, s, churn.noise))
            }
            Scheme::PredictorCorrector { signal_to_noise, corrections } => {
                predict_and_correct(t, s, *signal_to_noise, *corrections)
            }
            Scheme::Langevin { .. } | Scheme::AnnealedLangevin { .. } => Err(CoreError::Unsupported(
                "Langevin samplers take their steps at a level, not between two".into(),
            )),
            _ if decoder => Ok(decode(t)),
            Scheme::Ei => {
                self.needs_signal(t)?;
                Ok(exponential_integrator(t, s, trajectory.scale()))
            }
            Scheme::Em | Scheme::DdpmRate => {
                let process = trajectory.process(self.name())?;
                let (time, end) = (process.time_of(t)?, process.time_of(s)?);
                let rates = process.rates(time)?;
                if *self == Scheme::Em {
                    return Ok(euler_maruyama(t, s, &rates, time - end));
                }
                ancestral_rate(t, s, trajectory.scale(), &rates, time - end)
            }
            Scheme::OdeEuler => runge_kutta(trajectory.process(self.name())?, t, s, &Tableau::EULER),
            Scheme::OdeHeun => runge_kutta(trajectory.process(self.name())?, t, s, &Tableau::HEUN),
            Scheme::OdeRk4 => runge_kutta(trajectory.process(self.name())?, t, s, &Tableau::RK4),
            Scheme::OdeRk45 => runge_kutta(trajectory.process(self.name())?, t, s, &Tableau::DORMAND_PRINCE),
        }
    }
}

impl Scheme {
    /// Methods that divide by alpha cannot leave a level without signal.
    fn needs_signal(&self, t: &Level) -> Result<(), CoreError> {
        if t.log_snr() > f64::NEG_INFINITY {
            return Ok(());
        }
        Err(CoreError::Unsupported(format!(
            "sampler {} cannot start at a level without signal (zero terminal SNR); use ddpm, ddim or dpmpp-2m",
            self.name()
        )))
    }
}

/// The level with sigma/alpha raised by the factor 1 + gamma, or `t` itself where the process does not reach so far.
fn raised(trajectory: &Trajectory, t: &Level, gamma: f64) -> Level {
    if gamma == 0.0 {
        return *t;
    }
    let log_snr = t.log_snr() - 2.0 * gamma.ln_1p();
    let process = trajectory.process("edm");
    process.and_then(|process| process.level_at_log_snr(log_snr)).unwrap_or(*t)
}

fn predict_and_correct(
    t: &Level,
    s: &Level,
    signal_to_noise: f64,
    corrections: usize,
) -> Result<Step, CoreError> {
    CoreError::check("signal_to_noise", "positive", signal_to_noise, signal_to_noise > 0.0)?;
    if s.is_clean() {
        return ancestral(t, s, Variance::FixedLarge, None);
    }
    let posterior = Posterior::between(t, s);
    let mut step = StepBuilder::new(t, s);
    let x = step.x();
    let d = step.denoise(t, &x);
    let mut y = posterior.of_x_t * x + posterior.of_x0 * d + posterior.transition_variance.sqrt() * step.z();
    let size = corrector_step_size(signal_to_noise, s, posterior.transition_scale);
    for _ in 0..corrections {
        let d = step.denoise(s, &y);
        y = &y + size * score(s, &y, &d) + (2.0 * size).sqrt() * step.z();
    }
    Ok(step.finish(y))
}

/// x - e x/v, the step on a law of variance v, shrinks x for e < 2 v alone, and v is at least sigma^2.
fn check_stable(name: &'static str, relative_step: f64) -> Result<f64, CoreError> {
    CoreError::check(name, "below 2, where Langevin dynamics diverges", relative_step, relative_step < 2.0)
}

fn annealed(
    trajectory: &Trajectory,
    epsilon: Option<f64>,
    steps: usize,
    constant_step: bool,
) -> Result<Vec<Step>, CoreError> {
    let noisy: Vec<&Level> = trajectory.levels().iter().filter(|level| !level.is_clean()).collect();
    let lowest = noisy[noisy.len() - 1];
    let epsilon = epsilon.unwrap_or(RELATIVE_EPSILON * lowest.relative_sigma().powi(2));
    check_stable(
        "epsilon/2 in units of the lowest level's sigma^2",
        0.5 * epsilon / lowest.relative_sigma().powi(2),
    )?;
    let mut plan = Vec::with_capacity(noisy.len() * steps + 1);
    for (index, level) in noisy.iter().enumerate() {
        let size = match constant_step {
            true => 0.5 * epsilon * level.alpha() * level.alpha(),
            false => annealed_step_size(epsilon, level, lowest),
        };
        for k in 0..steps {
            let mut step = langevin(level, size)?;
            if k == 0 && index > 0 {
                // The state arrives in the scale of the level before.
                let previous = noisy[index - 1];
                step.from = *previous;
                let rescale = level.alpha() / previous.alpha();
                step.stages[0].state.of_x *= rescale;
                step.output.of_x *= rescale;
            }
            plan.push(step);
        }
    }
    if trajectory.end().is_clean() {
        plan.push(decode(lowest));
    }
    Ok(plan)
}
