//! `ddpm sample`: samples from a checkpoint or of a closed-form target.

use crate::checkpoints::{load_images, load_vectors};
use crate::classifier::Guide;
use crate::global_options::Global;
use crate::noising_options::{Noising, NoisingOptions};
use crate::pipeline::{Job, TRAJECTORY, image_shape, pictures, sample_checkpoint};
use crate::runtime::{self, StopFlag};
use crate::sampler_options::SamplerOptions;
use crate::target_file;
use crate::target_sampling::{TargetJob, sample_target};
use crate::vectors::{VectorJob, sample_vectors};
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::grid::Grid;
use ddpm_core::scheme::{SAMPLERS, Scheme};
use ddpm_core::{Level, Trajectory, Variance};
use ddpm_nets::checkpoint::{Checkpoint, VectorCheckpoint};
use ddpm_nets::tensor_file;
use ddpm_sample::guidance::Interval;
use ddpm_sample::{NoiseInput, Record, Samples};
use std::path::{Path, PathBuf};
use tch::Device;

/// Sample from a checkpoint or from a closed-form target
///
/// A checkpoint brings its own schedule and what is done to a predicted x_0. A closed-form target (a Gaussian or a mixture in a JSON file)
/// is sampled with its ideal denoiser, unclipped, so that whatever is wrong with the samples is the sampler's doing.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm sample --checkpoint runs/digits/checkpoints/latest --num 64 --out grid.png
  ddpm sample --checkpoint DIR --sampler ddim --steps 50 --num 1000 --out images/
  ddpm sample --checkpoint DIR --noise noise.safetensors --out samples.safetensors
  ddpm sample --checkpoint DIR --classifier runs/digits-classifier/checkpoints/latest --classifier-scale 2 --class 3 --out threes.png
  ddpm sample --target mixture.json --sampler ddpm --variance analytic --steps 50 --num 10000 --out samples.safetensors
  ddpm sample --target mixture.json --process vp --t-min 1e-3 --sampler ode-heun --steps 40 --out samples.safetensors
  ddpm sample --target mixture.json --sampler ode-rk45 --rtol 1e-4 --atol 1e-4 --out samples.safetensors
A target file: {\"kind\":\"mixture\",\"weights\":[0.3,0.7],\"means\":[[-1.5],[1]],\"stds\":[0.25,0.4]} (or covs), or
{\"kind\":\"gaussian\",\"mean\":[0,0],\"cov\":[[1,0.5],[0.5,1]]} (or var, or file, a safetensors file beside it with f64 mean and cov).
Image i gets the same noise whatever --batch-size is.")]
pub(crate) struct Sample {
    /// A diffusers pipeline directory
    #[arg(long, value_name = "DIR", required_unless_present_any = ["list_samplers", "target"],
        conflicts_with_all = ["target", "NoisingOptions", "ScheduleOptions", "at", "final_denoise", "rtol", "atol"])]
    checkpoint: Option<PathBuf>,
    /// A closed-form target
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["class", "trajectory"])]
    target: Option<PathBuf>,
    /// Noise levels visited; steps along a process; steps of langevin [default: all training levels; otherwise 1000]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Number of samples [default: 64, or as many as --noise holds]
    #[arg(long, value_name = "N")]
    num: Option<u64>,
    /// Where the visited levels lie: leading, linspace, trailing, quadratic, log-snr or karras [default: the checkpoint's; trailing]
    #[arg(long, value_name = "NAME")]
    grid: Option<Grid>,
    /// Starting states `x_T` [n, ...] and draws `z` [draws, n, ...] (z[0] first) instead of seeded noise
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "seed")]
    noise: Option<PathBuf>,
    /// The class to sample from a class-conditional model [default: all in turn]
    #[arg(long, value_name = "K")]
    class: Option<i64>,
    /// Classifier-free guidance: 1 is the conditional model, 0 the unconditional one, above 1 exaggerates the class
    #[arg(long, value_name = "W", conflicts_with = "target", allow_negative_numbers = true)]
    guidance: Option<f64>,
    /// Noise levels sigma/alpha between which guidance acts [default: all]
    #[arg(long, value_name = "LOW,HIGH", value_delimiter = ',', requires = "guidance")]
    guidance_interval: Option<Vec<f64>>,
    /// A classifier of noised images that guides the model, trained by `ddpm train` under the same noising process
    #[arg(long, value_name = "DIR", conflicts_with = "target")]
    classifier: Option<PathBuf>,
    /// Weight of the classifier's gradient: 1 is Bayes' rule, above 1 exaggerates the class [default: 1]
    #[arg(long, value_name = "S", requires = "classifier", allow_negative_numbers = true)]
    classifier_scale: Option<f64>,
    /// Samples at once [default: 64; 65536 numbers for a target]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    batch_size: Option<u64>,
    /// Also write the way the first images came about, as a grid
    #[arg(long, value_name = "FILE.png")]
    trajectory: Option<PathBuf>,
    /// A grid (.png), a folder of single PNGs (ends in /), or tensors (.safetensors) [default: grid.png; samples.safetensors for a target]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// List the samplers: order, evaluations and noise draws a step
    #[arg(long)]
    list_samplers: bool,
    #[command(flatten)]
    sampler: SamplerOptions,
    /// Timestep (0-based) or time of the process at which langevin runs [default: the least noisy]
    #[arg(long, value_name = "T", help_heading = "Sampler")]
    at: Option<f64>,
    /// End with the denoiser's answer at the smallest time of a process
    #[arg(long, requires = "process", help_heading = "Sampler")]
    final_denoise: bool,
    #[command(flatten)]
    noising: NoisingOptions,
}

/// Images at once from a checkpoint.
const IMAGES: u64 = 64;
/// Steps along a process where no number is given.
const PROCESS_STEPS: usize = 1000;
/// Numbers at once of a target's samples, or of a network on vectors.
const NUMBERS: u64 = 1 << 16;

impl Sample {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        if self.list_samplers {
            list_samplers();
            return Ok(());
        }
        if let Some(steps) = self.steps {
            ensure!(steps >= 1, "--steps must be at least 1, got {steps}");
        }
        match (&self.target, &self.checkpoint) {
            (Some(path), _) => self.of_target(path, global),
            (None, Some(dir)) => self.of_checkpoint(dir, global),
            (None, None) => bail!("--checkpoint or --target is needed"),
        }
    }

    fn of_checkpoint(&self, dir: &Path, global: &Global) -> Result<()> {
        let out = self.out.as_deref().unwrap_or(Path::new("grid.png"));
        let output = Output::of(out)?;
        let device = runtime::prepare(global.device, global.threads)?;
        if VectorCheckpoint::is_at(dir)? {
            return self.of_vectors(dir, global, device);
        }
        let checkpoint = load_images(dir, device)?;
        let (noise, num) = self.noise(&image_shape(&checkpoint), global)?;
        let scale = self.classifier_scale.unwrap_or(1.0);
        let guide =
            self.classifier.as_ref().map(|dir| Guide::load(dir, scale, &checkpoint, device)).transpose()?;
        let labels = self.labels(&checkpoint, guide.is_some(), num)?;
        let classes = guide.as_ref().map(|guide| self.guided_classes(guide, num)).transpose()?;
        let frames = if self.trajectory.is_some() { TRAJECTORY } else { Record::default() };
        let job = Job {
            scheme: self.sampler.scheme(checkpoint.scheduler.variance(), self.steps)?,
            steps: self.steps.unwrap_or(checkpoint.schedule.steps()),
            grid: self.grid.unwrap_or(checkpoint.scheduler.spacing()),
            num,
            batch_size: self.batch_size.unwrap_or(IMAGES),
            noise,
            labels: labels.as_deref(),
            guidance: self.guidance(labels.is_some())?,
            guide: guide.as_ref().zip(classes.as_deref()),
            record: frames,
        };
        let stop = StopFlag::install()?;
        let samples = sample_checkpoint(&checkpoint, dir, device, &job, &stop)?;
        if let Some(path) = &self.trajectory {
            pictures::write_trajectory(path, &samples)?;
        }
        output.write(&samples)?;
        println!("{}", out.display());
        Ok(())
    }

    /// Samples of a network on vectors: numbers, unclipped.
    fn of_vectors(&self, dir: &Path, global: &Global, device: Device) -> Result<()> {
        for (given, option) in [
            (self.class.is_some(), "--class"),
            (self.guidance.is_some(), "--guidance"),
            (self.classifier.is_some(), "--classifier"),
            (self.trajectory.is_some(), "--trajectory"),
        ] {
            ensure!(
                !given,
                "{option}: {} holds a network on vectors, which has no classes and no pictures",
                dir.display()
            );
        }
        let out = self.out.as_deref().unwrap_or(Path::new("samples.safetensors"));
        let output = Output::of_numbers(out)?;
        let checkpoint = load_vectors(dir, device)?;
        let dim = checkpoint.network.config().dim;
        let (noise, num) = self.noise(&[dim], global)?;
        let all = match &checkpoint.noising {
            ddpm_core::Noising::Discrete(schedule) => schedule.steps(),
            ddpm_core::Noising::Continuous { .. } => PROCESS_STEPS,
        };
        let job = VectorJob {
            network: &checkpoint.network,
            noising: &checkpoint.noising,
            scheme: self.sampler.scheme(Variance::FixedLarge, self.steps)?,
            steps: self.steps.unwrap_or(all),
            grid: self.grid,
            tolerance: self.sampler.tolerance(),
            noise,
            num,
            batch_size: self.batch_size.unwrap_or((NUMBERS / dim as u64).max(1)),
        };
        let stop = StopFlag::install()?;
        output.write(&sample_vectors(&job, device, &|| stop.flow())?)?;
        println!("{}", out.display());
        Ok(())
    }

    fn guidance(&self, conditional: bool) -> Result<Option<(f64, Interval)>> {
        let Some(weight) = self.guidance else { return Ok(None) };
        ensure!(conditional, "--guidance: this model is unconditional");
        ensure!(weight.is_finite(), "--guidance must be finite, got {weight}");
        let interval = match self.guidance_interval.as_deref() {
            None => Interval::ALL,
            Some(&[low, high]) if low < high => Interval { low, high },
            Some(other) => bail!("--guidance-interval must be LOW,HIGH with LOW below HIGH, got {other:?}"),
        };
        Ok(Some((weight, interval)))
    }

    fn of_target(&self, path: &Path, global: &Global) -> Result<()> {
        let out = self.out.as_deref().unwrap_or(Path::new("samples.safetensors"));
        let output = Output::of_numbers(out)?;
        let scheme = self.sampler.scheme(Variance::FixedLarge, self.steps)?;
        let noising = self.noising.build()?;
        let scheme = match noising {
            Noising::Discrete { .. } => scheme,
            Noising::Continuous { .. } => scheme.on_process(),
        };
        let trajectory = self.trajectory_of(&noising, &scheme)?;
        let target = target_file::read(path)?;
        let dim = target.dim() as i64;
        let (noise, num) = self.noise(&[dim], global)?;
        let device = runtime::prepare(global.device, global.threads)?;
        let job = TargetJob {
            target: &target,
            scheme,
            trajectory,
            discrete: match &noising {
                Noising::Discrete { schedule, .. } => Some((schedule, self.grid.unwrap_or(Grid::Trailing))),
                Noising::Continuous { .. } => None,
            },
            tolerance: self.sampler.tolerance(),
            noise,
            num,
            batch_size: self.batch_size.unwrap_or((NUMBERS / dim as u64).max(1)),
        };
        output.write(&sample_target(job, device)?)?;
        println!("{}", out.display());
        Ok(())
    }

    fn trajectory_of(&self, noising: &Noising, scheme: &Scheme) -> Result<Trajectory> {
        let plain_langevin = matches!(scheme, Scheme::Langevin { .. });
        ensure!(self.at.is_none() || plain_langevin, "--at belongs to the sampler langevin");
        if plain_langevin {
            ensure!(self.grid.is_none(), "--grid has no effect on langevin, which stays at one level (--at)");
            let level = noising.level(self.at)?;
            return Ok(Trajectory::of_levels(vec![level, Level::CLEAN], noising.scale(), None)?);
        }
        let trajectory = noising.trajectory(self.steps, self.grid)?;
        Ok(if self.final_denoise { trajectory.with_decoder() } else { trajectory })
    }

    /// The noise, and how many samples it is for.
    fn noise(&self, shape: &[i64], global: &Global) -> Result<(NoiseInput, u64)> {
        let noise = match &self.noise {
            Some(path) => NoiseInput::read(path, shape).with_context(|| path.display().to_string())?,
            None => NoiseInput::keyed(global.seed.unwrap_or(0), shape),
        };
        let num = self.num.or(noise.images()).unwrap_or(64);
        ensure!(num >= 1, "--num must be at least 1, got {num}");
        Ok((noise, num))
    }

    /// The classes that a classifier leads to: the given one, or all in turn.
    fn guided_classes(&self, guide: &Guide, num: u64) -> Result<Vec<i64>> {
        let classes = guide.classes();
        match self.class {
            Some(class) => {
                ensure!(
                    (0..classes).contains(&class),
                    "--class must lie between 0 and {}, the classifier's last, got {class}",
                    classes - 1
                );
                Ok(vec![class; num as usize])
            }
            None => Ok((0..num as i64).map(|i| i % classes).collect()),
        }
    }

    /// The classes that the network is told, where it takes any.
    fn labels(&self, checkpoint: &Checkpoint, guided: bool, num: u64) -> Result<Option<Vec<i64>>> {
        match (checkpoint.network.config().num_class_embeds, self.class) {
            (None, None) => Ok(None),
            (None, Some(_)) if guided => Ok(None),
            (None, Some(_)) => {
                bail!("--class: this model is unconditional; --classifier DIR can lead it to a class")
            }
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

    /// A file of numbers.
    fn of_numbers(path: &'a Path) -> Result<Self> {
        let output = Output::of(path)?;
        ensure!(
            matches!(output, Output::Tensors(_)),
            "--out {}: these samples are numbers, not pictures; expected FILE.safetensors",
            path.display()
        );
        Ok(output)
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
