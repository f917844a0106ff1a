//! The draws of a sampler's long steps as sums of the draws of its short ones.
//!
//! Two runs of a sampler that draws noise, with few steps and with many, differ in their noise as well as in their steps. Where the draw of a long
//! step is the normalized sum of the increments of the short steps within it, both follow the same path of the noise, and what is left of
//! their difference is that of the steps.

use ddpm_core::Step;
use std::sync::Arc;

/// For each draw of the long steps the draws of the short ones with their weights, whose squares sum to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct CoupledDraws(Arc<Vec<Vec<(u64, f64)>>>);

impl CoupledDraws {
    /// The coupling of two plans of one sampler. None unless each step draws at most once, and each long step that draws contains a short one
    /// that does.
    pub fn of(long: &[Step], short: &[Step]) -> Option<Self> {
        if long.iter().chain(short).any(|step| step.draws() > 1) {
            return None;
        }
        // The middle of each short step that draws, its draw, and the standard deviation of what it adds to x/alpha.
        let increments: Vec<(f64, u64, f64)> = short
            .iter()
            .filter(|step| step.draws() == 1)
            .zip(1u64..)
            .map(|(step, draw)| {
                let std = step.output.of_noise.first().map_or(0.0, |std| std.abs()) / step.to.alpha();
                (middle(step), draw, std)
            })
            .collect();
        let parts = |step: &Step| {
            let ends = [step.from.log_snr(), step.to.log_snr()];
            let own: Vec<(u64, f64)> = increments
                .iter()
                .filter(|(at, ..)| (ends[0]..ends[1]).contains(at))
                .map(|&(_, draw, std)| (draw, std))
                .collect();
            let norm = own.iter().map(|(_, std)| std * std).sum::<f64>().sqrt();
            (norm > 0.0 && norm.is_finite())
                .then(|| own.into_iter().map(|(draw, std)| (draw, std / norm)).collect())
        };
        let drawn = long.iter().filter(|step| step.draws() == 1);
        Some(CoupledDraws(Arc::new(drawn.map(parts).collect::<Option<_>>()?)))
    }

    /// The short steps' draws behind draw `draw` (from 1) of the long steps.
    pub(crate) fn parts(&self, draw: u64) -> Option<&[(u64, f64)]> {
        self.0.get(draw.checked_sub(1)? as usize).map(Vec::as_slice)
    }
}

/// A log-SNR within the step; the ends may be infinite.
fn middle(step: &Step) -> f64 {
    let (from, to) = (step.from.log_snr(), step.to.log_snr());
    match (from.is_finite(), to.is_finite()) {
        (true, true) => 0.5 * (from + to),
        (true, false) => from,
        (false, true) => to.next_down(),
        (false, false) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Noise, NoiseInput};
    use ddpm_core::{Grid, Schedule, Scheme, Trajectory, Variance};
    use tch::{Device, Kind};

    fn plan(steps: usize, scheme: Scheme) -> Vec<Step> {
        let schedule = Schedule::linear(1000).unwrap();
        let visited = Grid::Trailing.visit(&schedule, steps).unwrap();
        scheme.plan(&Trajectory::discrete(&schedule, &visited).unwrap()).unwrap()
    }

    #[test]
    fn every_short_draw_is_used_once_with_weights_of_norm_1() {
        let scheme = Scheme::Ddpm { variance: Variance::FixedLarge };
        let (long, short) = (plan(10, scheme), plan(200, scheme));
        let coupled = CoupledDraws::of(&long, &short).unwrap();
        let draws = |plan: &[Step]| plan.iter().filter(|step| step.draws() == 1).count() as u64;
        let mut used = Vec::new();
        for draw in 1..=draws(&long) {
            let parts = coupled.parts(draw).unwrap();
            assert!((parts.iter().map(|(_, weight)| weight * weight).sum::<f64>() - 1.0).abs() < 1e-12);
            used.extend(parts.iter().map(|(fine, _)| *fine));
        }
        // The last long step draws nothing: it leads to data.
        assert_eq!(used, (1..=used.len() as u64).collect::<Vec<_>>());
        assert!(used.len() as u64 <= draws(&short) && used.len() >= 180, "{}", used.len());
        assert!(coupled.parts(0).is_none() && coupled.parts(draws(&long) + 1).is_none());
        // Finer steps than the short ones cannot be coupled.
        assert!(CoupledDraws::of(&short, &long).is_none());
        let corrected = Scheme::PredictorCorrector { signal_to_noise: 0.16, corrections: 1 };
        let schedule = Schedule::linear(1000).unwrap();
        let visited = Grid::Trailing.visit(&schedule, 10).unwrap();
        if let Ok(plan) = corrected.plan(&Trajectory::discrete(&schedule, &visited).unwrap()) {
            assert!(CoupledDraws::of(&plan, &plan).is_none());
        }
    }

    #[test]
    fn coupled_draws_are_standard_normal_and_follow_the_short_ones() {
        let scheme = Scheme::Ddpm { variance: Variance::FixedLarge };
        let coupled = CoupledDraws::of(&plan(5, scheme), &plan(100, scheme));
        let keyed = NoiseInput::keyed(1, &[4096]);
        let mut short = keyed.batch(0..1, Device::Cpu).unwrap();
        let mut long =
            NoiseInput::keyed(1, &[4096]).coupled(coupled.clone()).batch(0..1, Device::Cpu).unwrap();
        let z = long.draw().unwrap();
        assert!((z.square().mean(Kind::Double).double_value(&[]) - 1.0).abs() < 0.1);
        let mut sum = z.zeros_like();
        for &(_, weight) in coupled.unwrap().parts(1).unwrap() {
            sum += short.draw().unwrap() * weight;
        }
        assert!((sum - z).abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn noised_data_and_normal_starts_are_paired() {
        let data = tch::Tensor::randn([3, 4], (Kind::Float, Device::Cpu));
        let level = ddpm_core::Level::variance_preserving(-2.0, ddpm_core::Time::Continuous(0.9));
        let start = |input: &NoiseInput| input.batch(2..5, Device::Cpu).unwrap().start(&level).unwrap();
        let (plain, noised) = (start(&NoiseInput::keyed(7, &[4])), start(&NoiseInput::noised(7, &data)));
        let rows = data.index_select(0, &tch::Tensor::from_slice(&[2i64, 0, 1]));
        let expected = plain * (level.sigma() / level.prior_std()) + rows * level.alpha();
        assert!((noised - expected).abs().max().double_value(&[]) < 1e-6);
    }
}
