//! Terms of the variational bound for the rows of a batch. The formulas are in [`ddpm_core::bound`].

use crate::{NetsError, per_row};
use ddpm_core::{BoundStep, StepVariance};
use tch::{Kind, Tensor};

/// The end of an unbounded bin in standard deviations: all probability lies within it, and gradients stay finite.
const OPEN: f64 = 1e6;

/// A prediction for a batch, all of x_0's shape.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The predicted x_0.
    pub x0: &'a Tensor,
    /// The output for a learned variance.
    pub variance_output: Option<&'a Tensor>,
}

/// The term of every row `[n]`: L_{t-1}, or L_0 where the step leads to data of `grey_levels` values evenly spaced in [-1, 1].
///
/// `steps` has an entry a row of x_0 [n, ...].
pub fn terms(
    steps: &[BoundStep],
    x0: &Tensor,
    answer: &Answer<'_>,
    grey_levels: u16,
) -> Result<Tensor, NetsError> {
    let rows = Rows::new(steps, x0, answer)?;
    Ok(rows.split(
        |rows| {
            let gap = rows.per_row(|step| step.log_posterior) - &rows.log_variance;
            rows.mean(&((gap.expm1() - gap + rows.precision_weighted(&rows.mean_error())) * 0.5))
        },
        |rows| rows.mean(&rows.decoder(grey_levels)),
    ))
}

/// -log p(x_s | x_t) of every row `[n]` for x_s = posterior mean + sqrt(post) z: plain Gaussian regression of the state before on the state
/// after, whose minimizer is the mean and the variance of x_s given x_t. At the step to data it is L_0 as in [`terms`].
///
/// `z` is standard normal noise of x_0's shape. Its expectation over z is [`terms`] and a constant, the posterior's entropy.
pub fn regression(
    steps: &[BoundStep],
    x0: &Tensor,
    answer: &Answer<'_>,
    z: &Tensor,
    grey_levels: u16,
) -> Result<Tensor, NetsError> {
    let rows = Rows::new(steps, x0, answer)?;
    Ok(rows.split(
        |rows| {
            let z = rows.select(z);
            let distance = rows.mean_error() + rows.per_row(|step| step.posterior.variance.sqrt()) * z;
            let constant = std::f64::consts::TAU.ln();
            rows.mean(&((rows.precision_weighted(&distance) + &rows.log_variance + constant) * 0.5))
        },
        |rows| rows.mean(&rows.decoder(grey_levels)),
    ))
}

/// Rows of a batch with their steps.
struct Rows {
    steps: Vec<BoundStep>,
    /// Their numbers in the whole batch.
    numbers: Vec<i64>,
    x0: Tensor,
    predicted: Tensor,
    /// The model's log variance, of x_0's shape or [n, 1, ...].
    log_variance: Tensor,
}

impl Rows {
    fn new(steps: &[BoundStep], x0: &Tensor, answer: &Answer<'_>) -> Result<Self, NetsError> {
        let n = x0.size().first().copied().unwrap_or(0);
        if steps.len() as i64 != n {
            return Err(NetsError::input("steps of the bound", format_args!("{n}, one a row"), steps.len()));
        }
        let at_zero = per_row(steps.iter().map(|step| step.model.log(0.0)), x0);
        let learned = steps.iter().any(|step| matches!(step.model, StepVariance::Learned(_)));
        let log_variance = match answer.variance_output {
            // The log variance is linear in the output.
            Some(output) if learned => {
                let per_unit = steps.iter().map(|step| step.model.log(1.0) - step.model.log(0.0));
                at_zero + output * per_row(per_unit, x0)
            }
            None if learned => {
                let (expected, got) = ("twice the output channels", "no learned variance");
                return Err(NetsError::input("a learned variance", expected, got));
            }
            _ => at_zero,
        };
        Ok(Rows {
            steps: steps.to_vec(),
            numbers: (0..n).collect(),
            x0: x0.shallow_clone(),
            predicted: answer.x0.shallow_clone(),
            log_variance,
        })
    }

    /// The results `[n]` of two functions, one of the rows between noise levels and one of those to data.
    fn split(&self, between: impl Fn(&Rows) -> Tensor, to_data: impl Fn(&Rows) -> Tensor) -> Tensor {
        let part = |wanted: bool| -> Vec<i64> {
            self.numbers.iter().copied().filter(|&i| self.steps[i as usize].to_data == wanted).collect()
        };
        let (noisy, data) = (part(false), part(true));
        if data.is_empty() {
            return between(self);
        }
        let mut joined = Tensor::zeros([self.numbers.len() as i64], (Kind::Float, self.x0.device()));
        for (numbers, values) in [
            (&noisy, (!noisy.is_empty()).then(|| between(&self.only(noisy.clone())))),
            (&data, Some(to_data(&self.only(data.clone())))),
        ] {
            if let Some(values) = values {
                let numbers = Tensor::from_slice(numbers).to_device(self.x0.device());
                joined = joined.index_copy(0, &numbers, &values.to_kind(Kind::Float));
            }
        }
        joined
    }

    fn only(&self, numbers: Vec<i64>) -> Rows {
        let index = Tensor::from_slice(&numbers).to_device(self.x0.device());
        let of = |tensor: &Tensor| tensor.index_select(0, &index);
        Rows {
            steps: numbers.iter().map(|&i| self.steps[i as usize]).collect(),
            x0: of(&self.x0),
            predicted: of(&self.predicted),
            log_variance: of(&self.log_variance),
            numbers,
        }
    }

    /// These rows of a tensor of the whole batch.
    fn select(&self, whole: &Tensor) -> Tensor {
        if whole.size()[0] == self.numbers.len() as i64 {
            return whole.shallow_clone();
        }
        whole.index_select(0, &Tensor::from_slice(&self.numbers).to_device(whole.device()))
    }

    fn per_row(&self, value: impl Fn(&BoundStep) -> f64) -> Tensor {
        per_row(self.steps.iter().map(value), &self.x0)
    }

    /// The posterior's mean less the model's: b (x_0 - D).
    fn mean_error(&self) -> Tensor {
        (&self.x0 - &self.predicted) * self.per_row(|step| step.posterior.of_x0)
    }

    /// distance^2/v.
    fn precision_weighted(&self, distance: &Tensor) -> Tensor {
        distance.square() * (-&self.log_variance).exp()
    }

    fn mean(&self, values: &Tensor) -> Tensor {
        let n = self.x0.size()[0];
        values.expand_as(&self.x0).reshape([n, -1]).mean_dim([1i64].as_slice(), false, values.kind())
    }

    /// -log(Phi(high) - Phi(low)) of every component's bin (Ho et al. 2020, eq. 13), in f64 also in the tails.
    fn decoder(&self, grey_levels: u16) -> Tensor {
        let half_width = 1.0 / (f64::from(grey_levels.max(2)) - 1.0);
        let x = self.x0.to_kind(Kind::Double);
        let inverse_std = (self.log_variance.to_kind(Kind::Double) * -0.5).exp();
        let centred = &x - self.predicted.to_kind(Kind::Double);
        let low = ((&centred - half_width) * &inverse_std)
            .where_self(&x.gt(-1.0 + half_width), &x.full_like(-OPEN));
        let high =
            ((&centred + half_width) * &inverse_std).where_self(&x.lt(1.0 - half_width), &x.full_like(OPEN));
        // Mirrored so that the interval lies towards the lower tail, where Phi keeps its digits.
        let upper = (&low + &high).gt(0.0);
        let (low, high) = ((-&high).where_self(&upper, &low), (-&low).where_self(&upper, &high));
        let (log_high, log_low) = (high.special_log_ndtr(), low.special_log_ndtr());
        // log(1 - e^d) with d < 0; the smallest bins that f64 resolves.
        let difference = (&log_low - &log_high).clamp_max(-1e-15);
        -(log_high + (-difference.expm1()).log())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::bound_steps;
    use ddpm_core::decomposition::Decoder;
    use ddpm_core::{Schedule, Variance};
    use tch::Device;

    fn random(shape: &[i64], seed: i64) -> Tensor {
        tch::manual_seed(seed);
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    /// Rows at levels 0, 1, 9 and 19 of a cosine schedule of 20.
    fn batch(variance: Variance) -> (Vec<BoundStep>, Tensor, Tensor, Tensor) {
        let schedule = Schedule::cosine(20).unwrap();
        let all = bound_steps(&schedule, variance, None).unwrap();
        let grey = (random(&[4, 3, 2, 2], 1).clamp(-1.0, 1.0) * 127.5 + 127.5).round() / 127.5 - 1.0;
        let predicted = &grey + random(&[4, 3, 2, 2], 2) * 0.1;
        ([0usize, 1, 9, 19].map(|t| all[t]).to_vec(), grey, predicted, random(&[4, 3, 2, 2], 3).tanh())
    }

    #[test]
    fn rows_agree_with_the_scalar_formulas() {
        for variance in
            [Variance::FixedSmall, Variance::FixedLarge, Variance::LearnedRange, Variance::Learned]
        {
            let (steps, x0, predicted, fraction) = batch(variance);
            let answer = Answer { x0: &predicted, variance_output: Some(&fraction) };
            let got = terms(&steps, &x0, &answer, 256).unwrap();
            for (row, step) in steps.iter().enumerate() {
                let value = |tensor: &Tensor, i: i64| tensor.get(row as i64).reshape([-1]).double_value(&[i]);
                let expected: f64 = (0..12)
                    .map(|i| {
                        let (x, mean, f) = (value(&x0, i), value(&predicted, i), value(&fraction, i));
                        if step.to_data {
                            return Decoder::new(256, step.model.log(f).exp()).unwrap().nats(x, mean);
                        }
                        step.divergence(x - mean, f)
                    })
                    .sum::<f64>()
                    / 12.0;
                let got = got.double_value(&[row as i64]);
                assert!(
                    (got - expected).abs() < 2e-5 * (1.0 + expected.abs()),
                    "{variance} {row}: {got} {expected}"
                );
            }
        }
    }

    #[test]
    fn regression_costs_the_divergence_and_the_posteriors_entropy() {
        let (steps, x0, predicted, fraction) = batch(Variance::LearnedRange);
        let answer = Answer { x0: &predicted, variance_output: Some(&fraction) };
        let divergence = terms(&steps, &x0, &answer, 256).unwrap();
        let draws = 4000;
        let mut sum = Tensor::zeros([4], (Kind::Double, Device::Cpu));
        for draw in 0..draws {
            sum += regression(&steps, &x0, &answer, &random(&[4, 3, 2, 2], 10 + draw), 256).unwrap();
        }
        let mean = sum / draws as f64;
        assert!((mean.double_value(&[0]) - divergence.double_value(&[0])).abs() < 1e-4, "the same L_0");
        for (row, step) in steps.iter().enumerate().skip(1) {
            let entropy = 0.5 * (step.log_posterior + (std::f64::consts::TAU * std::f64::consts::E).ln());
            let excess = mean.double_value(&[row as i64]) - divergence.double_value(&[row as i64]) - entropy;
            assert!(excess.abs() < 0.05, "{row}: {excess}");
        }
    }

    #[test]
    fn gradients_are_finite_in_every_bin() {
        let schedule = Schedule::linear(100).unwrap();
        let step = bound_steps(&schedule, Variance::LearnedRange, None).unwrap()[0];
        let x0 = Tensor::from_slice(&[-1f32, 1.0, 0.0, 1.0]).reshape([1, 4]);
        // Means right in the bin, far off, and beyond the ends.
        let mean = Tensor::from_slice(&[-1.2f32, 1.0, 0.9, -1.0]).reshape([1, 4]).set_requires_grad(true);
        let fraction = Tensor::from_slice(&[-1f32, 1.0, 0.3, -2.0]).reshape([1, 4]).set_requires_grad(true);
        let answer = Answer { x0: &mean, variance_output: Some(&fraction) };
        let loss = terms(&[step], &x0, &answer, 256).unwrap().sum(Kind::Float);
        loss.backward();
        for grad in [mean.grad(), fraction.grad()] {
            assert!(grad.isfinite().all().int64_value(&[]) == 1, "{grad}");
        }
        // A finite difference of the worst-placed mean.
        let at = |shift: f64| {
            let mean = mean.detach() + Tensor::from_slice(&[0f32, 0.0, 1.0, 0.0]).reshape([1, 4]) * shift;
            let answer = Answer { x0: &mean, variance_output: Some(&fraction.detach()) };
            terms(&[step], &x0, &answer, 256).unwrap().double_value(&[0])
        };
        let difference = (at(1e-3) - at(-1e-3)) / 2e-3;
        let gradient = mean.grad().double_value(&[0, 2]);
        assert!((difference / gradient - 1.0).abs() < 1e-2, "{difference} {gradient}");
    }

    #[test]
    fn a_missing_variance_and_a_wrong_number_of_rows_are_named() {
        let (steps, x0, predicted, _) = batch(Variance::LearnedRange);
        let answer = Answer { x0: &predicted, variance_output: None };
        let text = |result: Result<Tensor, NetsError>| result.unwrap_err().to_string();
        assert!(text(terms(&steps, &x0, &answer, 256)).contains("learned variance"));
        assert!(text(terms(&steps[..2], &x0, &answer, 256)).contains("expected 4, one a row"));
    }
}
