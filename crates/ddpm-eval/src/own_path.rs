//! Moments of the states that a sampler visits, beside those of noised data at the same levels.
//!
//! The network was trained on the latter. With an ideal denoiser on noised data E|eps*|^2 = d - snr mmse, and the total variance of D* is
//! tr Cov(x_0) - mmse. On the path both also have the errors of the start and of the steps.

use crate::EvalError;
use ddpm_core::Level;
use ddpm_core::interval::{CONFIDENCE, Estimate, Interval};
use ddpm_report::results::StateMoments;
use tch::{Kind, Tensor};

/// The leading principal axes of data.
#[derive(Debug)]
pub struct PrincipalAxes {
    /// [k, d] f64 on the CPU, orthonormal rows.
    axes: Tensor,
    /// Share of the variance along each.
    pub shares: Vec<f64>,
}

impl PrincipalAxes {
    /// At most `count` leading axes of data x_0 [n, ...].
    pub fn of(x0: &Tensor, count: i64) -> Result<Self, EvalError> {
        let rows = rows(x0)?;
        let (values, axes) = torch_ext::fence(|| {
            let centred = &rows - rows.mean_dim([0i64].as_slice(), true, Kind::Double);
            // The axes are the right singular vectors.
            let (_, values, vectors) = centred.svd(true, true);
            let squares = values.square();
            let count = count.min(squares.size()[0]);
            let shares = (&squares / squares.sum(Kind::Double)).narrow(0, 0, count);
            (shares, vectors.tr().narrow(0, 0, count).contiguous())
        })?;
        Ok(PrincipalAxes { axes, shares: Vec::try_from(values).map_err(torch_ext::TorchError::from)? })
    }
}

/// The moments of states x_t [n, ...] at `level` and of the predicted x_0 there.
pub fn state_moments(
    x_t: &Tensor,
    x0: &Tensor,
    level: &Level,
    axes: &PrincipalAxes,
) -> Result<StateMoments, EvalError> {
    let (x_t, x0) = (rows(x_t)?, rows(x0)?);
    let mean_square = |x: &Tensor| x.square().mean_dim([1i64].as_slice(), false, Kind::Double);
    let centred = |x: &Tensor| x - x.mean_dim([0i64].as_slice(), true, Kind::Double);
    // The mean of n rows takes a share 1/n of the variance with it.
    let n = x_t.size()[0] as f64;
    let unbiased = n / (n - 1.0).max(1.0);
    let (variance, epsilon, x0_variance, along) = torch_ext::fence(|| {
        let epsilon = (&x_t - &x0 * level.alpha()) / level.sigma();
        let along = centred(&x_t).matmul(&axes.axes.tr()).square();
        (mean_square(&centred(&x_t)), mean_square(&epsilon), mean_square(&centred(&x0)), along)
    })?;
    let interval = |values: &Tensor, factor: f64| -> Result<Interval, EvalError> {
        let values: Vec<f64> = Vec::try_from(values.contiguous()).map_err(torch_ext::TorchError::from)?;
        let Estimate { mean, stderr, n } = Estimate::of(values.iter().copied())?;
        Ok(Estimate { mean: factor * mean, stderr: factor * stderr, n }.interval(CONFIDENCE))
    };
    let along_axes = (0..along.size()[1])
        .map(|axis| interval(&along.select(1, axis), unbiased))
        .collect::<Result<_, EvalError>>()?;
    Ok(StateMoments {
        variance: interval(&variance, unbiased)?,
        squared_epsilon: interval(&epsilon, 1.0)?,
        x0_variance: interval(&x0_variance, unbiased)?,
        along_axes,
    })
}

/// Root mean square, over components, of the difference of two sets' means.
pub fn mean_distance(a: &Tensor, b: &Tensor) -> Result<f64, EvalError> {
    let mean = |x: &Tensor| -> Result<Tensor, EvalError> {
        Ok(torch_ext::fence(|| x.mean_dim([0i64].as_slice(), false, Kind::Double))?)
    };
    let (a, b) = (mean(&rows(a)?)?, mean(&rows(b)?)?);
    Ok(torch_ext::fence(|| (a - b).square().mean(Kind::Double).sqrt().double_value(&[]))?)
}

/// [n, d] f64 on the CPU.
fn rows(x: &Tensor) -> Result<Tensor, EvalError> {
    let size = x.size();
    if size.len() < 2 || size[0] < 2 {
        return Err(EvalError::mismatch("states", "[n, ...] with n of at least 2", format!("{size:?}")));
    }
    Ok(torch_ext::fence(|| x.reshape([size[0], -1]).to_device(tch::Device::Cpu).to_kind(Kind::Double))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ddpm_core::recursion::{GaussianDenoiser, Start, sample_law};
    use ddpm_core::targets::{Covariance, Gaussian};
    use ddpm_core::{Grid, Schedule, Scheme, Trajectory, Variance};
    use ddpm_nets::Denoiser;
    use ddpm_nets::targets::GaussianTarget;
    use ddpm_sample::{NoiseInput, Options, Record, sample};
    use std::ops::ControlFlow;
    use tch::Device;

    /// On a Gaussian with its ideal denoiser both sides are known at every level.
    #[test]
    fn moments_on_a_gaussian_are_those_of_the_recursion() {
        let eigenvalues = vec![2.0, 0.5, 0.05];
        let law = Gaussian::new(vec![0.3, -0.2, 0.0], Covariance::Diagonal(eigenvalues)).unwrap();
        let target = GaussianTarget::new(&law, Device::Cpu).unwrap();
        let schedule = Schedule::linear(1000).unwrap();
        let visited = Grid::Trailing.visit(&schedule, 20).unwrap();
        let trajectory = Trajectory::discrete(&schedule, &visited).unwrap();
        let scheme = Scheme::Ddpm { variance: Variance::FixedSmall };
        let n = 20_000;
        let mut noise = NoiseInput::keyed(2, &[3]).batch(0..n, Device::Cpu).unwrap();
        let record = Record { frames: 20, images: n as usize };
        let options = Options { record, ..Options::default() };
        let found =
            sample(&target, &scheme, &trajectory, &mut noise, &options, &mut |_| ControlFlow::Continue(()))
                .unwrap();
        let source = ddpm_core::noise::NoiseSource::new(4, ddpm_core::noise::Purpose::Target);
        let rows: Vec<f64> = (0..n).flat_map(|image| law.sample(&source, image)).collect();
        let data = Tensor::from_slice(&rows).reshape([n as i64, 3]);
        let axes = PrincipalAxes::of(&data, 2).unwrap();
        assert!((axes.shares[0] - 2.0 / 2.55).abs() < 0.02 && axes.shares.len() == 2, "{:?}", axes.shares);
        let exact = GaussianDenoiser::new(&law, 0.0);
        let plan = scheme.plan(&trajectory).unwrap();
        for (k, frame) in found.frames.iter().enumerate() {
            let on_path = state_moments(&frame.x_t, &frame.x0, &frame.level, &axes).unwrap();
            let moments = sample_law(&exact, &trajectory, &plan[..k], Start::Prior);
            let expected: f64 = moments.iter().map(|m| m.variance).sum::<f64>() / 3.0;
            let [low, high] = on_path.variance.ends();
            assert!(
                (on_path.variance.value - expected).abs() < high - low,
                "{k}: {:?} {expected}",
                on_path.variance
            );
            let first = moments[0].variance;
            assert!(
                (on_path.along_axes[0].value / first - 1.0).abs() < 0.06,
                "{k}: {:?} {first}",
                on_path.along_axes
            );
            // On noised data: E|eps*|^2 = d - snr mmse, and the variance of D* is that of the data less mmse.
            let eps = Tensor::randn([n as i64, 3], (Kind::Double, Device::Cpu));
            let x_t = &data * frame.level.alpha() + eps * frame.level.sigma();
            let x0 = target.predict(&x_t, &frame.level).unwrap().x0(&x_t, &frame.level).unwrap();
            let on_data = state_moments(&x_t, &x0, &frame.level, &axes).unwrap();
            let mmse = law.mmse(&frame.level);
            let norm = 1.0 - frame.level.snr() * mmse / 3.0;
            assert!(
                (on_data.squared_epsilon.value - norm).abs() < 0.02,
                "{k}: {:?} {norm}",
                on_data.squared_epsilon
            );
            let spread = (2.55 - mmse) / 3.0;
            assert!(
                (on_data.x0_variance.value - spread).abs() < 0.03,
                "{k}: {:?} {spread}",
                on_data.x0_variance
            );
            assert!(mean_distance(&frame.x_t, &x_t).unwrap() < 0.1);
        }
    }
}
