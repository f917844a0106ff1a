//! Command-line arguments of `ddpm decompose`.

use crate::config::QualityExtractor;
use crate::image_file_options::ImageFileOptions;
use crate::noising_options::NoisingOptions;
use crate::numbers::{count, count64, positive, whole};
use crate::output::JsonOutput;
use crate::sampler_options::SamplerOptions;
use ddpm_core::{Grid, Noising, Scheme, Target};
use ddpm_data::DatasetName;
use std::path::PathBuf;

/// Say how much of a sampler's error comes from where, exactly
///
/// KL(noising path || generated path) of the ancestral sampler is the sum of an initialization term and, for each step, a discretization
/// and a training term. With --w2 the errors are W2 distances between the law of the samples and the target, with one source of error
/// switched on at a time, for any sampler: exact on Gaussian targets, from samples with intervals on mixtures.
///
/// Of a trained network (--checkpoint) the ideal denoiser is unknown: the terms are given against named floors, with 95 % intervals over
/// images, together with the variational bound, what the network remembers of its images, and what would help most. With --samples the distance
/// of the samples from real images is split as well, for any sampler; the divergences are those of the sampler ddpm. Of a network on vectors the data's
/// law is that of its run, so that the ideal denoiser is known and the training term needs no floor.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm decompose --target mixture.json --steps 50
  ddpm decompose --target mixture.json --train-steps 1000 --steps 1000 --variance fixed-small --perturb 0.05 --json -
  ddpm decompose --target mixture.json --schedule cosine --steps 20 --grid log-snr --variance analytic --all
  ddpm decompose --target gaussian.json --w2 --process vp --sampler ode-heun --steps 249 --t-min 1e-4 --json -
  ddpm decompose --target gaussian.json --w2 --sampler ddim --steps 50
  ddpm decompose --target mixture.json --w2 --sampler dpmpp-2m --steps 20 --samples 20000
  ddpm decompose --target mixture.json --steps 50 --report decomposition
  ddpm decompose --checkpoint runs/digits/checkpoints/latest --data digits --report decomposition
  ddpm decompose --checkpoint runs/digits/checkpoints/latest --data digits --sampler ddim --steps 20 --samples 300 --fine-steps 250
  ddpm decompose --checkpoint runs/digits/checkpoints/latest --data digits --sampler dpmpp-2m --steps 10 --step-errors 64
  ddpm decompose --checkpoint runs/gmm2d-ddpm/checkpoints/latest --steps 50 --w2
  ddpm decompose --checkpoint DIR --data cifar10 --reference BETTER --steps 100 --max-images 200 --levels 20 --json report.json
All divergences are in nats. Targets are exact in one dimension and where they are Gaussian; mixtures in more dimensions are estimated from
--images noising paths, with standard errors.")]
pub(crate) struct Decompose {
    /// A closed-form target; `ddpm sample --help` shows what is in it
    #[arg(long, value_name = "FILE.json")]
    pub(super) target: Option<PathBuf>,
    /// Levels visited, or steps along a process [default: all training levels; 1000]
    #[arg(long, value_name = "N", value_parser = count)]
    pub(super) steps: Option<usize>,
    /// Where the visited levels lie: leading, linspace, trailing, quadratic, log-snr or karras [default: trailing; the checkpoint's]
    #[arg(long, value_name = "NAME")]
    pub(super) grid: Option<Grid>,
    /// Of a checkpoint: a file of the levels to visit, {"timesteps": [...]} or {"log_snr": [...]}, the noisiest first, as --write-levels writes it
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["steps", "grid"])]
    pub(super) visited: Option<PathBuf>,
    /// Of a checkpoint: write the levels that are recommended, as many as were visited: by the divergences, or with --step-errors by these
    #[arg(long, value_name = "FILE.json")]
    pub(super) write_levels: Option<PathBuf>,
    /// A constant added to every component of the ideal denoiser
    #[arg(long, value_name = "D", default_value_t = 0.0, allow_hyphen_values = true)]
    pub(super) perturb: f64,
    /// Noising paths, where the terms are estimated [default: 1000]
    #[arg(long, value_name = "N", value_parser = count)]
    pub(super) images: Option<usize>,
    /// W2 instead of divergences: exact on Gaussian targets, from samples on mixtures
    #[arg(long)]
    pub(super) w2: bool,
    /// Samples on each side where W2 comes from samples [default: 10000]; with --checkpoint, split the distance of so many samples too
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    pub(super) samples: Option<u32>,
    /// Write a page with interactive plots to DIR/index.html, and what they show to DIR/report.json
    #[arg(long, value_name = "DIR")]
    pub(super) report: Option<PathBuf>,
    /// Print every level instead of a readable selection
    #[arg(long)]
    pub(super) all: bool,
    /// Write JSON to a file, or to the standard output (-) instead of the table
    #[arg(long, value_name = "FILE|-")]
    pub(super) json: Option<JsonOutput>,
    #[command(flatten)]
    pub(super) sampler: SamplerOptions,
    #[command(flatten)]
    pub(super) noising: NoisingOptions,
    #[command(flatten)]
    pub(super) network: NetworkOptions,
    /// Of a checkpoint and a deterministic sampler: what each step costs in the final sample, over N starting states
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(super) step_errors: Option<u32>,
    /// Of a checkpoint: how far the states that the sampler visits drift from noised data, over N samples (exposure bias)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(super) own_path: Option<u32>,
    #[command(flatten)]
    pub(super) split: SplitOptions,
}

/// Options of what is measured on a checkpoint's samples.
#[derive(clap::Args, Debug, Clone)]
#[command(next_help_heading = "Of a checkpoint's samples (with --samples, --step-errors or --own-path)")]
pub(crate) struct SplitOptions {
    /// What makes the features: own (a small classifier of the data set's images, trained for it), inception, inception:FILE, torchscript:FILE,
    /// classifier:DIR or pixels [default: own]
    #[arg(long, value_name = "EX", value_parser = extractor)]
    pub(super) extractor: Option<QualityExtractor>,
    /// Steps that stand for the most that the network supports [default: all training levels]
    #[arg(long, value_name = "K", value_parser = count)]
    pub(super) fine_steps: Option<usize>,
    /// Divide the predicted eps by this before it is used; above 1 against the drift of the sampler's own states (Ning et al. 2024); the divergences stay those of the network as it is [default: 1]
    #[arg(long, value_name = "LAMBDA", value_parser = positive)]
    pub(super) epsilon_scale: Option<f64>,
    /// Samples at once [default: 64; 256 for images of at most 1024 values]
    #[arg(long, value_name = "N", value_parser = count64)]
    pub(super) sample_batch: Option<u64>,
}

fn extractor(word: &str) -> Result<QualityExtractor, String> {
    QualityExtractor::try_from(word.to_owned())
}

/// Options of the decomposition of a checkpoint.
#[derive(clap::Args, Debug, Clone)]
#[command(next_help_heading = "Of a checkpoint")]
pub(crate) struct NetworkOptions {
    /// A trained network: a diffusers pipeline directory; its own schedule, clipping and class labels are used
    #[arg(long, value_name = "DIR", required_unless_present = "target", conflicts_with = "target")]
    pub(super) checkpoint: Option<PathBuf>,
    /// The data set that a network on images was trained on: digits, fashion-mnist, cifar10 or image-folder
    #[arg(long, value_name = "NAME")]
    pub(super) data: Option<DatasetName>,
    /// A local folder instead of the cache
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) images: ImageFileOptions,
    /// A better checkpoint on the same schedule: the floor on held-out images
    #[arg(long, value_name = "DIR")]
    pub(super) reference: Option<PathBuf>,
    /// Whether the network was trained on mirror images too [default: as its state/config.toml says; false]
    #[arg(long, value_name = "BOOL")]
    pub(super) flips: Option<bool>,
    /// Images of each split; 0 for all held-out images and as many training images [default: 1000]
    #[arg(long, value_name = "N", value_parser = whole)]
    pub(super) max_images: Option<usize>,
    /// Levels measured, the others being interpolated; 0 for all [default: 50]
    #[arg(long, value_name = "K", value_parser = whole)]
    pub(super) levels: Option<usize>,
    /// Noise draws for each image and level [default: 1]
    #[arg(long, value_name = "R", value_parser = whole)]
    pub(super) repeats: Option<usize>,
    /// Images at once [default: 250]
    #[arg(long, value_name = "N", value_parser = whole)]
    pub(super) batch_size: Option<usize>,
}

/// A closed-form target, its noising process and the sampler.
pub(super) struct ClosedFormSampling {
    pub(super) target: Target,
    pub(super) noising: Noising,
    pub(super) scheme: Scheme,
}
