//! W2 to the target with one source of error switched on at a time.
//!
//! A sampler has three sources of error. It starts at N(0, I) instead of the true law of x_T. It takes N steps instead of infinitely many. Its
//! denoiser is not the ideal one. Each of the eight combinations has a law of samples with a W2 distance from the target. The distance is
//! exact for Gaussian targets ([`gaussian_ablation`]) and estimated from samples otherwise.
//!
//! Infinitely many steps are the exact reverse SDE for samplers that draw noise and the probability-flow ODE for the others. They run between
//! the sampler's own two end levels. A decoder's last step is kept. Truncation is therefore the same in every combination.

use crate::recursion::{GaussianDenoiser, Moments, Start, W2Errors, continuous_law, w2};
use crate::scheme::decode;
use crate::targets::Gaussian;
use crate::transport::{Bootstrap, SampleDistance};
use crate::{CoreError, Level, Scheme, Time, Trajectory};
use serde::{Deserialize, Serialize};

/// The number of steps of a combination of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AblationSteps {
    /// Infinitely many, or enough for the law not to change with more.
    Fine,
    /// The sampler's own.
    Steps,
}

/// The denoiser of a combination of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AblationDenoiser {
    /// The ideal one, D*.
    Ideal,
    /// The one in use, D.
    Given,
}

/// How distances were computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum W2Method {
    /// From the exact law of the samples.
    Exact,
    /// Between samples in one dimension, by coupled quantiles.
    Samples,
    /// Between samples, by projections: sqrt(d) times the sliced distance ([`crate::transport::Coupling`]). It is at most W2, and equal to it
    /// for shifts.
    SlicedSamples,
}

/// One combination of errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AblationCell {
    /// The start.
    pub start: Start,
    /// The steps.
    pub steps: AblationSteps,
    /// The denoiser.
    pub denoiser: AblationDenoiser,
    /// Distance from the target.
    pub w2: f64,
    /// Its standard error, 0 when exact.
    pub stderr: f64,
    /// 95 % confidence interval of the distance between the laws, where it is estimated from samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The debiased entropic distance of a few hundred samples, in more than one dimension: mean and standard error over blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropic: Option<[f64; 2]>,
}

/// The distances of all combinations, with the method that computed them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct W2Ablation {
    /// The method.
    pub method: W2Method,
    /// Samples on each side, where the distances come from samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Settings of the bootstrap that gave the intervals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
    /// The distance between two independent sets of as many exact samples: the expected distance of a perfect sampler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_floor: Option<SampleDistance>,
    /// The entropic distance between such sets, mean and standard error over blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropic_floor: Option<[f64; 2]>,
    /// One entry a combination. Combinations with the given denoiser are left out where it is the ideal one.
    pub cells: Vec<AblationCell>,
}

impl W2Ablation {
    /// All combinations: eight with an imperfect denoiser (`perturbed`), four without.
    pub fn combinations(perturbed: bool) -> Vec<(Start, AblationSteps, AblationDenoiser)> {
        let denoisers = if perturbed {
            vec![AblationDenoiser::Ideal, AblationDenoiser::Given]
        } else {
            vec![AblationDenoiser::Ideal]
        };
        let mut combinations = Vec::new();
        for denoiser in denoisers {
            for steps in [AblationSteps::Fine, AblationSteps::Steps] {
                combinations.extend([Start::Marginal, Start::Prior].map(|start| (start, steps, denoiser)));
            }
        }
        combinations
    }

    /// The cell of a combination. Without cells of the given denoiser it is that of the ideal one.
    pub fn cell(
        &self,
        start: Start,
        steps: AblationSteps,
        denoiser: AblationDenoiser,
    ) -> Option<&AblationCell> {
        let find =
            |denoiser| self.cells.iter().find(|c| (c.start, c.steps, c.denoiser) == (start, steps, denoiser));
        find(denoiser).or_else(|| find(AblationDenoiser::Ideal))
    }

    /// The four distances of the JSON key `w2`: the sampler's steps with the given denoiser, and infinitely many with the ideal one.
    pub fn errors(&self) -> Option<W2Errors> {
        let value = |start, steps, denoiser| Some(self.cell(start, steps, denoiser)?.w2);
        Some(W2Errors {
            from_marginal: value(Start::Marginal, AblationSteps::Steps, AblationDenoiser::Given)?,
            from_normal: value(Start::Prior, AblationSteps::Steps, AblationDenoiser::Given)?,
            continuous_from_marginal: value(Start::Marginal, AblationSteps::Fine, AblationDenoiser::Ideal)?,
            continuous_from_normal: value(Start::Prior, AblationSteps::Fine, AblationDenoiser::Ideal)?,
        })
    }
}

/// Log-SNR from which a process that reaches data takes its last fine step. The noise is far below the scale of the data there.
const CLEAN_LOG_SNR: f64 = 16.0;
/// Log-SNR at which fine steps from a level without signal begin. The signal is negligible below it.
const NO_SIGNAL_LOG_SNR: f64 = -20.0;

/// The level down to which a trajectory's steps are refined: the lowest level with noise where a decoder's step follows, else the end.
fn refined_end(trajectory: &Trajectory) -> Level {
    let levels = trajectory.levels();
    if trajectory.end().time() == Time::Clean { levels[levels.len() - 2] } else { *trajectory.end() }
}

/// `steps` steps evenly spaced in log-SNR, from the trajectory's start to its lowest level with noise.
pub fn evenly_refined(trajectory: &Trajectory, steps: usize) -> Result<Trajectory, CoreError> {
    CoreError::check("fine steps", "at least 1", steps as f64, steps > 0)?;
    let (start, end) = (trajectory.start(), refined_end(trajectory));
    let low = start.log_snr().max(NO_SIGNAL_LOG_SNR);
    let high = end.log_snr().min(CLEAN_LOG_SNR);
    let mut levels = vec![*start];
    if high > low {
        let first = usize::from(start.log_snr() == low);
        levels.extend((first..steps).map(|k| {
            let share = k as f64 / steps as f64;
            trajectory.scale().level(low + (high - low) * share, Time::Continuous(1.0 - share))
        }));
    }
    if end.log_snr() > levels[levels.len() - 1].log_snr() {
        levels.push(end);
    }
    Trajectory::of_levels(levels, trajectory.scale(), None)
}

/// The trajectory and the scheme that approximate infinitely many steps where there is no closed form: [`evenly_refined`] steps of a
/// second-order scheme. A decoder's last step is kept.
pub fn fine(
    trajectory: &Trajectory,
    steps: usize,
    stochastic: bool,
) -> Result<(Trajectory, Scheme), CoreError> {
    let decoder = trajectory.end().time() == Time::Clean;
    // With a single visited level the decoder's step is the only one.
    let refined = if decoder && trajectory.steps() == 1 {
        trajectory.clone()
    } else {
        let refined = evenly_refined(trajectory, steps)?;
        if decoder { refined.with_decoder() } else { refined }
    };
    Ok((refined, if stochastic { Scheme::Dpmpp2mSde } else { Scheme::Dpmpp2m }))
}

/// The law of the samples with infinitely many steps of the ideal denoiser. It includes a decoder's last step.
fn fine_law(
    ideal: &GaussianDenoiser<'_>,
    trajectory: &Trajectory,
    from: Start,
    stochastic: bool,
) -> Result<Vec<Moments>, CoreError> {
    let end = refined_end(trajectory);
    let law = continuous_law(ideal, trajectory.start(), &end, from, stochastic);
    if trajectory.end().time() != Time::Clean {
        return Ok(law);
    }
    let decode = ideal.transfers(&[decode(&end)]);
    Ok(decode.iter().zip(law).map(|(transfer, moments)| transfer.apply(moments)).collect())
}

/// Number of fine steps of the exact recursion with an imperfect denoiser.
const FINE_STEPS: usize = 1000;

/// The exact ablation of a sampler with fixed steps on a Gaussian target. With an imperfect denoiser infinitely many steps are approximated by
/// 1000 steps of second order.
pub fn gaussian_ablation(
    law: &Gaussian,
    trajectory: &Trajectory,
    scheme: &Scheme,
    perturbation: f64,
) -> Result<W2Ablation, CoreError> {
    let plan = scheme.plan(trajectory)?;
    let stochastic = plan.iter().any(|step| step.draws() > 0);
    let ideal = GaussianDenoiser::new(law, 0.0);
    let given = GaussianDenoiser::new(law, perturbation);
    let target = ideal.marginal(&Level::CLEAN);
    let perturbed = perturbation != 0.0;
    let fine_plan = if perturbed {
        let (trajectory, scheme) = fine(trajectory, FINE_STEPS, stochastic)?;
        scheme.plan(&trajectory)?
    } else {
        Vec::new()
    };
    let by_ideal = ideal.transfers(&plan);
    let by_given = perturbed.then(|| given.transfers(&plan));
    let by_given_fine = perturbed.then(|| given.transfers(&fine_plan));
    let cell = |(start, steps, denoiser)| -> Result<AblationCell, CoreError> {
        let transfers = match (steps, denoiser) {
            (AblationSteps::Steps, AblationDenoiser::Given) => by_given.as_ref(),
            (AblationSteps::Fine, AblationDenoiser::Given) => by_given_fine.as_ref(),
            (AblationSteps::Steps, AblationDenoiser::Ideal) => Some(&by_ideal),
            (AblationSteps::Fine, AblationDenoiser::Ideal) => None,
        };
        let samples: Vec<Moments> = match transfers {
            Some(transfers) => {
                let begin = ideal.start(start, trajectory.start());
                transfers.iter().zip(begin).map(|(transfer, moments)| transfer.apply(moments)).collect()
            }
            None => fine_law(&ideal, trajectory, start, stochastic)?,
        };
        Ok(AblationCell {
            start,
            steps,
            denoiser,
            w2: w2(&samples, &target),
            stderr: 0.0,
            interval: None,
            entropic: None,
        })
    };
    let cells = W2Ablation::combinations(perturbed).into_iter().map(cell).collect::<Result<_, _>>()?;
    Ok(W2Ablation {
        method: W2Method::Exact,
        samples: None,
        bootstrap: None,
        noise_floor: None,
        entropic_floor: None,
        cells,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recursion::w2_errors;
    use crate::targets::Covariance;
    use crate::{Grid, Process, Schedule};

    fn law() -> Gaussian {
        Gaussian::new(vec![0.5, -1.0], Covariance::Diagonal(vec![0.05, 1.5])).unwrap()
    }

    fn trajectories() -> [Trajectory; 3] {
        let schedule = Schedule::linear(1000).unwrap();
        let discrete = |schedule: &Schedule| {
            Trajectory::discrete(schedule, &Grid::Trailing.visit(schedule, 30).unwrap()).unwrap()
        };
        let times = Grid::LogSnr.times(&Process::VP, 30, 1e-3).unwrap();
        [
            discrete(&schedule),
            discrete(&schedule.with_zero_terminal_snr().unwrap()),
            Trajectory::continuous(&Process::VP, &times).unwrap(),
        ]
    }

    #[test]
    fn the_four_main_cells_are_the_w2_errors() {
        for (trajectory, perturbation) in trajectories().iter().zip([0.0, 0.1, 0.1]) {
            for scheme in [Scheme::ddim(0.0), Scheme::Dpmpp2mSde] {
                let ablation = gaussian_ablation(&law(), trajectory, &scheme, perturbation).unwrap();
                let expected =
                    w2_errors(&GaussianDenoiser::new(&law(), perturbation), trajectory, &scheme).unwrap();
                let got = ablation.errors().unwrap();
                assert_eq!(
                    (got.from_marginal, got.from_normal),
                    (expected.from_marginal, expected.from_normal)
                );
                if !trajectory.end().is_clean() {
                    assert_eq!(got, expected);
                }
                assert_eq!(ablation.cells.len(), if perturbation == 0.0 { 4 } else { 8 });
            }
        }
    }

    #[test]
    fn fine_steps_approximate_infinitely_many() {
        // With the ideal denoiser the law of infinitely many steps is known.
        let law = law();
        let ideal = GaussianDenoiser::new(&law, 0.0);
        for trajectory in trajectories() {
            for stochastic in [false, true] {
                let (levels, scheme) = fine(&trajectory, 1000, stochastic).unwrap();
                assert_eq!((levels.start(), levels.end()), (trajectory.start(), trajectory.end()));
                let plan = scheme.plan(&levels).unwrap();
                for from in [Start::Marginal, Start::Prior] {
                    let many = crate::recursion::sample_law(&ideal, &levels, &plan, from);
                    let exact = fine_law(&ideal, &trajectory, from, stochastic).unwrap();
                    let apart = w2(&many, &exact);
                    assert!(apart < 1e-3, "{stochastic} {from:?}: {apart}");
                }
            }
        }
    }

    #[test]
    fn each_error_counts_where_it_is_switched_on() {
        let [discrete, ..] = trajectories();
        let ablation = gaussian_ablation(&law(), &discrete, &Scheme::ddim(0.0), 0.1).unwrap();
        let value = |start, steps, denoiser| ablation.cell(start, steps, denoiser).unwrap().w2;
        let (all_off, start, steps, denoiser) = (
            value(Start::Marginal, AblationSteps::Fine, AblationDenoiser::Ideal),
            value(Start::Prior, AblationSteps::Fine, AblationDenoiser::Ideal),
            value(Start::Marginal, AblationSteps::Steps, AblationDenoiser::Ideal),
            value(Start::Marginal, AblationSteps::Fine, AblationDenoiser::Given),
        );
        // With all errors off, the error of the decoder's step from the lowest level remains.
        assert!(all_off < 0.05 && start > all_off && steps > 1.2 * all_off, "{ablation:?}");
        // Each of the two components has an error above 0.1: later steps increase the perturbation of 0.1.
        assert!(denoiser > 0.1 * 2f64.sqrt() && denoiser < 1.0, "{denoiser}");
    }
}
