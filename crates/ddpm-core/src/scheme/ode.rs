//! Runge-Kutta methods on the probability-flow ODE dx/dt = f x - g^2 score/2, in the process's own time.
//!
//! Euler, Heun (the trapezoid rule, explicit), the classical fourth order, and Dormand & Prince's 5(4) pair with its error estimate.

use super::{Combination, Stage, Step};
use crate::{CoreError, Level, Process};

/// An explicit Runge-Kutta method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tableau {
    /// Where in the step each stage lies, 0..1.
    nodes: &'static [f64],
    /// Row j: weights of the slopes before stage j.
    stages: &'static [&'static [f64]],
    /// Weights of the slopes in the result.
    weights: &'static [f64],
    /// Weights of the slopes in the error estimate.
    error: Option<&'static [f64]>,
}

impl Tableau {
    /// Order 1, one evaluation.
    pub const EULER: Tableau = Tableau { nodes: &[0.0], stages: &[&[]], weights: &[1.0], error: None };

    /// Order 2, two evaluations.
    pub const HEUN: Tableau =
        Tableau { nodes: &[0.0, 1.0], stages: &[&[], &[1.0]], weights: &[0.5, 0.5], error: None };

    /// Order 4, four evaluations.
    pub const RK4: Tableau = Tableau {
        nodes: &[0.0, 0.5, 0.5, 1.0],
        stages: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
        weights: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
        error: None,
    };

    /// Order 5 with an error estimate of order 4, seven evaluations; the last is made at the result itself and may serve as the next
    /// step's first (Dormand & Prince 1980).
    pub const DORMAND_PRINCE: Tableau = Tableau {
        nodes: &[0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0],
        stages: &[
            &[],
            &[0.2],
            &[3.0 / 40.0, 9.0 / 40.0],
            &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
            &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
            &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
            &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
        ],
        weights: &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0, 0.0],
        error: Some(&[
            71.0 / 57600.0,
            0.0,
            -71.0 / 16695.0,
            71.0 / 1920.0,
            -17253.0 / 339_200.0,
            22.0 / 525.0,
            -1.0 / 40.0,
        ]),
    };
}

/// One step between two levels of `process`.
///
/// Fails where the method would evaluate at a level without noise: the score is infinite there.
pub fn runge_kutta(process: &Process, t: &Level, s: &Level, tableau: &Tableau) -> Result<Step, CoreError> {
    let (start, end) = (process.time_of(t)?, process.time_of(s)?);
    let h = end - start;
    let mut slopes: Vec<Combination> = Vec::with_capacity(tableau.nodes.len());
    let mut stages = Vec::with_capacity(tableau.nodes.len());
    let advanced = |slopes: &[Combination], weights: &[f64]| {
        slopes
            .iter()
            .zip(weights)
            .fold(Combination::default(), |sum, (slope, weight)| sum.plus(h * weight, slope))
    };
    for (&node, weights) in tableau.nodes.iter().zip(tableau.stages) {
        let time = start + node * h;
        let level = match node {
            0.0 => *t,
            1.0 => *s,
            _ => process.level(time)?,
        };
        if level.is_clean() {
            return Err(CoreError::Unsupported(
                "this ODE sampler evaluates at the lower end of every step, where no noise is left: give a smallest time (t-min) above 0"
                    .into(),
            ));
        }
        let state = advanced(&slopes, weights).plus(1.0, &Combination::state());
        stages.push(Stage { level, state: state.clone() });
        // From here on the newest evaluation is this stage's.
        slopes = slopes.into_iter().map(|slope| slope.aged(1)).collect();
        let state = state.aged(1);
        let flow = process.rates(time)?.probability_flow();
        let slope = Combination::default().plus(flow.of_x, &state).plus_score(flow.of_score, &level, &state);
        slopes.push(slope);
    }
    let output = advanced(&slopes, tableau.weights).plus(1.0, &Combination::state());
    let error = tableau.error.map(|weights| advanced(&slopes, weights));
    Ok(Step { from: *t, to: *s, stages, output, error, learned_range: None })
}
