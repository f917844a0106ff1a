//! `ddpm sample`: images from a checkpoint.

use crate::cli::Global;
use crate::pipeline::{Job, TRAJECTORY, image_shape, own_variance, pictures, sample_checkpoint};
use crate::runtime::{self, StopFlag};
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::Variance;
use ddpm_core::grid::Grid;
use ddpm_core::scheme::{SAMPLERS, SamplerInfo, Scheme};
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_nets::tensor_file;
use ddpm_sample::{NoiseInput, Record, Samples};
use std::path::{Path, PathBuf};

/// Sample images from a checkpoint
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm sample --checkpoint runs/digits/checkpoints/latest --num 64 --out grid.png
  ddpm sample --checkpoint DIR --sampler ddim --steps 50 --num 1000 --out images/
  ddpm sample --checkpoint DIR --noise noise.safetensors --out samples.safetensors
Image i gets the same noise whatever --batch-size is.")]
pub(crate) struct Sample {
    /// A diffusers pipeline directory
    #[arg(long, value_name = "DIR", required_unless_present = "list_samplers")]
    checkpoint: Option<PathBuf>,
    /// The sampler
    #[arg(long, default_value = "ddpm", value_name = "NAME")]
    sampler: String,
    /// Noise levels visited
    #[arg(long, default_value_t = 1000, value_name = "N")]
    steps: usize,
    /// Number of images [default: 64, or as many as --noise holds]
    #[arg(long, value_name = "N")]
    num: Option<u64>,
    /// Variance of ddpm's steps: fixed-small, fixed-large, analytic or learned-range [default: the checkpoint's]
    #[arg(long, value_name = "KIND")]
    variance: Option<Variance>,
    /// Stochasticity of ddim: 0 deterministic, 1 ancestral [default: 0]
    #[arg(long, value_name = "ETA")]
    eta: Option<f64>,
    /// Where the visited levels lie: leading, linspace, trailing, ... [default: the checkpoint's]
    #[arg(long, value_name = "NAME")]
    grid: Option<Grid>,
    /// Starting states `x_T` [n, ...] and draws `z` [draws, n, ...] (z[0] first) instead of seeded noise
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "seed")]
    noise: Option<PathBuf>,
    /// The class to sample from a class-conditional model [default: all in turn]
    #[arg(long, value_name = "K")]
    class: Option<i64>,
    /// Images at once
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    batch_size: u64,
    /// Also write the way the first images came about, as a grid
    #[arg(long, value_name = "FILE.png")]
    trajectory: Option<PathBuf>,
    /// A grid (.png), a folder of single PNGs (ends in /), or tensors (.safetensors) [default: grid.png]
    #[arg(long, default_value = "grid.png", value_name = "PATH")]
    out: PathBuf,
    /// List the samplers: order, evaluations and noise draws a step
    #[arg(long)]
    list_samplers: bool,
}

impl Sample {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        if self.list_samplers {
            list_samplers();
            return Ok(());
        }
        let dir = self.checkpoint.as_deref().context("--checkpoint is needed")?;
        let output = Output::of(&self.out)?;
        ensure!(self.steps >= 1, "--steps must be at least 1, got {}", self.steps);
        let device = runtime::prepare(global.device, global.threads)?;
        let checkpoint = Checkpoint::load(dir, device)?;
        let shape = image_shape(&checkpoint);
        let noise = match &self.noise {
            Some(path) => NoiseInput::read(path, &shape).with_context(|| path.display().to_string())?,
            None => NoiseInput::keyed(global.seed.unwrap_or(0), &shape),
        };
        let num = self.num.or(noise.images()).unwrap_or(64);
        ensure!(num >= 1, "--num must be at least 1, got {num}");
        let labels = self.labels(&checkpoint, num)?;
        let frames = if self.trajectory.is_some() { TRAJECTORY } else { Record::default() };
        let job = Job {
            scheme: self.scheme(own_variance(&checkpoint.scheduler))?,
            steps: self.steps,
            grid: self.grid.unwrap_or(checkpoint.scheduler.spacing()),
            num,
            batch_size: self.batch_size,
            noise,
            labels: labels.as_deref(),
            record: frames,
        };
        let stop = StopFlag::install()?;
        let samples = sample_checkpoint(&checkpoint, dir, device, &job, &stop)?;
        if let Some(path) = &self.trajectory {
            pictures::write_trajectory(path, &samples)?;
        }
        output.write(&samples)?;
        println!("{}", self.out.display());
        Ok(())
    }

    fn scheme(&self, own: Variance) -> Result<Scheme> {
        let info = SamplerInfo::find(&self.sampler)?;
        let scheme = match info.scheme {
            Scheme::Ddpm { .. } => Scheme::Ddpm { variance: self.variance.unwrap_or(own) },
            Scheme::Ddim { eta } => Scheme::Ddim { eta: self.eta.unwrap_or(eta) },
            other => other,
        };
        ensure!(
            self.variance.is_none() || matches!(scheme, Scheme::Ddpm { .. }),
            "--variance belongs to the sampler ddpm, not to {}",
            self.sampler
        );
        ensure!(
            self.eta.is_none() || matches!(scheme, Scheme::Ddim { .. }),
            "--eta belongs to the sampler ddim, not to {}",
            self.sampler
        );
        if let Some(eta) = self.eta {
            ensure!((0.0..=1.0).contains(&eta), "--eta must lie between 0 and 1, got {eta}");
        }
        Ok(scheme)
    }

    fn labels(&self, checkpoint: &Checkpoint, num: u64) -> Result<Option<Vec<i64>>> {
        match (checkpoint.network.config().num_class_embeds, self.class) {
            (None, None) => Ok(None),
            (None, Some(_)) => bail!("--class: this model is unconditional"),
            (Some(_), None) => Ok(crate::pipeline::default_labels(checkpoint, num)),
            (Some(classes), Some(class)) => {
                ensure!(
                    (0..classes).contains(&class),
                    "--class must lie between 0 and {}, got {class}",
                    classes - 1
                );
                Ok(Some(vec![class; num as usize]))
            }
        }
    }
}

/// What the name of the output asks for.
enum Output<'a> {
    Grid(&'a Path),
    Folder(&'a Path),
    Tensors(&'a Path),
}

impl<'a> Output<'a> {
    fn of(path: &'a Path) -> Result<Self> {
        if path.to_string_lossy().ends_with('/') || path.is_dir() {
            return Ok(Output::Folder(path));
        }
        // Found out before an hour of sampling rather than after.
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            ensure!(folder.is_dir(), "{}: the folder does not exist; create it first", folder.display());
        }
        match path.extension().and_then(|e| e.to_str()) {
            Some("png") => Ok(Output::Grid(path)),
            Some("safetensors") => Ok(Output::Tensors(path)),
            _ => bail!(
                "--out {}: expected FILE.png, FILE.safetensors or a folder that ends in /",
                path.display()
            ),
        }
    }

    fn write(&self, samples: &Samples) -> Result<()> {
        match self {
            Output::Grid(path) => pictures::write_grid(path, &samples.x),
            Output::Folder(path) => pictures::write_each(path, &samples.x),
            Output::Tensors(path) => Ok(tensor_file::write(path, [("samples", &samples.x)])?),
        }
    }
}

fn list_samplers() {
    println!("{:20} {:>5} {:>11} {:>5}  description", "sampler", "order", "evaluations", "draws");
    for info in &SAMPLERS {
        println!(
            "{:20} {:>5} {:>11} {:>5}  {}",
            info.name, info.order, info.evaluations, info.draws, info.summary
        );
    }
}
