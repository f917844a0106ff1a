//! A learned score field beside the exact one on a grid of points of the plane.

use crate::EvalError;
use ddpm_core::{Level, PredictionKind, Target};
use ddpm_nets::Denoiser;
use ddpm_report::score_page::{Arrow, Panel, PlanePicture, density_panel};
use tch::{Device, Kind, Tensor};

/// Arrows along a side of a panel.
const ARROWS: usize = 15;

/// A panel with the contours of the noised density, its exact score and a learned one on a grid of points.
///
/// An arrow's length is |s|/sqrt(|s|^2 + r^2) of a grid cell, r the root mean square of the exact scores shown: far from the data scores
/// grow without bound.
pub fn field_panel(
    picture: &PlanePicture,
    title: impl Into<String>,
    target: &Target,
    level: &Level,
    learned: &dyn Denoiser,
    device: Device,
) -> Result<Panel, EvalError> {
    let cell = picture.side / ARROWS as f64;
    let places: Vec<[f64; 2]> = (0..ARROWS * ARROWS)
        .map(|k| [(k % ARROWS) as f64, (k / ARROWS) as f64])
        .map(|[c, r]| [picture.low[0] + cell * (c + 0.5), picture.low[1] + cell * (r + 0.5)])
        .collect();
    let exact: Vec<Vec<f64>> = places.iter().map(|x| target.score(x, level)).collect();
    let flat: Vec<f64> = places.iter().flatten().copied().collect();
    let x = torch_ext::fence(|| Tensor::from_slice(&flat).reshape([-1, 2]).to_device(device))?;
    let score = learned.predict(&x, level)?.as_kind(PredictionKind::Score, &x, level)?;
    let got = torch_ext::fence(|| Vec::<Vec<f64>>::try_from(score.to_kind(Kind::Double)))?
        .map_err(torch_ext::TorchError::from)?;
    let square = |s: &[f64]| s.iter().map(|v| v * v).sum::<f64>();
    let mean = exact.iter().map(|s| square(s)).sum::<f64>() / exact.len() as f64;
    let arrows = |scores: &[Vec<f64>]| {
        let arrow = |(at, s): (&[f64; 2], &Vec<f64>)| {
            let length = cell / (square(s) + mean).sqrt();
            Arrow { at: *at, along: [s[0] * length, s[1] * length] }
        };
        places.iter().zip(scores).map(arrow).collect()
    };
    let mut panel = density_panel(picture, title, target, level, Vec::new());
    (panel.exact, panel.learned) = (arrows(&exact), arrows(&got));
    Ok(panel)
}
