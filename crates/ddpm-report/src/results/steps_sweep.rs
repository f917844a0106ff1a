//! Errors as functions of the number of steps, and their measured and theoretical exponents.

use ddpm_core::power_law::exponent_between;
use serde::Serialize;

/// What a sweep measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// The total of the divergence, in nats.
    TotalNats,
    /// Discretization and training, in nats: the total without initialization.
    StepsNats,
    /// W2 between samples and target.
    W2,
    /// W2 between the samples and those of infinitely many steps, or its upper bound from paths with the same start.
    W2ToFine,
}

/// Curves over the number of steps that answer one question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// The question, such as `Which schedule for N steps?`
    pub question: String,
    /// How to read the answer: a sentence or two.
    pub reading: String,
    /// What is measured.
    pub measure: Measure,
    /// One for each choice.
    pub curves: Vec<SweepCurve>,
    /// A value that the curves are compared with, and its name: the training error, the noise floor.
    pub mark: Option<(f64, String)>,
    /// Theoretical slopes to draw beside the curves, as powers of N.
    pub guides: Vec<i32>,
}

/// A choice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepCurve {
    /// Its name.
    pub name: String,
    /// Values by rising number of steps.
    pub points: Vec<SweepPoint>,
}

/// A value at a number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SweepPoint {
    /// Levels visited, or steps.
    pub steps: usize,
    /// The value.
    pub value: f64,
    /// Its interval, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
}

/// How a quantity falls with the number of steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slope {
    /// The quantity.
    pub quantity: String,
    /// The steps of the last doubling.
    pub steps: [usize; 2],
    /// The values there.
    pub values: [f64; 2],
    /// d log value / d log N over that doubling.
    pub measured: f64,
    /// What theory says: an exponent, or nothing where the quantity tends to a limit that is not zero.
    pub theoretical: Option<f64>,
    /// What theory says in words.
    pub theory: String,
}

impl Slope {
    /// The slope between two numbers of steps; none where a value is not positive.
    pub fn between(
        quantity: impl Into<String>,
        (coarse, fine): (SweepPoint, SweepPoint),
        theoretical: Option<f64>,
        theory: impl Into<String>,
    ) -> Option<Self> {
        let at = |point: &SweepPoint| (point.steps as f64, point.value);
        let measured = exponent_between(at(&coarse), at(&fine));
        measured.is_finite().then(|| Slope {
            quantity: quantity.into(),
            steps: [coarse.steps, fine.steps],
            values: [coarse.value, fine.value],
            measured,
            theoretical,
            theory: theory.into(),
        })
    }
}

impl SweepPoint {
    /// A value without statistical error.
    pub fn exact(steps: usize, value: f64) -> Self {
        SweepPoint { steps, value, interval: None }
    }
}
