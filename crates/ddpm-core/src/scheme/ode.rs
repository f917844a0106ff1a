//! Runge-Kutta methods on the probability-flow ODE dx/dt = f x - g^2 score/2, in the process's own time.
//!
//! Euler, Heun (the trapezoid rule, explicit), the classical fourth order, and Dormand & Prince's 5(4) pair with its error estimate.

use super::algebra::{Expression, StepBuilder, score};
use super::step::Step;
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

    /// Where in the step each stage lies, 0..1.
    pub fn nodes(&self) -> &'static [f64] {
        self.nodes
    }

    /// Weights of the earlier slopes before each stage, in units of the step's length.
    pub fn stages(&self) -> &'static [&'static [f64]] {
        self.stages
    }

    /// Weights of the slopes in the result.
    pub fn weights(&self) -> &'static [f64] {
        self.weights
    }

    /// Weights of the slopes in the error estimate; none for methods without one.
    pub fn error(&self) -> Option<&'static [f64]> {
        self.error
    }
}

/// One step between two levels of `process`.
///
/// Fails where the method would evaluate at a level without noise: the score is infinite there.
pub fn runge_kutta(process: &Process, t: &Level, s: &Level, tableau: &Tableau) -> Result<Step, CoreError> {
    let (start, end) = (process.time_of(t)?, process.time_of(s)?);
    let h = end - start;
    let increment = |slopes: &[Expression], weights: &[f64]| {
        slopes.iter().zip(weights).fold(Expression::zero(), |sum, (slope, weight)| sum + h * weight * slope)
    };
    let mut step = StepBuilder::new(t, s);
    let x = step.x();
    let mut slopes: Vec<Expression> = Vec::with_capacity(tableau.nodes.len());
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
        let y = increment(&slopes, weights) + &x;
        let d = step.denoise(&level, &y);
        let flow = process.rates(time)?.probability_flow();
        slopes.push(flow.of_x * &y + flow.of_score * score(&level, &y, &d));
    }
    let error = tableau.error.map(|weights| step.combination(increment(&slopes, weights)));
    Ok(Step { error, ..step.finish(increment(&slopes, tableau.weights) + x) })
}
