//! `ddpm sample`: samples from a checkpoint or of a closed-form target.

mod edits;
mod images;
mod trajectories;
mod vectors;

use crate::given::Given;
use crate::global_options::Global;
use crate::levels_file;
use crate::noising_options::NoisingOptions;
use crate::numbers::{count, count64, positive};
use crate::output::{check_files, print};
use crate::sampler_options::{Origin, SamplerOptions};
use crate::sampling::Visits;
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::{ChosenLevels, Grid, SAMPLERS, Scheme, Variance};
use ddpm_data::samples::SampleFormat;
use ddpm_data::sha256_file;
use ddpm_nets::Threshold;
use ddpm_sample::NoiseInput;
use std::path::{Path, PathBuf};

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
  ddpm sample --checkpoint DIR --inpaint digit.png --mask mask.png --steps 250 --num 16 --out filled.png
  ddpm sample --checkpoint DIR --encode images/ --steps 100 --out encoding.safetensors
  ddpm sample --checkpoint DIR --interpolate a.png b.png --frames 12 --steps 100 --out between.png
  ddpm sample --checkpoint DIR --sampler ddim --steps 50 --gif reverse.gif --out grid.png
  ddpm sample --checkpoint DIR --classifier runs/digits-classifier/checkpoints/latest --classifier-scale 2 --class 3 --out threes.png
  ddpm sample --target mixture.json --sampler ddpm --variance analytic --steps 50 --num 10000 --out samples.safetensors
  ddpm sample --target mixture.json --process vp --t-min 1e-3 --sampler ode-heun --steps 40 --out samples.safetensors
  ddpm sample --target mixture.json --process vp --sampler em --steps 200 --trajectory reverse.svg --out samples.safetensors
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
    /// A file of the levels to visit, {"timesteps": [...]} or {"log_snr": [...]}, the noisiest first, as `ddpm decompose --write-levels` writes it
    #[arg(long, value_name = "FILE.json", visible_alias = "levels", conflicts_with_all = ["steps", "grid"])]
    visited: Option<PathBuf>,
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
    /// Also write the reverse process of the first samples: of images a .png grid, a row an image and a column a state; of vectors of 1 or 2 numbers
    /// their places with the score field, .png, .svg or (2 numbers) .gif
    #[arg(long, value_name = "FILE")]
    trajectory: Option<PathBuf>,
    /// Also write the reverse process of the first images as an animation
    #[arg(long, value_name = "FILE.gif")]
    gif: Option<PathBuf>,
    /// What is done to a predicted x_0: none, clip, clip=R (to [-R, R]), dynamic or dynamic=QUANTILE,CAP (Saharia et al. 2022) [default: the checkpoint's]
    #[arg(long, value_name = "KIND", value_parser = threshold)]
    threshold: Option<Threshold>,
    /// Divide the predicted eps by this before it is used; above 1 against the drift of the sampler's own states (Ning et al. 2024) [default: 1]
    #[arg(long, value_name = "LAMBDA", value_parser = positive)]
    epsilon_scale: Option<f64>,
    /// Keep the part of this picture that --mask leaves black, and draw the rest
    #[arg(long, value_name = "IMAGE.png", help_heading = "Images as input", conflicts_with_all = ["encode", "interpolate"])]
    inpaint: Option<PathBuf>,
    /// White where pixels are drawn anew
    #[arg(long, value_name = "MASK.png", help_heading = "Images as input")]
    mask: Option<PathBuf>,
    /// Write the states `x_T` that the probability-flow ODE leads from to this picture, or to the PNGs of this folder; --noise takes the file
    #[arg(long, value_name = "PATH", help_heading = "Images as input", conflicts_with = "interpolate")]
    encode: Option<PathBuf>,
    /// Images on the way from one picture to another, through the great circle between their encodings
    #[arg(long, num_args = 2, value_names = ["A.png", "B.png"], help_heading = "Images as input")]
    interpolate: Option<Vec<PathBuf>>,
    /// Images of --interpolate, both ends included [default: 10]
    #[arg(long, value_name = "K", value_parser = count64, help_heading = "Images as input")]
    frames: Option<u64>,
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
const IMAGE_OPTIONS: [&str; 14] = [
    "class",
    "guidance",
    "null_class",
    "guidance_interval",
    "classifier",
    "classifier_scale",
    "gif",
    "threshold",
    "epsilon_scale",
    "inpaint",
    "mask",
    "encode",
    "interpolate",
    "frames",
];
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
        self.check_edits(given)?;
        let [betas, alpha_bars] = self.noising.inputs();
        let out = self.out.as_deref();
        let single = out.filter(|out| !is_folder(out));
        check_files(
            &[
                ("--out", single),
                ("--trajectory", self.trajectory.as_deref()),
                ("--gif", self.gif.as_deref()),
            ],
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
            given.refuse(
                &["grid", "visited", "final_denoise"],
                "on langevin, which stays at one level (--at)",
            )?;
        } else {
            ensure!(self.at.is_none(), "--at belongs to the sampler langevin");
        }
        Ok(scheme)
    }

    /// The levels of --visited.
    fn chosen_levels(&self) -> Result<Option<ChosenLevels>> {
        self.visited.as_deref().map(levels_file::read).transpose()
    }

    /// Which levels are asked for.
    fn visits<'a>(&self, chosen: Option<&'a ChosenLevels>) -> Visits<'a> {
        Visits { steps: self.steps, grid: self.grid, chosen }
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
}

/// A cap of dynamic thresholding that no prediction reaches; single precision holds it.
const NO_CAP: f64 = 1e30;

/// `none`, `clip`, `clip=R`, `dynamic` or `dynamic=QUANTILE,CAP`.
fn threshold(word: &str) -> Result<Threshold, String> {
    let expected = || format!("expected none, clip, clip=R, dynamic or dynamic=QUANTILE,CAP, got {word}");
    let (kind, values) = word.split_once('=').map_or((word, None), |(kind, values)| (kind, Some(values)));
    let values = values.map(|values| values.split(',').map(str::parse::<f64>).collect::<Result<Vec<_>, _>>());
    let values = values.transpose().map_err(|_| expected())?;
    let threshold = match (kind, values.as_deref()) {
        ("none", None) => Threshold::None,
        ("clip", None) => Threshold::UNIT,
        ("clip", Some(&[range])) => Threshold::Clip { range },
        ("dynamic", None) => Threshold::Dynamic { quantile: 0.995, cap: NO_CAP },
        ("dynamic", Some(&[quantile])) => Threshold::Dynamic { quantile, cap: NO_CAP },
        ("dynamic", Some(&[quantile, cap])) => Threshold::Dynamic { quantile, cap },
        _ => return Err(expected()),
    };
    threshold.check().map_err(|error| error.to_string())?;
    Ok(threshold)
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
