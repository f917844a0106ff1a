//! Why noise levels are walked down: Langevin dynamics from a poor start, at one level and through many.
//!
//! ```text
//! cargo run --release -p ddpm-sample --example langevin -- langevin.svg
//! ```
//!
//! prints what share of 500 samples ends near each of three modes, and draws them. All start at the mode of weight 0.2.

use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{Grid, Level, Process, Scale, Scheme, TargetSpec, Trajectory};
use ddpm_nets::targets::ideal_denoiser;
use ddpm_sample::{LinearSampler, NoiseInput, Options, Progress, run};
use std::fmt::Write;
use std::ops::ControlFlow;
use tch::{Device, Kind, Tensor};

type Failure = Box<dyn std::error::Error>;

const WEIGHTS: [f64; 3] = [0.2, 0.3, 0.5];
const MEANS: [[f64; 2]; 3] = [[-1.2, 0.8], [1.0, 0.9], [-0.12, -0.86]];
const COUNT: i64 = 500;
/// Noise of the lowest level, below the width of a mode.
const LOWEST: f64 = 0.15;
/// A Langevin step in units of sigma^2.
const STEP: f64 = 0.05;

fn main() -> Result<(), Failure> {
    let spec = TargetSpec::Mixture {
        weights: WEIGHTS.to_vec(),
        means: MEANS.map(Vec::from).to_vec(),
        stds: Some(vec![0.2; 3]),
        covs: None,
    };
    let law = spec.build()?;
    let denoiser = ideal_denoiser(&law, Device::Cpu)?;

    let process = Process::VarianceExploding { sigma_min: LOWEST, sigma_max: 4.0 };
    // Both stop noised at the lowest level, so that the clusters of both are as wide as they should be there.
    let falling = Trajectory::continuous(&process, &Grid::LogSnr.times(&process, 59, 0.0)?)?;
    let lowest = Trajectory::of_levels(vec![*falling.end(), Level::CLEAN], Scale::VarianceExploding, None)?;
    let poor = Tensor::from_slice(&MEANS[0]).to_kind(Kind::Float).expand([COUNT, 2], false);
    let langevin = |scheme: Scheme, trajectory: &Trajectory| -> Result<Vec<[f64; 2]>, Failure> {
        let mut noise = NoiseInput::keyed(0, &[2]).batch(0..COUNT as u64, Device::Cpu)?;
        let mut sampler = LinearSampler::new(scheme.plan(trajectory)?);
        let mut on = |_: &Progress| ControlFlow::Continue(());
        let samples =
            run(denoiser.as_ref(), &mut sampler, poor.copy(), &mut noise, &Options::default(), &mut on)?;
        points(&samples.x)
    };
    let source = NoiseSource::new(0, Purpose::Target);
    let exact = (0..COUNT as u64).map(|image| law.sample(&source, image)).map(|x| [x[0], x[1]]).collect();
    let epsilon = 2.0 * STEP * LOWEST * LOWEST;
    let panels = [
        ("the law itself", exact),
        (
            "Langevin, one level, 1,200 steps",
            langevin(Scheme::Langevin { relative_step: STEP, steps: 1200 }, &lowest)?,
        ),
        (
            "Langevin, 60 levels, 20 steps each",
            langevin(
                Scheme::AnnealedLangevin { epsilon: Some(epsilon), steps: 20, constant_step: false },
                &falling,
            )?,
        ),
    ];
    for (title, points) in &panels {
        println!("{title:<36} {:?}", shares(points));
    }
    match std::env::args().nth(1) {
        Some(path) => std::fs::write(path, draw(&panels)?)?,
        None => println!("give a file name to draw them"),
    }
    Ok(())
}

fn points(x: &Tensor) -> Result<Vec<[f64; 2]>, Failure> {
    let rows: Vec<Vec<f64>> = Vec::try_from(x.to_kind(Kind::Double))?;
    Ok(rows.iter().map(|row| [row[0], row[1]]).collect())
}

/// The mode nearest to a point.
fn mode(point: &[f64; 2]) -> usize {
    let distance = |mean: &[f64; 2]| (point[0] - mean[0]).hypot(point[1] - mean[1]);
    (0..3).min_by(|&a, &b| distance(&MEANS[a]).total_cmp(&distance(&MEANS[b]))).unwrap_or(0)
}

fn shares(points: &[[f64; 2]]) -> [f64; 3] {
    std::array::from_fn(|k| points.iter().filter(|p| mode(p) == k).count() as f64 / points.len() as f64)
}

/// One panel beside the other, a colour for each mode.
fn draw(panels: &[(&str, Vec<[f64; 2]>); 3]) -> Result<String, std::fmt::Error> {
    const SIDE: f64 = 240.0;
    let colours = ["#0072b2", "#d55e00", "#009e73"];
    let mut svg = String::new();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" font-family="sans-serif" font-size="11">"#,
        3.0 * SIDE,
        SIDE
    )?;
    writeln!(svg, r##"<rect width="100%" height="100%" fill="#fff"/>"##)?;
    for (k, (title, points)) in panels.iter().enumerate() {
        let left = k as f64 * SIDE;
        writeln!(
            svg,
            r##"<text x="{}" y="16" text-anchor="middle" fill="#222">{title}</text>"##,
            left + SIDE / 2.0
        )?;
        let [a, b, c] = shares(points);
        writeln!(
            svg,
            r##"<text x="{}" y="31" text-anchor="middle" fill="#555">{a:.2} / {b:.2} / {c:.2}</text>"##,
            left + SIDE / 2.0
        )?;
        for point in points {
            let (x, y) = (left + SIDE * (0.5 + point[0] / 4.4), 20.0 + SIDE * (0.5 - point[1] / 4.4));
            writeln!(
                svg,
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="1.3" fill="{}" fill-opacity=".5"/>"#,
                colours[mode(point)]
            )?;
        }
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}
