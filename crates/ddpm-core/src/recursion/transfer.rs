//! A plan of linear steps along one direction, reduced to one affine map with noise.

use crate::{Combination, Level, Step};

/// A Gaussian along one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: f64,
    /// Variance.
    pub variance: f64,
}

/// A denoiser along one direction: D(x) = gain x + offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Weight of x.
    pub gain: f64,
    /// Constant.
    pub offset: f64,
}

/// x_end = gain x_T + offset + N(0, variance).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transfer {
    /// Weight of the starting state.
    pub gain: f64,
    /// Constant.
    pub offset: f64,
    /// Variance of the noise that the steps added.
    pub variance: f64,
}

impl Transfer {
    const IDENTITY: Transfer = Transfer { gain: 1.0, offset: 0.0, variance: 0.0 };

    /// The law of the end for a start of this law, independent of the steps' noise.
    pub fn apply(&self, start: Moments) -> Moments {
        Moments {
            mean: self.gain * start.mean + self.offset,
            variance: self.gain * self.gain * start.variance + self.variance,
        }
    }
}

/// One step without memory and with at most one draw: `x x_t + z z + constant`. Most samplers' are; a recursion over thousands of
/// eigenvalues is an order of magnitude faster without lists.
#[derive(Clone, Copy, Default)]
struct Simple {
    x: f64,
    z: f64,
    constant: f64,
}

/// Most evaluations in a step that [`Simple`] handles.
const SIMPLE_STAGES: usize = 7;

impl Simple {
    fn suits(step: &Step) -> bool {
        let stages = step.evaluations();
        step.draws() <= 1 && stages <= SIMPLE_STAGES && step.memory() <= stages
    }

    fn of(step: &Step, denoiser: &impl Fn(&Level) -> Affine) -> Simple {
        let mut evaluations = [Simple::default(); SIMPLE_STAGES];
        for (made, stage) in step.stages.iter().enumerate() {
            let state = Simple::combined(&stage.state, &evaluations[..made]);
            let Affine { gain, offset } = denoiser(&stage.level);
            evaluations[made] =
                Simple { x: gain * state.x, z: gain * state.z, constant: gain * state.constant + offset };
        }
        Simple::combined(&step.output, &evaluations[..step.evaluations()])
    }

    fn combined(combination: &Combination, evaluations: &[Simple]) -> Simple {
        let z = combination.of_noise.first().copied().unwrap_or(0.0);
        let mut sum = Simple { x: combination.of_x, z, constant: 0.0 };
        for (weight, evaluation) in combination.of_x0.iter().zip(evaluations.iter().rev()) {
            sum.x += weight * evaluation.x;
            sum.z += weight * evaluation.z;
            sum.constant += weight * evaluation.constant;
        }
        sum
    }

    fn after(&self, before: Transfer) -> Transfer {
        Transfer {
            gain: self.x * before.gain,
            offset: self.x * before.offset + self.constant,
            variance: self.x * self.x * before.variance + self.z * self.z,
        }
    }
}

/// The quantities that later steps may refer to: the state first, then the last evaluations, the newest first.
struct Carried {
    /// Weight of x_T in each.
    gain: Vec<f64>,
    /// Constant of each.
    offset: Vec<f64>,
    /// Covariance of their noises, row-major.
    covariance: Vec<f64>,
}

/// A linear form in the carried quantities and this step's draws, plus a constant.
#[derive(Clone)]
struct Form {
    weights: Vec<f64>,
    constant: f64,
}

/// Runs a plan along one direction, where the denoiser is affine at every level.
pub fn transfer(plan: &[Step], denoiser: impl Fn(&Level) -> Affine) -> Transfer {
    if plan.iter().all(Simple::suits) {
        return plan
            .iter()
            .fold(Transfer::IDENTITY, |before, step| Simple::of(step, &denoiser).after(before));
    }
    let history = plan.iter().map(|step| step.memory() - step.evaluations()).max().unwrap_or(0);
    let size = 1 + history;
    let mut carried =
        Carried { gain: vec![0.0; size], offset: vec![0.0; size], covariance: vec![0.0; size * size] };
    carried.gain[0] = 1.0;
    for step in plan {
        carried = advance(&carried, step, history, &denoiser);
    }
    Transfer { gain: carried.gain[0], offset: carried.offset[0], variance: carried.covariance[0] }
}

fn advance(carried: &Carried, step: &Step, history: usize, denoiser: &impl Fn(&Level) -> Affine) -> Carried {
    let size = 1 + history;
    let draws = step.draws();
    let unit = |index: usize| {
        let mut weights: Vec<f64> = vec![0.0; size + draws];
        weights[index] = 1.0;
        Form { weights, constant: 0.0 }
    };
    // Evaluations as linear forms, the oldest first.
    let mut evaluations: Vec<Form> = (1..size).rev().map(unit).collect();
    for stage in &step.stages {
        let mut form = combined(&stage.state, &evaluations, size, draws);
        let affine = denoiser(&stage.level);
        form.weights.iter_mut().for_each(|weight| *weight *= affine.gain);
        form.constant = affine.gain * form.constant + affine.offset;
        evaluations.push(form);
    }
    let mut rows = vec![combined(&step.output, &evaluations, size, draws)];
    rows.extend(evaluations.into_iter().rev().take(history));
    carried.map(&rows, size)
}

fn combined(combination: &Combination, evaluations: &[Form], size: usize, draws: usize) -> Form {
    let mut form = Form { weights: vec![0.0; size + draws], constant: 0.0 };
    form.weights[0] = combination.of_x;
    for (k, weight) in combination.of_noise.iter().enumerate() {
        form.weights[size + k] = *weight;
    }
    for (weight, evaluation) in combination.of_x0.iter().zip(evaluations.iter().rev()) {
        if *weight != 0.0 {
            form.weights.iter_mut().zip(&evaluation.weights).for_each(|(a, b)| *a += weight * b);
            form.constant += weight * evaluation.constant;
        }
    }
    form
}

impl Carried {
    /// The quantities `rows` of the next step, given those of this one.
    fn map(&self, rows: &[Form], size: usize) -> Carried {
        let dot =
            |weights: &[f64], values: &[f64]| -> f64 { weights.iter().zip(values).map(|(w, v)| w * v).sum() };
        let mut covariance = Vec::with_capacity(rows.len() * rows.len());
        for a in rows {
            // Row of (weights C) over the carried quantities.
            let through: Vec<f64> = (0..size)
                .map(|j| (0..size).map(|i| a.weights[i] * self.covariance[i * size + j]).sum())
                .collect();
            for b in rows {
                covariance
                    .push(dot(&b.weights[..size], &through) + dot(&a.weights[size..], &b.weights[size..]));
            }
        }
        Carried {
            gain: rows.iter().map(|row| dot(&row.weights[..size], &self.gain)).collect(),
            offset: rows.iter().map(|row| dot(&row.weights[..size], &self.offset) + row.constant).collect(),
            covariance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Grid, Schedule, Scheme, Trajectory};

    #[test]
    fn both_ways_of_carrying_a_step_agree() {
        let schedule = Schedule::cosine(200).unwrap();
        let trajectory =
            Trajectory::discrete(&schedule, &Grid::Trailing.timesteps(200, 20).unwrap()).unwrap();
        for scheme in [Scheme::Em, Scheme::OdeRk4, Scheme::ddim(0.7)] {
            let denoiser = |level: &Level| Affine { gain: 0.3 / (1.0 + level.sigma()), offset: 0.1 };
            let plan = scheme.plan(&trajectory).unwrap();
            let short = transfer(&plan, denoiser);
            // A weight of 0 on an earlier evaluation asks for memory without using it.
            let mut remembering = plan;
            remembering.iter_mut().for_each(|step| step.output.of_x0.push(0.0));
            let long = transfer(&remembering, denoiser);
            for (a, b) in
                [(short.gain, long.gain), (short.offset, long.offset), (short.variance, long.variance)]
            {
                assert!((a - b).abs() < 1e-12, "{scheme:?} {short:?} {long:?}");
            }
        }
    }
}
