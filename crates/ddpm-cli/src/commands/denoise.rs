//! `ddpm denoise`: one evaluation of a denoiser, from file to file.

use crate::cli::Global;
use crate::runtime;
use anyhow::{Context, Result, ensure};
use ddpm_core::{LinearMap, PredictionKind, TimeIndex};
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_nets::{NetworkDenoiser, tensor_file};
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

/// Evaluate a checkpoint's denoiser on given inputs
///
/// Reads `x` [n, ...] f32, `t` [n] i64 (0-based timesteps) and, for a class-conditional model, `y` [n] i64 from a safetensors file;
/// writes `eps` and `x0`, f32 of x's shape.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  ddpm denoise --checkpoint runs/digits/checkpoints/latest --input x.safetensors --output eps.safetensors"
)]
pub(crate) struct Denoise {
    /// A diffusers pipeline directory
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// Inputs
    #[arg(long, value_name = "FILE.safetensors")]
    input: PathBuf,
    /// Where the predictions go
    #[arg(long, value_name = "FILE.safetensors")]
    output: PathBuf,
    /// Rows evaluated at once
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    batch_size: i64,
}

impl Denoise {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let device = runtime::prepare(global.device, global.threads)?;
        let mut input = tensor_file::read(&self.input)?;
        let name = self.input.display().to_string();
        let mut take = |key: &str| input.remove(key);
        let x = take("x").with_context(|| format!("{name}: tensor x is missing"))?;
        let t = take("t").with_context(|| format!("{name}: tensor t is missing"))?;
        let y = take("y");
        ensure!(x.kind() == Kind::Float, "{name}: x must be f32, got {:?}", x.kind());
        ensure!(x.dim() == 4, "{name}: x must be [n, channels, height, width], got {:?}", x.size());
        let n = x.size()[0];
        for (key, tensor) in [("t", Some(&t)), ("y", y.as_ref())] {
            let Some(tensor) = tensor else { continue };
            ensure!(tensor.kind() == Kind::Int64, "{name}: {key} must be i64, got {:?}", tensor.kind());
            ensure!(tensor.size() == [n], "{name}: {key} must be [{n}], got {:?}", tensor.size());
        }

        let checkpoint = Checkpoint::load(&self.checkpoint, device)?;
        let times = times(&t, checkpoint.schedule.steps()).with_context(|| name.clone())?;
        let kind = checkpoint.scheduler.prediction();
        let (mut eps, mut x0) = (Vec::new(), Vec::new());
        let mut first = 0;
        while first < n {
            let count = self.batch_size.min(n - first);
            let part = |tensor: &Tensor| tensor.narrow(0, first, count).to_device(device);
            let rows = &times[first as usize..(first + count) as usize];
            let denoiser = NetworkDenoiser::new(&checkpoint.network, kind, y.as_ref().map(part));
            let x_t = part(&x);
            let value = denoiser.predict_at(&x_t, &part(&t))?.value;
            let to_x0 = rows
                .iter()
                .map(|&t| kind.to_x0(&checkpoint.schedule.level(t)))
                .collect::<Result<Vec<_>, _>>()?;
            let to_eps = rows
                .iter()
                .map(|&t| PredictionKind::Epsilon.from_x0(&checkpoint.schedule.level(t)))
                .collect::<Result<Vec<_>, _>>()?;
            let predicted = apply(&to_x0, &x_t, &value);
            let noise =
                if kind == PredictionKind::Epsilon { value } else { apply(&to_eps, &x_t, &predicted) };
            x0.push(predicted.to_device(Device::Cpu));
            eps.push(noise.to_device(Device::Cpu));
            first += count;
        }
        let join = |parts: &[Tensor]| if parts.is_empty() { x.copy() } else { Tensor::cat(parts, 0) };
        tensor_file::write(&self.output, [("eps", &join(&eps)), ("x0", &join(&x0))])?;
        Ok(())
    }
}

fn times(t: &Tensor, train_steps: usize) -> Result<Vec<TimeIndex>> {
    let values: Vec<i64> = Vec::try_from(t)?;
    values
        .into_iter()
        .map(|t| {
            ensure!(
                (0..train_steps as i64).contains(&t),
                "t must lie between 0 and {}, got {t}",
                train_steps - 1
            );
            Ok(TimeIndex(t as u32))
        })
        .collect()
}

/// Applies one linear map a row.
fn apply(maps: &[LinearMap], x_t: &Tensor, input: &Tensor) -> Tensor {
    let column =
        |values: Vec<f32>| Tensor::from_slice(&values).to_device(x_t.device()).reshape([-1, 1, 1, 1]);
    let of_x_t = column(maps.iter().map(|map| map.of_x_t as f32).collect());
    let of_input = column(maps.iter().map(|map| map.of_input as f32).collect());
    of_x_t * x_t + of_input * input
}
