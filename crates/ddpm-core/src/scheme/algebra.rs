//! Algebra of a sampler's step: expressions in the state, the denoiser's answers and fresh noise, written as the papers write them.
//!
//! ```text
//! let mut step = StepBuilder::new(t, s);
//! let x = step.x();
//! let d = step.denoise(t, &x);                              D(x_t)
//! step.finish(a * &x + b * &d + v.sqrt() * step.z())        x_s = a x_t + b D + sqrt(v) z
//! ```

use super::step::{Combination, Stage, Step};
use crate::Level;
use std::borrow::Borrow;
use std::ops::{Add, Div, Mul, Sub};

/// A linear combination of x_t, answers D of the denoiser and standard normal draws z. It combines with `+`, `-` and numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Expression {
    of_x: f64,
    /// Of this step's answers, in the order of the evaluations.
    of_answers: Vec<f64>,
    /// Of the answers of earlier steps, the newest first.
    of_earlier: Vec<f64>,
    of_noise: Vec<f64>,
}

/// The score (alpha D - x)/sigma^2 at a level; a number times it is an [`Expression`].
#[derive(Clone, Copy)]
pub(super) struct Score<'a> {
    level: &'a Level,
    state: &'a Expression,
    answer: &'a Expression,
}

/// The score at `level` of a state whose D is `answer`.
pub(super) fn score<'a>(level: &'a Level, state: &'a Expression, answer: &'a Expression) -> Score<'a> {
    Score { level, state, answer }
}

impl Expression {
    /// The sum of no terms.
    pub(super) fn zero() -> Self {
        Self::default()
    }

    fn unit(list: impl FnOnce(&mut Self) -> &mut Vec<f64>, index: usize) -> Self {
        let mut expression = Self::default();
        let weights = list(&mut expression);
        weights.resize(index + 1, 0.0);
        weights[index] = 1.0;
        expression
    }

    fn plus(mut self, factor: f64, other: &Expression) -> Self {
        self.of_x += factor * other.of_x;
        add_scaled(&mut self.of_answers, factor, &other.of_answers);
        add_scaled(&mut self.of_earlier, factor, &other.of_earlier);
        add_scaled(&mut self.of_noise, factor, &other.of_noise);
        self
    }
}

fn add_scaled(to: &mut Vec<f64>, factor: f64, from: &[f64]) {
    to.resize(to.len().max(from.len()), 0.0);
    for (a, b) in to.iter_mut().zip(from) {
        *a += factor * b;
    }
}

impl<R: Borrow<Expression>> Add<R> for Expression {
    type Output = Expression;
    fn add(self, other: R) -> Expression {
        self.plus(1.0, other.borrow())
    }
}

impl<R: Borrow<Expression>> Add<R> for &Expression {
    type Output = Expression;
    fn add(self, other: R) -> Expression {
        self.clone().plus(1.0, other.borrow())
    }
}

impl<R: Borrow<Expression>> Sub<R> for Expression {
    type Output = Expression;
    fn sub(self, other: R) -> Expression {
        self.plus(-1.0, other.borrow())
    }
}

impl<R: Borrow<Expression>> Sub<R> for &Expression {
    type Output = Expression;
    fn sub(self, other: R) -> Expression {
        self.clone().plus(-1.0, other.borrow())
    }
}

impl Mul<&Expression> for f64 {
    type Output = Expression;
    fn mul(self, expression: &Expression) -> Expression {
        Expression::zero().plus(self, expression)
    }
}

impl Mul<Expression> for f64 {
    type Output = Expression;
    fn mul(self, expression: Expression) -> Expression {
        self * &expression
    }
}

impl Mul<Score<'_>> for f64 {
    type Output = Expression;
    fn mul(self, score: Score<'_>) -> Expression {
        let variance = score.level.sigma() * score.level.sigma();
        (-self / variance) * score.state + (self * score.level.alpha() / variance) * score.answer
    }
}

impl Div<f64> for Expression {
    type Output = Expression;
    fn div(self, divisor: f64) -> Expression {
        (1.0 / divisor) * self
    }
}

/// A step in the making: it hands out x_t, answers and draws, and turns the result into a [`Step`].
pub(super) struct StepBuilder {
    from: Level,
    to: Level,
    stages: Vec<Stage>,
    draws: usize,
}

impl StepBuilder {
    /// A step from level t to level s.
    pub(super) fn new(t: &Level, s: &Level) -> Self {
        StepBuilder { from: *t, to: *s, stages: Vec::new(), draws: 0 }
    }

    /// The state at the beginning, x_t.
    pub(super) fn x(&self) -> Expression {
        Expression { of_x: 1.0, ..Expression::default() }
    }

    /// Evaluates the denoiser: D(state) at `level`.
    pub(super) fn denoise(&mut self, level: &Level, state: &Expression) -> Expression {
        self.stages.push(Stage { level: *level, state: self.combination(state.clone()) });
        Expression::unit(|e| &mut e.of_answers, self.stages.len() - 1)
    }

    /// The answer of the `back`-th evaluation before this step's first, counted from 0.
    pub(super) fn earlier(&self, back: usize) -> Expression {
        Expression::unit(|e| &mut e.of_earlier, back)
    }

    /// The next standard normal draw.
    pub(super) fn z(&mut self) -> Expression {
        self.draws += 1;
        Expression::unit(|e| &mut e.of_noise, self.draws - 1)
    }

    /// The step that ends with `output`.
    pub(super) fn finish(self, output: Expression) -> Step {
        let output = self.combination(output);
        let StepBuilder { from, to, stages, .. } = self;
        Step { from, to, stages, output, error: None, learned_variance: None, of_excess: 0.0 }
    }

    /// The expression over the evaluations made so far, the newest first. A draw of weight 0 is not drawn.
    pub(super) fn combination(&self, expression: Expression) -> Combination {
        let Expression { of_x, mut of_answers, of_earlier, mut of_noise } = expression;
        of_answers.resize(self.stages.len(), 0.0);
        let of_x0 = of_answers.into_iter().rev().chain(of_earlier).collect();
        let used = of_noise.iter().rposition(|&weight| weight != 0.0).map_or(0, |last| last + 1);
        of_noise.truncate(used);
        Combination { of_x, of_x0, of_noise }
    }
}
