//! W2 from samples beside W2 from the exact recursion, and slopes of a page beside theory.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use ddpm_core::decomposition::{MonteCarlo, gaussian_ablation};
use ddpm_core::{Grid, Noising, Schedule, Scheme, Target, TargetSpec, Trajectory, Variance};
use ddpm_eval::sampled_w2::{Effort, SampleRun, sampled_ablation};
use ddpm_eval::target_study::TargetStudy;
use ddpm_report::results::DecomposeReport;
use ddpm_sample::Tolerance;
use tch::Device;

fn parse(text: &str) -> Target {
    serde_json::from_str::<TargetSpec>(text).unwrap().build().unwrap()
}

const EFFORT: Effort = Effort { samples: 3000, resamples: 60, directions: 24, fine_steps: 150 };

#[test]
fn samples_of_a_gaussian_are_as_far_as_the_recursion_says() {
    // On the line, and in the plane where W2 is a shift by the denoiser's error, which projections measure in full.
    let line = parse(r#"{"kind":"gaussian","mean":[0.5],"var":[0.3]}"#);
    let plane = parse(r#"{"kind":"gaussian","mean":[0.5,-0.2],"var":[0.3,0.3]}"#);
    let schedule = Schedule::linear(1000).unwrap();
    let visited = Grid::Trailing.visit(&schedule, 12).unwrap();
    for (target, scheme, perturbation) in [
        (&line, Scheme::Ddpm { variance: Variance::FixedSmall }, 0.0),
        (&line, Scheme::ddim(0.0), 0.2),
        (&line, Scheme::Dpmpp2mSde, -0.2),
        (&plane, Scheme::Dpmpp2m, 0.2),
    ] {
        let trajectory = Trajectory::discrete(&schedule, &visited).unwrap();
        let run = SampleRun {
            target,
            trajectory: trajectory.clone(),
            scheme,
            perturbation,
            denoiser: None,
            tolerance: Tolerance::default(),
            seed: 5,
            device: Device::Cpu,
        };
        let sampled = sampled_ablation(&run, EFFORT, &mut |_, _| ()).unwrap();
        let Target::Gaussian(law) = target else { panic!("not a Gaussian") };
        let exact = gaussian_ablation(law, &trajectory, &scheme, perturbation).unwrap();
        let floor = sampled.ablation.noise_floor.unwrap().w2;
        assert_eq!(sampled.samples.len(), EFFORT.samples * target.dim());
        assert_eq!(sampled.ablation.cells.len(), exact.cells.len());
        for (got, expected) in sampled.ablation.cells.iter().zip(&exact.cells) {
            assert_eq!(
                (got.start, got.steps, got.denoiser),
                (expected.start, expected.steps, expected.denoiser)
            );
            // Finite samples are off by their scatter, and by the floor where the distance is small.
            let allowed = 4.0 * got.stderr + 2.0 * floor;
            assert!(
                (got.w2 - expected.w2).abs() < allowed,
                "{scheme:?} {perturbation}: {got:?} instead of {expected:?}"
            );
        }
    }
}

#[test]
fn slopes_of_the_page_are_those_of_theory() {
    let schedule = Schedule::linear(200).unwrap();
    let noising = Noising::Discrete(schedule.clone());
    let gaussian = parse(r#"{"kind":"gaussian","mean":[0.5,-0.2],"var":[0.3,0.8]}"#);
    let mixture = parse(r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5],[1]],"stds":[0.25,0.4]}"#);
    for target in [&gaussian, &mixture] {
        let study = TargetStudy {
            name: "target".to_string(),
            target,
            noising: &noising,
            grid: Grid::Trailing,
            steps: 20,
            scheme: Scheme::Ddpm { variance: Variance::FixedLarge },
            perturbation: 0.0,
            monte_carlo: MonteCarlo::default(),
            effort: Effort { samples: 300, ..EFFORT },
            tolerance: Tolerance::default(),
            seed: 0,
            device: Device::Cpu,
            command: String::new(),
            versions: Vec::new(),
        };
        let timesteps = Grid::Trailing.visit(&schedule, 20).unwrap();
        let result = ddpm_core::decomposition::decompose(
            target,
            &schedule.visited(&timesteps).unwrap(),
            &ddpm_core::decomposition::Settings::new(Variance::FixedLarge),
        )
        .unwrap();
        let result =
            DecomposeReport::closed_form("target", "linear", Variance::FixedLarge, &timesteps, &result)
                .unwrap();
        let report = study.report(result, &mut |_| ()).unwrap();
        let slope = |quantity: &str| {
            let found = report.slopes.iter().find(|slope| slope.quantity.contains(quantity));
            found.unwrap_or_else(|| panic!("{quantity} in {:?}", report.slopes)).measured
        };
        // Fixed-large and analytic halve; fixed-small has a limit that is not zero.
        for quantity in ["fixed-large (nats)", "analytic (nats)"] {
            assert!((slope(quantity) + 1.0).abs() < 0.06, "{quantity}: {}", slope(quantity));
        }
        assert!(slope("fixed-small (nats)") > -0.5, "{}", slope("fixed-small (nats)"));
        assert!((slope("W₂, ddim") + 1.0).abs() < 0.15, "{}", slope("W₂, ddim"));
        for second_order in ["W₂, edm", "W₂, dpmpp-2m"] {
            assert!((slope(second_order) + 2.0).abs() < 0.35, "{second_order}: {}", slope(second_order));
        }
        let html = report.page().unwrap().to_html().unwrap();
        assert!(html.contains("Measured slopes") && report.samples.is_some());
    }
}
