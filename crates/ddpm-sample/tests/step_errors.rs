//! The contributions of a sampler's steps: they sum to its error, and on a Gaussian they are those of the closed form.
// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{linear, trailing};
use ddpm_core::targets::{Covariance, Gaussian};
use ddpm_core::{Level, SAMPLERS, Scale, Scheme, TargetSpec, Time, Trajectory};
use ddpm_nets::targets::{GaussianTarget, ideal_denoiser};
use ddpm_nets::{Denoiser, Perturbed, Threshold};
use ddpm_sample::{Options, SampleError, StepErrors, refined, sampler};
use std::ops::ControlFlow;
use tch::{Device, Kind, Tensor};

fn fan(
    denoiser: &dyn Denoiser,
    scheme: &Scheme,
    coarse: &Trajectory,
    fine: &Trajectory,
    start: &Tensor,
    threshold: Threshold,
) -> Result<StepErrors, SampleError> {
    let mut sampler = sampler(scheme, coarse, ddpm_sample::Tolerance::default()).unwrap();
    let options = Options { threshold, ..Options::default() };
    let on = &mut |_, _| ControlFlow::Continue(());
    StepErrors::of(denoiser, sampler.as_mut(), coarse, fine, start, &options, on)
}

fn terms(fan: &StepErrors) -> Vec<Tensor> {
    fan.terms(&mut |x| Ok::<_, SampleError>(x.shallow_clone())).unwrap()
}

fn largest(x: &Tensor) -> f64 {
    x.abs().max().double_value(&[])
}

/// Every deterministic sampler, multistep ones too.
fn deterministic() -> Vec<Scheme> {
    SAMPLERS.iter().filter(|info| info.draws == 0 && info.fixed_steps).map(|info| info.scheme).collect()
}

#[test]
fn terms_sum_to_the_error_of_every_deterministic_sampler() {
    let text = r#"{"kind":"mixture","weights":[0.4,0.6],"means":[[-1.0,0.5],[1.0,-0.3]],"stds":[0.3,0.5]}"#;
    let target = serde_json::from_str::<TargetSpec>(text).unwrap().build().unwrap();
    let ideal = ideal_denoiser(&target, Device::Cpu).unwrap();
    let denoiser = Perturbed::new(ideal.as_ref(), 0.05);
    let (coarse, all) = (trailing(10), trailing(200));
    let fine = refined(&coarse, &all).unwrap();
    assert_eq!(fine.levels().len(), all.levels().len(), "the fine grid has the levels already");
    tch::manual_seed(4);
    let schemes = deterministic();
    assert!(schemes.len() >= 8, "{schemes:?}");
    for scheme in schemes {
        for (kind, relative) in [(Kind::Double, 1e-10), (Kind::Float, 1e-5)] {
            for threshold in [Threshold::None, Threshold::Clip { range: 1.0 }] {
                let start = Tensor::randn([40, 2], (kind, Device::Cpu));
                let found = fan(&denoiser, &scheme, &coarse, &fine, &start, threshold).unwrap();
                assert_eq!((found.ends.len(), found.local.len()), (11, 10));
                let whole = &found.ends[10] - &found.ends[0];
                let sum = terms(&found).into_iter().reduce(|a, b| a + b).unwrap();
                let gap = largest(&(sum - &whole));
                assert!(gap <= relative * (1.0 + largest(&whole)), "{scheme:?} {kind:?}: {gap}");
                assert!(found.ends[0].kind() == kind && largest(&whole) > 1e-4, "{scheme:?}");
                // The end of the sampler is what the sampler gives by itself.
                let mut alone = sampler(&scheme, &coarse, ddpm_sample::Tolerance::default()).unwrap();
                let noise = ddpm_sample::NoiseInput::given(&start, None).unwrap();
                let mut batch = noise.batch(0..40, Device::Cpu).unwrap();
                let options = Options { threshold, ..Options::default() };
                let x = ddpm_sample::run(
                    &denoiser,
                    alone.as_mut(),
                    start.shallow_clone(),
                    &mut batch,
                    &options,
                    &mut |_| ControlFlow::Continue(()),
                )
                .unwrap()
                .x;
                assert!(x.equal(&found.ends[10]), "{scheme:?}");
            }
        }
    }
}

/// DDIM on N(0, s^2 I) along sigma = s tan(angle): each step shrinks the standard deviation by the cosine of its angle, and the flow from there on by
/// the known factor.
#[test]
fn on_a_gaussian_each_term_is_the_closed_form() {
    let law = Gaussian::new(vec![0.0; 3], Covariance::isotropic("var", 1.0, 3).unwrap()).unwrap();
    let target = GaussianTarget::new(&law, Device::Cpu).unwrap();
    let at = |n: usize| {
        let (low, high) = (0.002f64.atan(), 80f64.atan());
        let mut levels: Vec<Level> = (0..=n)
            .map(|i| (high + (low - high) * i as f64 / n as f64).tan())
            .map(|sigma| Level::variance_exploding(-2.0 * sigma.ln(), Time::Sigma(sigma)))
            .collect();
        levels.push(Level::CLEAN);
        Trajectory::of_levels(levels, Scale::VarianceExploding, None).unwrap()
    };
    let (n, refinement) = (5, 40);
    let (coarse, fine) = (at(n), at(n * refinement));
    let fine = refined(&coarse, &fine).unwrap();
    tch::manual_seed(1);
    let start = Tensor::randn([8, 3], (Kind::Double, Device::Cpu)) * 80.0;
    let found = fan(&target, &Scheme::ddim(0.0), &coarse, &fine, &start, Threshold::None).unwrap();
    let angle = (80f64.atan() - 0.002f64.atan()) / n as f64;
    let (step, chain) = (angle.cos(), (angle / refinement as f64).cos().powi(refinement as i32));
    // From sigma_max to the last level the exact flow scales by cos(angle_max)/cos(angle_min); each step has its cosine besides.
    let ratio = &found.ends[n + 1] / &found.ends[0];
    assert!(largest(&(ratio - (step / chain).powi(n as i32))) < 1e-10);
    for (k, term) in terms(&found).iter().enumerate().take(n) {
        let expected = &found.ends[0] * (step / chain).powi(k as i32) * (step / chain - 1.0);
        assert!(largest(&(term - &expected)) < 1e-10 * largest(&expected), "{k}");
    }
    // The last step, to data, is the same map in both: it costs nothing.
    assert!(largest(&terms(&found)[n]) < 1e-12);
}

#[test]
fn samplers_that_draw_and_grids_that_do_not_fit_are_refused() {
    let law = Gaussian::new(vec![0.0; 2], Covariance::isotropic("var", 0.3, 2).unwrap()).unwrap();
    let target = GaussianTarget::new(&law, Device::Cpu).unwrap();
    let start = Tensor::randn([4, 2], (Kind::Float, Device::Cpu));
    let (coarse, fine) = (trailing(10), trailing(100));
    let ancestral = Scheme::Ddpm { variance: ddpm_core::Variance::FixedSmall };
    let text = fan(&target, &ancestral, &coarse, &fine, &start, Threshold::None).unwrap_err().to_string();
    assert!(text.contains("deterministic"), "{text}");
    let text = fan(&target, &Scheme::ddim(0.0), &coarse, &trailing(7), &start, Threshold::None)
        .unwrap_err()
        .to_string();
    assert!(text.contains("every level of the sampler"), "{text}");
    assert_eq!(linear().steps(), 1000);
}
