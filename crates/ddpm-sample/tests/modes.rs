//! Do samplers find every mode of a mixture in its proportion?
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{keyed, on, trailing};
use ddpm_core::{Grid, Process, SAMPLERS, Scale, Scheme, TargetSpec, Trajectory};
use ddpm_nets::targets::{IdealDenoiser, ideal_denoiser};
use ddpm_sample::{NoiseInput, Options, sample};
use ddpm_testkit::long_tests;
use tch::{Device, Kind, Tensor};

const WEIGHTS: [f64; 3] = [0.2, 0.3, 0.5];
const MEANS: [[f64; 2]; 3] = [[-1.2, 0.8], [1.0, 0.9], [-0.12, -0.86]];
const STD: f64 = 0.2;
/// The chi-square of two degrees of freedom that is exceeded with probability 1e-3.
const CHI_SQUARE: f64 = 13.816;

/// Three modes, eight standard deviations or more apart, with the mean at 0.
fn mixture() -> Box<dyn IdealDenoiser> {
    let spec = TargetSpec::Mixture {
        weights: WEIGHTS.to_vec(),
        means: MEANS.map(Vec::from).to_vec(),
        stds: Some(vec![STD; 3]),
        covs: None,
    };
    ideal_denoiser(&spec.build().unwrap(), Device::Cpu).unwrap()
}

/// How many samples are nearest to each mode.
fn counts(x: &Tensor) -> [f64; 3] {
    let means = Tensor::from_slice(&MEANS.concat()).reshape([3, 2]);
    let nearest = Tensor::cdist(&x.to_kind(Kind::Double), &means, 2.0, None).argmin(1, false);
    std::array::from_fn(|mode| nearest.eq(mode as i64).sum(Kind::Double).double_value(&[]))
}

/// Pearson's statistic against the weights.
fn chi_square(counts: &[f64; 3]) -> f64 {
    let n: f64 = counts.iter().sum();
    counts.iter().zip(WEIGHTS).map(|(count, weight)| (count - n * weight).powi(2) / (n * weight)).sum()
}

/// Levels from sigma = 4, where the modes are one, to 0.15, below their width, and then data.
fn exploding(levels: usize) -> Trajectory {
    let process = Process::VarianceExploding { sigma_min: SIGMA_MIN, sigma_max: 4.0 };
    let times = Grid::LogSnr.times(&process, levels - 1, 0.0).unwrap();
    Trajectory::continuous(&process, &times).unwrap().with_decoder()
}

const SIGMA_MIN: f64 = 0.15;

/// Langevin steps of `relative` sigma^2 at each level.
fn annealed(relative: f64, steps: usize) -> Scheme {
    // Song & Ermon's epsilon: half of it is the step at the lowest level.
    Scheme::AnnealedLangevin {
        epsilon: Some(2.0 * relative * SIGMA_MIN * SIGMA_MIN),
        steps,
        constant_step: false,
    }
}

/// Steps at which a sampler's proportions are right to within the sampling error of 100,000 samples.
///
/// Langevin dynamics needs most: where the modes part, the proportions lag behind what the level asks for.
fn plan(scheme: Scheme, n: u64) -> (Scheme, Trajectory) {
    match scheme {
        Scheme::AnnealedLangevin { .. } if n > 10_000 => (annealed(0.05, 40), exploding(100)),
        Scheme::AnnealedLangevin { .. } => (annealed(0.05, 20), exploding(60)),
        Scheme::OdeHeun | Scheme::Edm { .. } | Scheme::Dpmpp2m | Scheme::Dpmpp3m | Scheme::Unipc => {
            (scheme, trailing(100))
        }
        Scheme::OdeRk4 => (scheme, trailing(50)),
        _ => (scheme, trailing(250)),
    }
}

fn proportions(n: u64) {
    let target = mixture();
    println!("{n} samples; expected proportions {WEIGHTS:?}; chi-square must stay below {CHI_SQUARE}");
    println!(
        "{:<20} {:>6} {:>12} {:>8} {:>8} {:>8} {:>10}",
        "sampler", "steps", "evaluations", "mode 0", "mode 1", "mode 2", "chi-square"
    );
    let mut failures = Vec::new();
    for (index, info) in SAMPLERS.iter().enumerate() {
        if info.name == "langevin" {
            continue;
        }
        let (scheme, trajectory) = plan(info.scheme, n);
        let samples = keyed(target.as_ref(), &scheme, &trajectory, (n, 2), 100 + index as u64);
        let counts = counts(&samples.x);
        let statistic = chi_square(&counts);
        let [a, b, c] = counts.map(|count| count / n as f64);
        println!(
            "{:<20} {:>6} {:>12} {a:>8.4} {b:>8.4} {c:>8.4} {statistic:>10.2}",
            info.name, samples.steps, samples.evaluations
        );
        if statistic > CHI_SQUARE {
            failures.push(info.name);
        }
    }
    assert!(failures.is_empty(), "wrong proportions: {failures:?}");
}

#[test]
fn every_sampler_hits_every_mode_in_its_proportion() {
    if long_tests("100,000 samples of every sampler") {
        proportions(100_000);
    } else {
        proportions(3_000);
    }
}

/// Started in one mode, Langevin dynamics at low noise stays there; through falling noise levels it finds the others.
#[test]
fn plain_langevin_stays_where_it_starts_and_annealed_langevin_does_not() {
    let target = mixture();
    let n = 2_000;
    let start = Tensor::from_slice(&MEANS[0]).to_kind(Kind::Float).expand([n, 2], false);
    let draws = |count: i64| Tensor::randn([count, n, 2], (Kind::Float, Device::Cpu));
    let run = |scheme: &Scheme, trajectory: &Trajectory, count: i64| {
        let noise = NoiseInput::given(&start, Some(&draws(count))).unwrap();
        let mut batch = noise.batch(0..n as u64, Device::Cpu).unwrap();
        counts(
            &sample(target.as_ref(), scheme, trajectory, &mut batch, &Options::default(), &mut on).unwrap().x,
        )
    };
    tch::manual_seed(0);
    let lowest = exploding(60).levels()[59..].to_vec();
    let one_level = Trajectory::of_levels(lowest, Scale::VarianceExploding, None).unwrap();
    let plain = run(&Scheme::Langevin { relative_step: 0.05, steps: 1200 }, &one_level, 1200);
    let annealed = run(&annealed(0.05, 20), &exploding(60), 1200);
    println!("started in mode 0 of {WEIGHTS:?}: plain Langevin {plain:?}, annealed {annealed:?}");
    // A few in a hundred cross in 1,200 steps; the true proportion is far away.
    assert!(plain[0] / n as f64 > 0.95);
    assert!(chi_square(&annealed) < CHI_SQUARE);
}
