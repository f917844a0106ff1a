//! `ddpm sample`: samples from a checkpoint or of a closed-form target.

use crate::checkpoint_sampling::{ImageSampling, TRAJECTORY};
use crate::checkpoints::{load_images, load_vectors};
use crate::given::Given;
use crate::global_options::Global;
use crate::guiding_classifier::GuidingClassifier;
use crate::image_model::{ImageModel, image_shape};
use crate::noising_options::NoisingOptions;
use crate::numbers::{count, count64};
use crate::output::{check_files, print};
use crate::pictures;
use crate::runtime::{self, StopFlag};
use crate::sample_files::{SampleFiles, network_digest, settings};
use crate::sampler_options::{Origin, SamplerOptions};
use crate::sampling::{Model, SamplingJob, VisitedLevels};
use crate::sampling_memory;
use crate::target_file;
use crate::terminal_noise::warn_of_signal;
use crate::workers;
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::Grid;
use ddpm_core::{Noising, Variance};
use ddpm_core::{SAMPLERS, Scheme};
use ddpm_data::samples::{Existing, SampleFormat};
use ddpm_data::{sha256_bytes, sha256_file};
use ddpm_nets::checkpoint::{Checkpoint, Classes, VectorCheckpoint};
use ddpm_nets::targets::ideal_denoiser;
use ddpm_nets::{Denoiser, ScoreDenoiser, Threshold};
use ddpm_sample::guidance::Interval;
use ddpm_sample::{NoiseInput, Options, Record};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use tch::Device;

/// Sample from a checkpoint or from a closed-form target
///
/// A checkpoint brings its own schedule and what is done to a predicted x_0. A closed-form target (a Gaussian or a mixture in a JSON file)
/// is sampled with its ideal denoiser, unclipped, so that every error of the samples is the sampler's.
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
Image i gets the same noise at every --batch-size. Samples are written batch by batch: after an interruption the same command makes the rest.
A folder has samples.json with the settings; other files have them in their metadata under the key ddpm.")]
pub(crate) struct Sample {
    /// A diffusers pipeline directory
    #[arg(long, value_name = "DIR", required_unless_present_any = ["list_samplers", "target"], conflicts_with = "target")]
    checkpoint: Option<PathBuf>,
    /// A closed-form target
    #[arg(long, value_name = "FILE.json")]
    target: Option<PathBuf>,
    /// Noise levels visited; steps along a process; steps of langevin [default: all training levels; otherwise 1000]
    #[arg(long, value_name = "N", value_parser = count)]
    steps: Option<usize>,
    /// Number of samples [default: 64, or as many as --noise holds]
    #[arg(long, value_name = "N", value_parser = count64)]
    num: Option<u64>,
    /// Where the visited levels lie: leading, linspace, trailing, quadratic, log-snr or karras [default: the checkpoint's; trailing for a schedule; karras for ve and edm]
    #[arg(long, value_name = "NAME")]
    grid: Option<Grid>,
    /// Starting states `x_T` [n, ...] and draws `z` [draws, n, ...] (z[0] first) instead of seeded noise
    #[arg(long, value_name = "FILE.safetensors")]
    noise: Option<PathBuf>,
    /// The class to sample from a class-conditional model [default: all in turn]
    #[arg(long, value_name = "K")]
    class: Option<i64>,
    /// Classifier-free guidance: 1 is the conditional model, 0 the unconditional one, above 1 exaggerates the class
    #[arg(long, value_name = "W")]
    guidance: Option<f64>,
    /// The label that stands for no class, for guidance [default: the checkpoint's; none for checkpoints of other programs]
    #[arg(long, value_name = "K")]
    null_class: Option<i64>,
    /// Noise levels sigma/alpha between which guidance acts [default: all]
    #[arg(long, value_name = "LOW,HIGH", value_delimiter = ',')]
    guidance_interval: Option<Vec<f64>>,
    /// A classifier of noised images that guides the model, trained by `ddpm train` under the same noising process
    #[arg(long, value_name = "DIR")]
    classifier: Option<PathBuf>,
    /// Weight of the classifier's gradient: 1 is Bayes' rule, above 1 exaggerates the class [default: 1]
    #[arg(long, value_name = "S")]
    classifier_scale: Option<f64>,
    /// Samples at once [default: 64; 65536 numbers for a target]
    #[arg(long, value_name = "N", value_parser = count64)]
    batch_size: Option<u64>,
    /// Also write the reverse process of the first images, as a grid: a row an image, a column a state
    #[arg(long, value_name = "FILE.png")]
    trajectory: Option<PathBuf>,
    /// A grid (.png), a folder of single PNGs (ends in /), or tensors (.safetensors) [default: grid.png; samples.safetensors for a target]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Fill the folder with safetensors files of 1000 images each (`images` u8 [n, c, h, w]) instead of PNGs
    #[arg(long)]
    shards: bool,
    /// List the samplers: order, evaluations and noise draws a step
    #[arg(long)]
    list_samplers: bool,
    #[command(flatten)]
    sampler: SamplerOptions,
    /// Timestep (0-based) or time of the process at which langevin runs [default: sigma/alpha closest to 0.5; needed for a checkpoint of images]
    #[arg(long, value_name = "T", help_heading = "Sampler")]
    at: Option<f64>,
    /// End with the denoiser's answer at the smallest time of a process
    #[arg(long, help_heading = "Sampler")]
    final_denoise: bool,
    #[command(flatten)]
    noising: NoisingOptions,
}

/// Options that only a network on images has.
const IMAGE_OPTIONS: [&str; 7] =
    ["class", "guidance", "null_class", "guidance_interval", "classifier", "classifier_scale", "trajectory"];
/// Images at once from a checkpoint.
const IMAGES: u64 = 64;
/// Numbers at once of a target's samples, or of a network on vectors.
const NUMBERS: u64 = 1 << 16;

impl Sample {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let given = &global.given;
        if self.list_samplers {
            given
                .refuse_all_but(&["list_samplers", "verbose", "device", "threads"], "with --list-samplers")?;
            return list_samplers();
        }
        if self.guidance.is_none() {
            given.refuse(&["guidance_interval"], "without --guidance")?;
        }
        if self.classifier.is_none() {
            given.refuse(&["classifier_scale"], "without --classifier")?;
        }
        if self.noise.is_some() {
            given.refuse(&["seed"], "with --noise, which holds all starting states and draws")?;
        }
        let [betas, alpha_bars] = self.noising.inputs();
        let out = self.out.as_deref();
        let single = out.filter(|out| !is_folder(out));
        check_files(
            &[("--out", single), ("--trajectory", self.trajectory.as_deref())],
            &[
                ("--noise", self.noise.as_deref()),
                ("--target", self.target.as_deref()),
                ("--checkpoint", self.checkpoint.as_deref()),
                betas,
                alpha_bars,
            ],
        )?;
        match (&self.target, &self.checkpoint) {
            (Some(path), _) => self.of_target(path, global),
            (None, Some(dir)) => self.of_checkpoint(dir, global),
            (None, None) => bail!("--checkpoint or --target is needed"),
        }
    }

    /// The sampler with its options; refuses options of the visited levels that it does not take.
    fn scheme(&self, own: Variance, given: &Given) -> Result<Scheme> {
        let scheme = self.sampler.scheme(own, self.steps, Origin::CommandLine)?;
        if matches!(scheme, Scheme::Langevin { .. }) {
            given.refuse(&["grid", "final_denoise"], "on langevin, which stays at one level (--at)")?;
        } else {
            ensure!(self.at.is_none(), "--at belongs to the sampler langevin");
        }
        Ok(scheme)
    }

    fn of_checkpoint(&self, dir: &Path, global: &Global) -> Result<()> {
        let given = &global.given;
        given.refuse_group::<NoisingOptions>("with --checkpoint, which has its own noising process")?;
        given.refuse(&["final_denoise"], "with --checkpoint: it is for --process")?;
        let out = self.out.as_deref().unwrap_or(Path::new("grid.png"));
        let format = self.format(out)?;
        let workers = workers::join()?;
        let device = runtime::prepare(global.device, global.threads)?;
        if VectorCheckpoint::is_at(dir)? {
            return self.of_vectors(dir, global, device);
        }
        let mut checkpoint = load_images(dir, device)?;
        if let Some(null) = self.null_class {
            let rows = checkpoint.network.config().num_class_embeds;
            let rows = rows.context("--null-class: this model is unconditional")?;
            checkpoint.classes = Some(Classes::with_null(rows, null).context("--null-class")?);
        }
        let clips = checkpoint.scheduler.threshold() != Threshold::None;
        self.sampler.check_thresholding(clips, Origin::CommandLine)?;
        warn_of_signal(checkpoint.scheduler.noising())?;
        let (noise, num) = self.noise(&image_shape(&checkpoint), global)?;
        let scale = self.classifier_scale.unwrap_or(1.0);
        let load = |dir: &PathBuf| GuidingClassifier::load(dir, scale, &checkpoint, device);
        let classifier = self.classifier.as_ref().map(load).transpose()?;
        let labels = self.labels(&checkpoint, classifier.is_some())?;
        let classes = classifier.as_ref().map(|guide| self.guided_classes(guide)).transpose()?;
        let batch_size = self.batch_size.unwrap_or(IMAGES);
        sampling_memory::check_images(batch_size.min(num), checkpoint.network.config(), device)?;
        let guided_by = self.classifier.as_deref().map(network_digest).transpose()?;
        let files = SampleFiles {
            path: out,
            format,
            existing: Existing::Refuse,
            model: settings([
                ("checkpoint", network_digest(dir)?),
                ("guidance", json!(self.guidance)),
                ("guidance_interval", json!(self.guidance_interval)),
                ("null_class", json!(self.null_class)),
                ("classifier", json!(guided_by)),
                ("classifier_scale", json!(self.classifier.as_ref().map(|_| scale))),
                ("noise_sha256", json!(self.noise_digest()?)),
            ]),
            source: settings([("checkpoint", json!(dir))]),
            shape: image_shape(&checkpoint).to_vec(),
            classes: labels.clone().or(classes.clone()),
        };
        let job = ImageSampling {
            dir,
            scheme: self.scheme(checkpoint.scheduler.variance(), given)?,
            steps: self.steps.unwrap_or(checkpoint.scheduler.noising().default_steps()),
            grid: self.grid,
            at: self.at,
            tolerance: self.sampler.tolerance(),
            num,
            batch_size,
            noise,
            record: if self.trajectory.is_some() { TRAJECTORY } else { Record::default() },
            model: ImageModel {
                checkpoint: &checkpoint,
                guidance: self.guidance(dir, checkpoint.classes.as_ref())?,
                labels,
                classifier: classifier.zip(classes),
            },
        };
        let first = files.write(&job.job()?, device, &StopFlag::install()?, &workers)?;
        if let (Some(path), Some(first)) = (&self.trajectory, first) {
            pictures::write_trajectory(path, &first)?;
        }
        print(&format!("{}\n", out.display()))
    }

    /// Samples of a network on vectors, unclipped.
    fn of_vectors(&self, dir: &Path, global: &Global, device: Device) -> Result<()> {
        let why = format!("on {}: a network on vectors has no classes and no pictures", dir.display());
        global.given.refuse(&IMAGE_OPTIONS, &why)?;
        self.sampler.check_thresholding(false, Origin::CommandLine)?;
        let checkpoint = load_vectors(dir, device)?;
        let scheme = self.scheme(Variance::FixedLarge, &global.given)?;
        warn_of_signal(&checkpoint.noising)?;
        let (scheme, levels) =
            VisitedLevels::of_scheme(&checkpoint.noising, scheme, self.steps, self.grid, self.at)?;
        let dim = checkpoint.network.config().dim;
        let model = settings([("checkpoint", network_digest(dir)?)]);
        let source = settings([("checkpoint", json!(dir))]);
        let denoiser = &ScoreDenoiser(&checkpoint.network);
        self.write_numbers(Vectors { denoiser, dim, model, source }, (scheme, levels), global, device)
    }

    /// Samples of a closed-form target, unclipped.
    fn of_target(&self, path: &Path, global: &Global) -> Result<()> {
        let given = &global.given;
        given.refuse(&IMAGE_OPTIONS, "with --target, which has no classes and no pictures")?;
        self.sampler.check_thresholding(false, Origin::CommandLine)?;
        let scheme = self.scheme(Variance::FixedLarge, given)?;
        let noising = self.noising.build(given)?;
        warn_of_signal(&noising)?;
        if matches!(noising, Noising::Discrete(_)) {
            given.refuse(
                &["final_denoise"],
                "on a schedule, whose last step ends at data: it is for --process",
            )?;
        }
        let (scheme, mut levels) =
            VisitedLevels::of_scheme(&noising, scheme, self.steps, self.grid, self.at)?;
        if self.final_denoise {
            levels.trajectory = levels.trajectory.with_decoder();
        }
        let target = target_file::read(path)?;
        let levels = levels.with_ideal_error(&target, &scheme)?;
        let device = runtime::prepare(global.device, global.threads)?;
        let denoiser = ideal_denoiser(&target, device)?;
        let model = settings([("target_sha256", json!(sha256_bytes(format!("{target:?}").as_bytes())))]);
        let source = settings([("target", json!(path))]);
        let dim = target.dim() as i64;
        let vectors = Vectors { denoiser: denoiser.as_ref(), dim, model, source };
        self.write_numbers(vectors, (scheme, levels), global, device)
    }

    /// Samples vectors [num, dim] and writes them.
    fn write_numbers(
        &self,
        Vectors { denoiser, dim, mut model, source }: Vectors<'_>,
        (scheme, levels): (Scheme, VisitedLevels),
        global: &Global,
        device: Device,
    ) -> Result<()> {
        let out = self.out.as_deref().unwrap_or(Path::new("samples.safetensors"));
        let format = self.format(out)?;
        ensure!(
            format == SampleFormat::Tensors,
            "--out {}: these samples are numbers, not pictures; expected FILE.safetensors",
            out.display()
        );
        if let Some(digest) = self.noise_digest()? {
            model.insert("noise_sha256".into(), json!(digest));
        }
        let (noise, num) = self.noise(&[dim], global)?;
        let job = SamplingJob {
            model: Model::Denoiser(denoiser),
            scheme,
            levels,
            options: Options { tolerance: self.sampler.tolerance(), ..Options::default() },
            noise,
            num,
            batch_size: self.batch_size.unwrap_or((NUMBERS / dim as u64).max(1)),
        };
        sampling_memory::check_vectors(job.batch_size.min(num), dim, device)?;
        let (path, shape) = (out, vec![dim]);
        let files =
            SampleFiles { path, format, existing: Existing::Refuse, model, source, shape, classes: None };
        files.write(&job, device, &StopFlag::install()?, &workers::join()?)?;
        print(&format!("{}\n", out.display()))
    }

    fn guidance(&self, dir: &Path, classes: Option<&Classes>) -> Result<Option<(f64, Interval)>> {
        let Some(weight) = self.guidance else { return Ok(None) };
        let classes = classes.context("--guidance: this model is unconditional")?;
        ensure!(weight.is_finite(), "--guidance must be finite, got {weight}");
        ensure!(
            weight == 1.0 || classes.null().is_some(),
            "--guidance: {} has no label that stands for no class, which a weight of {weight} needs: name it with --null-class K, \
             or train with train.label_dropout above 0",
            dir.display()
        );
        let interval = match self.guidance_interval.as_deref() {
            None => Interval::ALL,
            Some(&[low, high]) if low < high => Interval { low, high },
            Some(other) => bail!("--guidance-interval must be LOW,HIGH with LOW below HIGH, got {other:?}"),
        };
        Ok(Some((weight, interval)))
    }

    /// The kind of files that `--out` names.
    fn format(&self, out: &Path) -> Result<SampleFormat> {
        if is_folder(out) {
            return Ok(if self.shards { SampleFormat::Shards } else { SampleFormat::Png });
        }
        ensure!(!self.shards, "--shards needs a folder, whose path ends in /; got --out {}", out.display());
        match out.extension().and_then(|extension| extension.to_str()) {
            Some("png") => Ok(SampleFormat::Grid),
            Some("safetensors") => Ok(SampleFormat::Tensors),
            _ => bail!(
                "--out {}: expected FILE.png, FILE.safetensors or a folder that ends in /",
                out.display()
            ),
        }
    }

    fn noise_digest(&self) -> Result<Option<String>> {
        Ok(self.noise.as_deref().map(sha256_file).transpose()?)
    }

    /// The noise, and how many samples it is for.
    fn noise(&self, shape: &[i64], global: &Global) -> Result<(NoiseInput, u64)> {
        let noise = match &self.noise {
            Some(path) => NoiseInput::read(path, shape).with_context(|| path.display().to_string())?,
            None => NoiseInput::keyed(global.seed.unwrap_or(0), shape),
        };
        ensure!(
            noise.images().is_none_or(|given| given > 0),
            "--noise: expected at least one starting state"
        );
        let num = self.num.or(noise.images()).unwrap_or(64);
        Ok((noise, num))
    }

    /// The classes that a classifier guides images to in turn: the given one, or all.
    fn guided_classes(&self, classifier: &GuidingClassifier) -> Result<Vec<i64>> {
        let classes = classifier.classes();
        match self.class {
            Some(class) => {
                ensure!(
                    (0..classes).contains(&class),
                    "--class must lie between 0 and {}, the classifier's last, got {class}",
                    classes - 1
                );
                Ok(vec![class])
            }
            None => Ok((0..classes).collect()),
        }
    }

    /// The classes that images of a class-conditional network have in turn.
    fn labels(&self, checkpoint: &Checkpoint, guided: bool) -> Result<Option<Vec<i64>>> {
        match (&checkpoint.classes, self.class) {
            (None, None) => Ok(None),
            (None, Some(_)) if guided => Ok(None),
            (None, Some(_)) => {
                bail!("--class: this model is unconditional; --classifier DIR can guide it to a class")
            }
            (Some(classes), None) => Ok(Some(classes.labels().to_vec())),
            (Some(classes), Some(class)) => {
                let last = classes.labels().last().copied().unwrap_or(0);
                let null = classes.null().map_or_else(String::new, |null| format!(" (or {null}, no class)"));
                ensure!(classes.knows(class), "--class must lie between 0 and {last}{null}, got {class}");
                Ok(Some(vec![class]))
            }
        }
    }
}

/// A model of vectors.
struct Vectors<'a> {
    denoiser: &'a dyn Denoiser,
    /// Numbers in a vector.
    dim: i64,
    /// What identifies it.
    model: Map<String, Value>,
    /// Where it was found.
    source: Map<String, Value>,
}

/// Whether a path names a folder.
fn is_folder(path: &Path) -> bool {
    path.to_string_lossy().ends_with('/') || path.is_dir()
}

/// Prints the table of samplers.
fn list_samplers() -> Result<()> {
    let mut text =
        format!("{:20} {:>5} {:>11} {:>5}  description\n", "sampler", "order", "evaluations", "draws");
    for info in &SAMPLERS {
        text += &format!(
            "{:20} {:>5} {:>11} {:>5}  {}\n",
            info.name, info.order, info.evaluations, info.draws, info.summary
        );
    }
    print(&text)
}
