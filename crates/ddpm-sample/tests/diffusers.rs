//! The same noise gives the samples of diffusers' schedulers: golden/diffusers_samplers.py wrote what they make of an exact denoiser, and
//! golden/diffusers_thresholds.py what they make of it where they clip or threshold the predicted x_0.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{keyed, on};
use ddpm_core::scheme::SamplerInfo;
use ddpm_core::{Grid, Schedule, TargetSpec, Variance};
use ddpm_core::{Scheme, Trajectory};
use ddpm_nets::Threshold;
use ddpm_nets::targets::ideal_denoiser;
use ddpm_nets::tensor_file;
use ddpm_sample::{NoiseInput, Options, sample, sample_on_grid};
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

const TOLERANCE: f64 = 5e-5;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The generator's target.
fn target() -> TargetSpec {
    TargetSpec::Mixture {
        weights: vec![0.3, 0.7],
        means: vec![vec![-1.5, 0.5], vec![1.0, -0.25]],
        stds: Some(vec![0.25, 0.4]),
        covs: None,
    }
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

#[test]
fn samplers_reproduce_diffusers_with_the_same_noise() {
    let law = target().build().unwrap();
    let denoiser = ideal_denoiser(&law, Device::Cpu).unwrap();
    let golden = golden("diffusers_samplers.safetensors");
    let noise = NoiseInput::read(&golden, &[2]).unwrap();
    let schedule = Schedule::linear(1000).unwrap();
    let mut compared = 0;
    for (name, expected) in tensor_file::read(&golden).unwrap() {
        let words: Vec<&str> = name.split('/').collect();
        let (scheme, grid, steps) = match words[..] {
            ["ddpm", variance, grid, steps] => {
                (Scheme::Ddpm { variance: variance.parse().unwrap() }, grid, steps)
            }
            ["ddim", eta, grid, steps] => (Scheme::ddim(eta.parse().unwrap()), grid, steps),
            ["dpmpp-2m", grid, steps] => (Scheme::Dpmpp2m, grid, steps),
            _ => continue,
        };
        let (grid, steps): (Grid, usize) = (grid.parse().unwrap(), steps.parse().unwrap());
        let timesteps = grid.timesteps(1000, steps).unwrap();
        let trajectory = Trajectory::discrete(&schedule, &timesteps).unwrap();
        let mut batch = noise.batch(0..8, Device::Cpu).unwrap();
        let options = Options::default();
        let got = sample_on_grid(
            denoiser.as_ref(),
            &scheme,
            &schedule,
            grid,
            &trajectory,
            &mut batch,
            &options,
            &mut on,
        );
        let difference = largest_difference(&got.unwrap().x, &expected);
        assert!(difference < TOLERANCE, "{name}: {difference:e}");
        compared += 1;
        // Where the stride is the grid's own, nothing distinguishes diffusers' DDIM from the one between visited levels.
        if let Scheme::Ddim { .. } = scheme
            && (grid == Grid::Leading || 1000 % steps == 0 && grid == Grid::Trailing)
        {
            let mut batch = noise.batch(0..8, Device::Cpu).unwrap();
            let own = sample(denoiser.as_ref(), &scheme, &trajectory, &mut batch, &options, &mut on).unwrap();
            assert!(largest_difference(&own.x, &expected) < TOLERANCE, "{name}");
        }
    }
    assert_eq!(compared, 2 * 7 + 3 * 7 + 3);
}

/// ddim uses the network's eps, not the one that follows from the clipped x_0, unless it is told to; the other samplers have no such choice.
#[test]
fn samplers_reproduce_diffusers_where_x0_is_clipped_or_thresholded() {
    let law = target().build().unwrap();
    let denoiser = ideal_denoiser(&law, Device::Cpu).unwrap();
    let golden = golden("diffusers_thresholds.safetensors");
    let noise = NoiseInput::read(&golden, &[2]).unwrap();
    let schedule = Schedule::linear(1000).unwrap();
    let trajectory = Trajectory::discrete(&schedule, &Grid::Trailing.timesteps(1000, 20).unwrap()).unwrap();
    let sampled = |scheme: &Scheme, threshold: Threshold| {
        let mut batch = noise.batch(0..8, Device::Cpu).unwrap();
        let options = Options { threshold, ..Options::default() };
        let grid = Grid::Trailing;
        let denoiser = denoiser.as_ref();
        sample_on_grid(denoiser, scheme, &schedule, grid, &trajectory, &mut batch, &options, &mut on)
            .unwrap()
            .x
    };
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (name, expected) in tensor_file::read(&golden).unwrap() {
        let words: Vec<&str> = name.split('/').collect();
        let (threshold, scheme) = match words[..] {
            [threshold, "ddpm", variance] => {
                (threshold, Scheme::Ddpm { variance: variance.parse().unwrap() })
            }
            [threshold, word @ ("ddim" | "ddim-clipped"), eta] => {
                let (eta, use_clipped_model_output) = (eta.parse().unwrap(), word == "ddim-clipped");
                (threshold, Scheme::Ddim { eta, use_clipped_model_output })
            }
            [threshold, sampler] => (threshold, SamplerInfo::find(sampler).unwrap().scheme),
            _ => continue,
        };
        let threshold = match threshold {
            "clip" => Threshold::UNIT,
            _ => Threshold::Dynamic { quantile: 0.7, cap: 1.2 },
        };
        let difference = largest_difference(&sampled(&scheme, threshold), &expected);
        // Without the threshold the samples are others: it is at work.
        let effect = largest_difference(&sampled(&scheme, Threshold::None), &expected);
        if difference >= TOLERANCE || effect < 0.1 {
            wrong.push(format!("{name}: {difference:e}, effect {effect:e}"));
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(compared, 2 * 5 + 4);
}

#[test]
fn ddim_with_eta_1_is_ddpm_with_the_posterior_variance() {
    let law = target().build().unwrap();
    let denoiser = ideal_denoiser(&law, Device::Cpu).unwrap();
    let schedule = Schedule::linear(1000).unwrap();
    for (grid, steps) in [(Grid::Trailing, 40), (Grid::Linspace, 33), (Grid::Quadratic, 20)] {
        let trajectory = Trajectory::discrete(&schedule, &grid.timesteps(1000, steps).unwrap()).unwrap();
        let run = |scheme: Scheme| keyed(denoiser.as_ref(), &scheme, &trajectory, (50, 2), 11).x;
        let (ddpm, ddim) = (run(Scheme::Ddpm { variance: Variance::FixedSmall }), run(Scheme::ddim(1.0)));
        assert!(largest_difference(&ddpm, &ddim) < 2e-5, "{grid:?}");
        // A difference that a wrong variance would have to show.
        assert!(largest_difference(&ddpm, &run(Scheme::ddim(0.9))) > 1e-2);
    }
}

#[test]
fn respacing_to_all_steps_changes_nothing() {
    let schedule = Schedule::linear(40).unwrap();
    let all: Vec<_> = schedule.levels().rev().collect();
    for grid in [Grid::Leading, Grid::Linspace, Grid::Trailing] {
        assert_eq!(schedule.visited(&grid.timesteps(40, 40).unwrap()).unwrap(), all);
    }
}
