//! The table of samplers: order, evaluations and noise draws a step, for `--list-samplers`, the documentation and the tests.

use super::edm::Churn;
use super::scheme_kind::Scheme;
use crate::{CoreError, Variance};

/// Which levels a sampler can go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Levels {
    /// Any falling sequence: respaced training timesteps or times of a continuous process.
    Any,
    /// The same, but evaluating between the levels or using their rate of change: the schedule is read as a continuous process.
    AnyByInterpolation,
    /// One level.
    One,
}

/// A sampler and what it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplerInfo {
    /// The name on the command line.
    pub name: &'static str,
    /// The sampler with its default options.
    pub scheme: Scheme,
    /// Order of convergence of the law of its samples as steps double; 0 where the question does not arise.
    pub order: u32,
    /// Evaluations of the denoiser in a full step.
    pub evaluations: u32,
    /// Standard normal draws in a full step, with the default options.
    pub draws: u32,
    /// Which levels it can go through.
    pub levels: Levels,
    /// Whether its steps are fixed in advance, so that its law on a Gaussian target is known exactly.
    pub fixed_steps: bool,
    /// One line.
    pub summary: &'static str,
}

const fn info(
    name: &'static str,
    scheme: Scheme,
    costs: [u32; 3],
    levels: Levels,
    summary: &'static str,
) -> SamplerInfo {
    let [order, evaluations, draws] = costs;
    // The adaptive method is the only one that chooses its steps.
    let fixed_steps = !matches!(scheme, Scheme::OdeRk45);
    SamplerInfo { name, scheme, order, evaluations, draws, levels, fixed_steps, summary }
}

const EDM: Scheme = Scheme::Edm { churn: Churn::NONE };
const CORRECTOR: Scheme = Scheme::PredictorCorrector { signal_to_noise: 0.16, corrections: 1 };
const LANGEVIN: Scheme = Scheme::Langevin { relative_step: 0.02, steps: 1000 };
const ANNEALED: Scheme = Scheme::AnnealedLangevin { epsilon: None, steps: 100, constant_step: false };

/// All samplers. The three numbers are the order, evaluations a step and draws a step.
#[rustfmt::skip]
pub const SAMPLERS: [SamplerInfo; 18] = {
    use Levels::{Any, AnyByInterpolation as Ode, One};
    [
        info("ddpm", Scheme::Ddpm { variance: Variance::FixedLarge }, [1, 1, 1], Any, "ancestral sampling (Ho et al. 2020), any variance"),
        info("ddim", Scheme::ddim(0.0), [1, 1, 0], Any, "DDIM, eta 0 deterministic .. 1 ancestral (Song et al. 2021)"),
        info("em", Scheme::Em, [1, 1, 1], Ode, "reverse SDE by Euler-Maruyama"),
        info("ei", Scheme::Ei, [1, 1, 1], Any, "reverse SDE by the exponential integrator"),
        info("predictor-corrector", CORRECTOR, [1, 2, 2], Any, "ancestral predictor, Langevin corrector (Song et al. 2021)"),
        info("ode-euler", Scheme::OdeEuler, [1, 1, 0], Ode, "probability-flow ODE by Euler"),
        info("ode-heun", Scheme::OdeHeun, [2, 2, 0], Ode, "probability-flow ODE by Heun"),
        info("ode-rk4", Scheme::OdeRk4, [4, 4, 0], Ode, "probability-flow ODE by the classical Runge-Kutta method"),
        info("ode-rk45", Scheme::OdeRk45, [5, 7, 0], Ode, "probability-flow ODE by Dormand-Prince 5(4), adaptive"),
        info("edm", EDM, [2, 2, 0], Any, "Heun in sigma with churn (Karras et al. 2022)"),
        info("dpmpp-2m", Scheme::Dpmpp2m, [2, 1, 0], Any, "DPM-Solver++ multistep, second order (Lu et al. 2022)"),
        info("dpmpp-2m-sde", Scheme::Dpmpp2mSde, [2, 1, 1], Any, "DPM-Solver++ multistep on the SDE"),
        info("dpmpp-3m", Scheme::Dpmpp3m, [3, 1, 0], Any, "DPM-Solver++ multistep, third order"),
        info("dpmpp-3m-sde", Scheme::Dpmpp3mSde, [2, 1, 1], Any, "DPM-Solver++ multistep on the SDE, with one more earlier evaluation"),
        info("unipc", Scheme::Unipc, [3, 1, 0], Any, "UniPC-2, predictor and corrector sharing evaluations (Zhao et al. 2023)"),
        info("ddpm-rate", Scheme::DdpmRate, [1, 1, 1], Ode, "ancestral sampling with the process's rate frozen in each step"),
        info("langevin", LANGEVIN, [0, 1, 1], One, "unadjusted Langevin dynamics at one noise level"),
        info("annealed-langevin", ANNEALED, [0, 1, 1], Any, "Langevin dynamics at every level in turn (Song & Ermon 2019)"),
    ]
};

impl SamplerInfo {
    /// The sampler of this name.
    pub fn find(name: &str) -> Result<&'static SamplerInfo, CoreError> {
        SAMPLERS.iter().find(|info| info.name == name).ok_or_else(|| CoreError::UnknownName {
            what: "sampler",
            got: name.to_owned(),
            expected: SAMPLERS.map(|info| info.name).join(", "),
        })
    }
}
