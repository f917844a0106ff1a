//! Grids against diffusers' timesteps, and their order, ends and spacing.
#![allow(clippy::unwrap_used)]

use ddpm_core::{Grid, Process, ProcessKind, Schedule, TimeIndex};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    grid: Grid,
    train_steps: usize,
    timesteps: Vec<u32>,
}

#[test]
fn timesteps_are_diffusers() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/timesteps.json")).unwrap();
    assert_eq!(cases.len(), 54);
    for case in cases {
        let got: Vec<u32> = case
            .grid
            .timesteps(case.train_steps, case.timesteps.len())
            .unwrap()
            .into_iter()
            .map(|t| t.0)
            .collect();
        // diffusers visits timestep 0 alone on two of its grids; a start from pure noise is of the noisiest level.
        let noisiest = vec![case.train_steps as u32 - 1];
        let expected = if got.len() == 1 { noisiest } else { case.timesteps };
        assert_eq!(got, expected, "{} {}", case.grid, case.train_steps);
    }
}

#[test]
fn every_grid_falls_strictly_and_all_steps_are_all_timesteps() {
    for schedule in [
        Schedule::linear(1000).unwrap(),
        Schedule::cosine(200).unwrap(),
        Schedule::geometric(0.01, 50.0, 64).unwrap(),
    ] {
        let t = schedule.steps();
        for &grid in Grid::ALL {
            for steps in [1, 2, 3, 10, 50, t - 1, t] {
                let visited = grid.visit(&schedule, steps).unwrap();
                assert_eq!(visited.len(), steps);
                assert!(visited.windows(2).all(|pair| pair[0] > pair[1]), "{grid} {steps}: {visited:?}");
                assert!((visited[0].0 as usize) < t);
                assert!(
                    steps > 1 || visited[0].0 as usize == t - 1,
                    "{grid}: one step begins at the most noise"
                );
                if steps == t {
                    assert!(visited.iter().rev().enumerate().all(|(i, timestep)| timestep.0 as usize == i));
                }
            }
            for steps in [0, t + 1] {
                let error = grid.visit(&schedule, steps).unwrap_err().to_string();
                assert_eq!(
                    error,
                    format!("steps must be between 1 and the {t} training levels, got {steps}")
                );
            }
        }
    }
}

#[test]
fn log_snr_and_karras_grids_are_even_in_their_coordinate() {
    let schedule = Schedule::linear(1000).unwrap();
    let coordinate = |grid: Grid, t: TimeIndex| {
        let level = schedule.level(t);
        if grid == Grid::Karras { level.relative_sigma().powf(1.0 / 7.0) } else { level.log_snr() }
    };
    for grid in [Grid::LogSnr, Grid::Karras] {
        let visited = grid.visit(&schedule, 12).unwrap();
        assert_eq!((visited[0].0, visited[11].0), (999, 0));
        let ends = (coordinate(grid, visited[0]), coordinate(grid, visited[11]));
        for (k, &t) in visited.iter().enumerate() {
            let wanted = ends.0 + (ends.1 - ends.0) * k as f64 / 11.0;
            // No other timestep lies nearer.
            let gap = (schedule.level(t).log_snr() - log_snr_at(grid, wanted)).abs();
            for other in [t.0.saturating_sub(1), (t.0 + 1).min(999)] {
                let other_gap = (schedule.level(TimeIndex(other)).log_snr() - log_snr_at(grid, wanted)).abs();
                assert!(gap <= other_gap + 1e-12, "{grid} {k}");
            }
        }
    }
    fn log_snr_at(grid: Grid, coordinate: f64) -> f64 {
        if grid == Grid::Karras { -14.0 * coordinate.ln() } else { coordinate }
    }
}

#[test]
fn continuous_grids_end_where_they_are_told() {
    for (name, process) in ProcessKind::ALL.iter().map(|kind| (kind, kind.process())) {
        let (_, most) = process.time_range();
        for &grid in Grid::ALL {
            let t_min = 1e-3 * most;
            let times = grid.times(&process, 10, t_min).unwrap();
            assert_eq!((times.len(), times[0], times[10]), (11, most, t_min));
            assert!(times.windows(2).all(|pair| pair[0] > pair[1]), "{name} {grid}");
            let levels: Vec<f64> = times.iter().map(|&t| process.level(t).unwrap().log_snr()).collect();
            if grid == Grid::LogSnr {
                let step = (levels[10] - levels[0]) / 10.0;
                assert!(
                    levels.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() < 1e-8 * step),
                    "{name}"
                );
            }
        }
    }
    assert!(Grid::Trailing.times(&Process::VP, 10, 0.0).is_ok());
    assert!(
        Grid::LogSnr.times(&Process::VP, 10, 0.0).unwrap_err().to_string().contains("log-snr needs noise")
    );
    assert!(Grid::Trailing.times(&Process::VP, 10, 1.0).unwrap_err().to_string().contains("t-min"));
    assert!(Grid::Trailing.times(&Process::VP, 0, 0.1).is_err());
    assert!("uniform".parse::<Grid>().unwrap_err().to_string().contains("leading, linspace"));
}
