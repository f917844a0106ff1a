//! `ddpm denoise`: a denoiser evaluated on the tensors of a file.

use crate::checkpoints::{load_images, load_vectors};
use crate::given::Given;
use crate::global_options::Global;
use crate::noising_options::NoisingOptions;
use crate::numbers::count;
use crate::output;
use crate::progress::Progress;
use crate::runtime::{self, NOTHING_WRITTEN, StopFlag};
use crate::target_file;
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::{LinearMap, Noising, PredictionKind, Schedule, TimeIndex};
use ddpm_nets::checkpoint::VectorCheckpoint;
use ddpm_nets::targets::ideal_denoiser;
use ddpm_nets::{Denoiser, NetworkDenoiser, NoiseLevels, Prediction, ScoreDenoiser, tensor_file};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Evaluate a checkpoint's or a closed-form target's denoiser on given inputs
///
/// Reads `x` [n, ...] f32, `t` [n] i64 (0-based timesteps) and, for a class-conditional model, `y` [n] i64 from a safetensors file;
/// writes `eps` and `x0`, f32 of x's shape, and for an energy-based network `energy` [n], whose negative gradient in x is the score. A target's x is
/// [n, d].
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm denoise --checkpoint runs/digits/checkpoints/latest --input x.safetensors --output eps.safetensors
  ddpm denoise --target mixture.json --schedule cosine --train-steps 1000 --input x.safetensors --output eps.safetensors")]
pub(crate) struct Denoise {
    /// A diffusers pipeline directory
    #[arg(long, value_name = "DIR", required_unless_present = "target", conflicts_with = "target")]
    checkpoint: Option<PathBuf>,
    /// A closed-form target
    #[arg(long, value_name = "FILE.json")]
    target: Option<PathBuf>,
    /// Inputs
    #[arg(long, value_name = "FILE.safetensors")]
    input: PathBuf,
    /// The file of the predictions
    #[arg(long, value_name = "FILE.safetensors")]
    output: PathBuf,
    /// Rows evaluated at once by a network
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = count)]
    batch_size: usize,
    #[command(flatten)]
    noising: NoisingOptions,
}

/// What is written, f32 on the CPU.
struct Answer {
    /// Of x's shape.
    eps: Tensor,
    /// Of x's shape.
    x0: Tensor,
    /// `[n]`, up to a constant for each timestep.
    energy: Option<Tensor>,
}

/// The inputs: rows x [n, ...], their timesteps `[n]`, and classes `[n]`.
struct Input {
    name: String,
    x: Tensor,
    t: Tensor,
    y: Option<Tensor>,
}

impl Input {
    fn read(path: &Path) -> Result<Self> {
        let mut tensors = tensor_file::read(path)?;
        let name = path.display().to_string();
        let mut take = |key: &str| tensors.remove(key);
        let x = take("x").with_context(|| format!("{name}: tensor x is missing"))?;
        let t = take("t").with_context(|| format!("{name}: tensor t is missing"))?;
        let y = take("y");
        ensure!(x.kind() == Kind::Float, "{name}: x must be f32, got {:?}", x.kind());
        ensure!(x.dim() >= 2, "{name}: x must be [n, ...], got {:?}", x.size());
        ensure!(is_finite(&x)?, "{name}: x must be finite, got NaN or infinity");
        let n = x.size()[0];
        for (key, tensor) in [("t", Some(&t)), ("y", y.as_ref())] {
            let Some(tensor) = tensor else { continue };
            ensure!(tensor.kind() == Kind::Int64, "{name}: {key} must be i64, got {:?}", tensor.kind());
            ensure!(tensor.size() == [n], "{name}: {key} must be [{n}], got {:?}", tensor.size());
        }
        Ok(Input { name, x, t, y })
    }

    /// The timesteps, each below `train_steps`.
    fn times(&self, train_steps: usize) -> Result<Vec<TimeIndex>> {
        times(&self.t, train_steps).with_context(|| self.name.clone())
    }
}

impl Denoise {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let given = &global.given;
        given.refuse(&["seed"], "on ddpm denoise, which draws nothing at random")?;
        if self.checkpoint.is_some() {
            given.refuse_group::<NoisingOptions>("with --checkpoint, which has its own noising process")?;
        } else {
            given.refuse(
                &["process"],
                "with ddpm denoise, whose inputs have timesteps of a schedule; use --schedule",
            )?;
            given
                .refuse(&["batch_size"], "with --target, whose rows are evaluated one timestep at a time")?;
        }
        output::check_files(
            &[("--output", Some(&self.output))],
            &[("--input", Some(&self.input)), ("--target", self.target.as_deref())],
        )?;
        let device = runtime::prepare(global.device, global.threads)?;
        let input = Input::read(&self.input)?;
        let Answer { eps, x0, energy } =
            StopFlag::install()?.abandonable(NOTHING_WRITTEN, || match (&self.target, &self.checkpoint) {
                (Some(path), _) => self.of_target(path, &input, given, device),
                (None, Some(dir)) => self.of_checkpoint(dir, &input, given, device),
                (None, None) => bail!("--checkpoint or --target is needed"),
            })?;
        let energy = energy.as_ref().map(|energy| ("energy", energy));
        let answers: Vec<(&str, &Tensor)> = [("eps", &eps), ("x0", &x0)].into_iter().chain(energy).collect();
        for (key, tensor) in &answers {
            ensure!(
                is_finite(tensor)?,
                "{key} of the denoiser is NaN or infinite for {}: nothing is written",
                input.name
            );
        }
        Ok(tensor_file::write(&self.output, answers)?)
    }

    /// eps and x_0 of a closed-form target, evaluated in f64.
    fn of_target(&self, path: &Path, input: &Input, given: &Given, device: Device) -> Result<Answer> {
        let Noising::Discrete(schedule) = self.noising.build(given)? else {
            bail!("--process has no timesteps; use --schedule")
        };
        let target = target_file::read(path)?;
        let name = &input.name;
        ensure!(input.y.is_none(), "{name}: y was given, but a target has no classes");
        ensure!(
            input.x.size()[1..] == [target.dim() as i64],
            "{name}: x must be [n, {}] like the target, got {:?}",
            target.dim(),
            input.x.size()
        );
        let times = input.times(schedule.steps())?;
        let denoiser = ideal_denoiser(&target, device)?;
        let x = input.x.to_device(device).to_kind(Kind::Double);
        by_time(denoiser.as_ref(), &schedule, &times, &x)
    }

    /// eps and x_0 of a checkpoint's network.
    fn of_checkpoint(&self, dir: &Path, input: &Input, given: &Given, device: Device) -> Result<Answer> {
        let Input { name, x, y, .. } = input;
        let n = x.size()[0];
        if VectorCheckpoint::is_at(dir)? {
            given.refuse(
                &["batch_size"],
                "on a network on vectors, whose rows are evaluated one timestep at a time",
            )?;
            return of_vectors(dir, input, device);
        }
        ensure!(x.dim() == 4, "{name}: x must be [n, channels, height, width], got {:?}", x.size());
        let checkpoint = load_images(dir, device)?;
        let times = input.times(checkpoint.scheduler.schedule().steps())?;
        let (mut eps, mut x0) = (Vec::new(), Vec::new());
        let mut first = 0;
        let mut progress = Progress::new("denoise", "rows", 0, n as u64);
        while first < n {
            let count = (self.batch_size as i64).min(n - first);
            let part = |tensor: &Tensor| tensor.narrow(0, first, count).to_device(device);
            let rows =
                checkpoint.scheduler.schedule().visited(&times[first as usize..(first + count) as usize])?;
            let parameterization = checkpoint.scheduler.parameterization();
            let denoiser = NetworkDenoiser::new(&checkpoint.network, parameterization, y.as_ref().map(part));
            let x_t = part(x);
            let Prediction { kind, value, .. } = denoiser.predict_rows(&x_t, &rows)?;
            let to_x0 = rows.iter().map(|level| kind.to_x0(level)).collect::<Result<Vec<_>, _>>()?;
            let to_eps = rows
                .iter()
                .map(|level| PredictionKind::Epsilon.from_x0(level))
                .collect::<Result<Vec<_>, _>>()?;
            let predicted = apply(&to_x0, &x_t, &value);
            let noise =
                if kind == PredictionKind::Epsilon { value } else { apply(&to_eps, &x_t, &predicted) };
            x0.push(predicted.to_device(Device::Cpu));
            eps.push(noise.to_device(Device::Cpu));
            first += count;
            progress.set(first as u64, String::new);
        }
        let join = |parts: &[Tensor]| if parts.is_empty() { x.copy() } else { Tensor::cat(parts, 0) };
        Ok(Answer { eps: join(&eps), x0: join(&x0), energy: None })
    }
}

/// eps and x_0 of a network on vectors that was trained on a schedule.
fn of_vectors(dir: &Path, input: &Input, device: Device) -> Result<Answer> {
    let name = &input.name;
    ensure!(input.y.is_none(), "{name}: y was given, but a network on vectors has no classes");
    let checkpoint = load_vectors(dir, device)?;
    let Noising::Discrete(schedule) = &checkpoint.noising else {
        bail!("{}: trained in continuous time, which has no timesteps t; use ddpm sample", dir.display())
    };
    let times = input.times(schedule.steps())?;
    let x = input.x.to_device(device);
    let answer = by_time(&ScoreDenoiser(&checkpoint.network), schedule, &times, &x)?;
    let levels = times.iter().map(|&t| schedule.level(t)).collect::<Vec<_>>();
    let energy = torch_ext::fence(|| checkpoint.network.energy(&x, &NoiseLevels::new(&levels, device)))?;
    let energy =
        energy.map(|energy| torch_ext::fence(|| energy.detach().to_device(Device::Cpu))).transpose()?;
    Ok(Answer { energy, ..answer })
}

/// eps and x_0, f32 on the CPU, of a denoiser that takes one level at a time.
fn by_time(denoiser: &dyn Denoiser, schedule: &Schedule, times: &[TimeIndex], x: &Tensor) -> Result<Answer> {
    let (mut eps, mut x0) = (x.zeros_like(), x.zeros_like());
    for (t, rows) in rows_by_time(times) {
        let (level, rows) = (schedule.level(t), Tensor::from_slice(&rows).to_device(x.device()));
        let x_t = x.index_select(0, &rows);
        let prediction = denoiser.predict(&x_t, &level)?;
        let _ = eps.index_copy_(0, &rows, &prediction.epsilon(&x_t, &level)?);
        let _ = x0.index_copy_(0, &rows, &prediction.x0(&x_t, &level)?);
    }
    let single = |tensor: &Tensor| tensor.to_kind(Kind::Float).to_device(Device::Cpu);
    Ok(Answer { eps: single(&eps), x0: single(&x0), energy: None })
}

/// Whether every number is finite.
fn is_finite(x: &Tensor) -> Result<bool> {
    Ok(torch_ext::fence(|| x.isfinite().all().int64_value(&[]) == 1)?)
}

/// The rows of each timestep.
fn rows_by_time(times: &[TimeIndex]) -> BTreeMap<TimeIndex, Vec<i64>> {
    let mut rows: BTreeMap<TimeIndex, Vec<i64>> = BTreeMap::new();
    for (row, &t) in times.iter().enumerate() {
        rows.entry(t).or_default().push(row as i64);
    }
    rows
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
