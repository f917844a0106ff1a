//! Which sampler, with which options, and the steps it takes along a trajectory.

use super::multistep::Order;
use super::{Churn, Combination, Step, Tableau, Trajectory};
use super::{
    ancestral, ancestral_rate, annealed_step_size, corrector_step_size, ddim, dpm_solver_pp, edm,
    euler_maruyama, exponential_integrator, langevin, runge_kutta, unipc,
};
use crate::{CoreError, Level, Posterior, Time, Variance};
use serde::{Deserialize, Serialize};

/// A sampler with its options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "sampler", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Scheme {
    /// Ancestral sampling from the posterior between visited levels (Ho et al. 2020).
    Ddpm {
        /// The variance of each step.
        variance: Variance,
    },
    /// Ancestral sampling of a continuous process, its rate frozen over each step (Song et al. 2021, appendix E).
    DdpmRate,
    /// DDIM (Song, Meng & Ermon 2021).
    Ddim {
        /// 0 deterministic, 1 ancestral.
        eta: f64,
    },
    /// Euler-Maruyama on the reverse SDE.
    Em,
    /// Exponential integrator on the reverse SDE.
    Ei,
    /// Euler on the probability-flow ODE.
    OdeEuler,
    /// Heun on the probability-flow ODE.
    OdeHeun,
    /// The classical fourth-order method on the probability-flow ODE.
    OdeRk4,
    /// Dormand & Prince's 5(4) pair on the probability-flow ODE; adaptive where the caller controls the step.
    OdeRk45,
    /// Karras et al.'s stochastic Heun sampler.
    Edm {
        /// Noise added back in each step.
        churn: Churn,
    },
    /// DPM-Solver++ 2M.
    #[serde(rename = "dpmpp-2m")]
    Dpmpp2m,
    /// DPM-Solver++ 2M on the SDE.
    #[serde(rename = "dpmpp-2m-sde")]
    Dpmpp2mSde,
    /// DPM-Solver++ 3M.
    #[serde(rename = "dpmpp-3m")]
    Dpmpp3m,
    /// DPM-Solver++ 3M on the SDE.
    #[serde(rename = "dpmpp-3m-sde")]
    Dpmpp3mSde,
    /// UniPC of order 2.
    Unipc,
    /// An ancestral predictor followed by Langevin correctors at each level (Song et al. 2021).
    PredictorCorrector {
        /// Signal-to-noise ratio r of the corrector's step.
        signal_to_noise: f64,
        /// Corrector steps at each level.
        corrections: usize,
    },
    /// Unadjusted Langevin dynamics at the first level alone.
    Langevin {
        /// Step size in units of sigma^2 of the level.
        relative_step: f64,
        /// Number of steps.
        steps: usize,
    },
    /// Langevin dynamics at every level in turn (Song & Ermon 2019).
    AnnealedLangevin {
        /// Step size at the least noisy level, the authors' epsilon.
        epsilon: f64,
        /// Steps at each level.
        steps: usize,
    },
}

impl Scheme {
    /// The steps along `trajectory`, in order. A step to data ([`Time::Clean`]) is the decoder's for every solver of a differential equation.
    pub fn plan(&self, trajectory: &Trajectory) -> Result<Vec<Step>, CoreError> {
        match *self {
            Scheme::Langevin { relative_step, steps } => {
                let level = trajectory.start();
                let step = langevin(level, relative_step * level.sigma() * level.sigma())?;
                Ok(vec![step; steps])
            }
            Scheme::AnnealedLangevin { epsilon, steps } => {
                self.needs_signal(trajectory.start())?;
                annealed(trajectory, epsilon, steps)
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
            Scheme::Ddim { eta } => ddim(t, s, *eta),
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
            _ if decoder => Ok(Step::decode(t)),
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
    let mut step = ancestral(t, s, Variance::FixedLarge, None)?;
    if s.is_clean() {
        return Ok(step);
    }
    let size = corrector_step_size(signal_to_noise, s, Posterior::between(t, s).transition_scale);
    for correction in 1..=corrections {
        let state = std::mem::take(&mut step.output);
        step.stages.push(super::Stage { level: *s, state: state.clone() });
        let state: Combination = state.aged(1);
        step.output = state.clone().plus_score(size, s, &state).with_noise(correction, (2.0 * size).sqrt());
    }
    Ok(step)
}

fn annealed(trajectory: &Trajectory, epsilon: f64, steps: usize) -> Result<Vec<Step>, CoreError> {
    let noisy: Vec<&Level> = trajectory.levels().iter().filter(|level| !level.is_clean()).collect();
    let lowest = noisy[noisy.len() - 1];
    let mut plan = Vec::with_capacity(noisy.len() * steps + 1);
    for (index, level) in noisy.iter().enumerate() {
        let size = annealed_step_size(epsilon, level, lowest);
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
        plan.push(Step::decode(lowest));
    }
    Ok(plan)
}
