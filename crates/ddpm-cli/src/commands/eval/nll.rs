//! `ddpm eval nll`: the negative log likelihood of images or vectors under a model.

use super::data_options::DataOptions;
use crate::checkpoints::{load_images, load_vectors};
use crate::global_options::Global;
use crate::image_model::image_shape;
use crate::noising_options::NoisingOptions;
use crate::numbers::{count, count64};
use crate::output::{JsonOutput, check_files, print};
use crate::progress::Progress;
use crate::runtime::{self, NOTHING_WRITTEN, StopFlag};
use crate::target_file;
use crate::workers::{self, in_turn};
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::{Noising, ProcessConfig, ProcessKind};
use ddpm_data::{ShuffledOrder, Split};
use ddpm_eval::EvalError;
use ddpm_eval::likelihood::{
    ImagesToScore, LikelihoodProgress, Likelihoods, Method, likelihood_of_images, likelihood_of_points,
};
use ddpm_nets::checkpoint::VectorCheckpoint;
use ddpm_nets::targets::ideal_denoiser;
use ddpm_nets::{Denoiser, ScoreDenoiser, tensor_file};
use ddpm_report::results::Likelihood;
use ddpm_sample::Tolerance;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Components up to which traces are exact unless told otherwise.
const EXACT: i64 = 16;
/// Probes of an image beyond that.
const PROBES: usize = 2;
/// Each probe of a batch is held in memory.
const MOST_PROBES: usize = 1000;
/// Images at once.
const BATCH: u64 = 64;
/// The smallest time of a target's process: data of unit scale then have a noise of 1e-3.
const TARGET_T_MIN: f64 = 1e-5;
/// Parts of the progress bar.
const PARTS: f64 = 1000.0;

/// Negative log likelihood in nats and bits a component
///
/// `ode` integrates the probability-flow ODE from the data to noise. Images are dequantized uniformly, as Song et al. (2021) do. `vlb` is the
/// variational bound of the ancestral sampler over all training levels, which Ho et al. (2020) report. A target is noised by the process vp down to
/// the time 1e-5 unless another noising is given.
#[derive(clap::Args, Debug)]
pub(crate) struct Nll {
    /// A checkpoint of images with --data, or of a network on vectors with --points
    #[arg(long, value_name = "DIR", required_unless_present = "target", conflicts_with = "target")]
    checkpoint: Option<PathBuf>,
    /// A closed-form target with --points: its ideal denoiser is the model
    #[arg(long, value_name = "FILE.json", requires = "points")]
    target: Option<PathBuf>,
    /// Vectors: a file whose tensor `x` (or only tensor) is [n, d], such as the samples of `ddpm sample --target`
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "data")]
    points: Option<PathBuf>,
    /// ode or vlb
    #[arg(long, value_name = "NAME", default_value = "ode")]
    method: MethodName,
    /// Relative error that the ODE's solver allows in a step [default: 1e-5]
    #[arg(long, value_name = "TOL")]
    rtol: Option<f64>,
    /// Absolute error that the ODE's solver allows in a step [default: 1e-5]
    #[arg(long, value_name = "TOL")]
    atol: Option<f64>,
    /// Random probes of the trace of the Jacobian [default: none, exact, up to 16 components; otherwise 2]
    #[arg(long, value_name = "K", value_parser = count)]
    probes: Option<usize>,
    /// Number of images, a seeded choice [default: all of the split]
    #[arg(long, value_name = "N", value_parser = count)]
    num: Option<usize>,
    /// Images at once [default: 64]
    #[arg(long, value_name = "N", value_parser = count64)]
    batch_size: Option<u64>,
    /// Write JSON to a file, or to the standard output (-) instead of text
    #[arg(long, value_name = "FILE|-")]
    json: Option<JsonOutput>,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    noising: NoisingOptions,
}

/// The methods by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum MethodName {
    Ode,
    Vlb,
}

impl Nll {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let [betas, alpha_bars] = self.noising.inputs();
        check_files(
            &[("--json", JsonOutput::path(&self.json))],
            &[
                ("--target", self.target.as_deref()),
                ("--points", self.points.as_deref()),
                ("--checkpoint", self.checkpoint.as_deref()),
                betas,
                alpha_bars,
            ],
        )?;
        ensure!(self.num != Some(1), "--num must be at least 2, got 1");
        let probes = self.probes.unwrap_or(1);
        ensure!(probes <= MOST_PROBES, "--probes must be at most {MOST_PROBES}, got {probes}");
        if self.method == MethodName::Vlb {
            global.given.refuse(&["rtol", "atol", "probes"], "with --method vlb: it is for the ODE")?;
        }
        let stop = StopFlag::install()?;
        let found = stop.abandonable(NOTHING_WRITTEN, || self.measure(global, &stop))?;
        if let Some(json) = &self.json {
            json.write(&found)?;
        }
        if JsonOutput::is_standard(&self.json) { Ok(()) } else { print(&text(&found)) }
    }

    fn measure(&self, global: &Global, stop: &StopFlag) -> Result<Likelihood> {
        let Some(dir) = &self.checkpoint else {
            return self.of_target(
                self.target.as_deref().context("--checkpoint or --target is needed")?,
                global,
                stop,
            );
        };
        global
            .given
            .refuse_group::<NoisingOptions>("with --checkpoint, which has its own noising process")?;
        workers::join()?;
        let device = runtime::prepare(global.device, global.threads)?;
        if VectorCheckpoint::is_at(dir)? {
            let checkpoint = load_vectors(dir, device)?;
            let path = self.points.as_deref();
            let path =
                path.with_context(|| format!("{}: a network on vectors needs --points", dir.display()))?;
            let points = self.read_points(path, checkpoint.network.config().dim, Kind::Float, global)?;
            let denoiser = &ScoreDenoiser(&checkpoint.network);
            return self.of_points(
                denoiser,
                &checkpoint.noising,
                &points.to_device(device),
                dir,
                path,
                global,
                stop,
            );
        }
        ensure!(
            self.points.is_none(),
            "--points cannot be used with {}, a network on images: it takes --data",
            dir.display()
        );
        self.of_images(dir, device, global, stop)
    }

    fn of_images(&self, dir: &Path, device: Device, global: &Global, stop: &StopFlag) -> Result<Likelihood> {
        let checkpoint = load_images(dir, device)?;
        let workers = workers::join()?;
        let data = in_turn(&workers, || self.data.load_or(Split::HeldOut, &global.given))?;
        let (images, shape) = (&data.images, image_shape(&checkpoint));
        let own =
            [images.shape().channels, images.shape().height, images.shape().width].map(|side| side as i64);
        ensure!(
            own == shape,
            "--data: {} has images of {own:?}, {} of {shape:?} [channels, height, width]",
            data.name,
            dir.display()
        );
        let seed = global.seed.unwrap_or(0);
        let indices = ShuffledOrder::new(seed, images.len())?.choice(self.num.unwrap_or(usize::MAX));
        let dim = images.shape().dimension();
        let method = self.method(dim as i64)?;
        let batch_size = self.batch_size.unwrap_or(BATCH) as usize;
        let of = ImagesToScore { images, indices: &indices, batch_size, seed, device };
        let found = with_bar(indices.len(), "images", stop, |progress| {
            likelihood_of_images(&checkpoint, &of, &method, &workers, progress)
        })?;
        Ok(found.report(&method, dim, dir.display().to_string(), data.name)?)
    }

    fn of_target(&self, path: &Path, global: &Global, stop: &StopFlag) -> Result<Likelihood> {
        let points = self.points.as_deref().context("--points is needed")?;
        let target = target_file::read(path)?;
        let chosen = global.given.clone();
        let noising = if self.noising.is_given(&chosen) {
            self.noising.build(&chosen)?
        } else {
            ProcessConfig::new(ProcessKind::Vp, Some(TARGET_T_MIN)).build()?
        };
        let device = runtime::prepare(global.device, global.threads)?;
        let rows = self.read_points(points, target.dim() as i64, Kind::Double, global)?.to_device(device);
        let denoiser = ideal_denoiser(&target, device)?;
        self.of_points(denoiser.as_ref(), &noising, &rows, path, points, global, stop)
    }

    /// Rows [n, dim] of a file.
    fn read_points(&self, path: &Path, dim: i64, kind: Kind, global: &Global) -> Result<Tensor> {
        global.given.refuse_group::<DataOptions>("with --points: it is for images")?;
        global.given.refuse(&["num", "batch_size"], "with --points, whose rows are all taken")?;
        let name = path.display();
        let mut tensors = tensor_file::read(path)?;
        let only = (tensors.len() == 1).then(|| tensors.keys().next().cloned()).flatten();
        let found = only.or_else(|| tensors.contains_key("x").then(|| "x".to_owned()));
        let key = found.with_context(|| format!("{name}: expected a tensor `x`, or one tensor alone"))?;
        let rows = tensors.remove(&key).context("the tensor is gone")?;
        let size = rows.size();
        ensure!(
            size.len() == 2 && size[0] >= 2 && size[1] == dim,
            "{name}: {key} must be [n, {dim}] with at least 2 rows, got {size:?}"
        );
        ensure!(
            matches!(rows.kind(), Kind::Float | Kind::Double),
            "{name}: {key} must be f32 or f64, got {:?}",
            rows.kind()
        );
        let finite = torch_ext::fence(|| rows.isfinite().all().int64_value(&[]) == 1)?;
        ensure!(finite, "{name}: {key} holds NaN or infinity");
        Ok(torch_ext::fence(|| rows.to_kind(kind))?)
    }

    #[expect(clippy::too_many_arguments, reason = "the model, the points and their names")]
    fn of_points(
        &self,
        denoiser: &dyn Denoiser,
        noising: &Noising,
        rows: &Tensor,
        model: &Path,
        points: &Path,
        global: &Global,
        stop: &StopFlag,
    ) -> Result<Likelihood> {
        let dim = rows.size()[1];
        let method = self.method(dim)?;
        if method == Method::Bound {
            bail!("--method vlb is for images: the bound's decoder is one of grey levels");
        }
        if matches!(method, Method::Ode { probes: None, .. }) {
            global.given.refuse(&["seed"], "where the trace is exact: add --probes")?;
        }
        let seed = global.seed.unwrap_or(0);
        let workers = workers::join()?;
        let found = with_bar(rows.size()[0] as usize, "points", stop, |progress| {
            likelihood_of_points(denoiser, noising, rows, &method, seed, &workers, progress)
        })?;
        let name = |path: &Path| path.display().to_string();
        Ok(found.report(&method, dim as usize, name(model), name(points))?)
    }

    fn method(&self, dim: i64) -> Result<Method> {
        if self.method == MethodName::Vlb {
            return Ok(Method::Bound);
        }
        let default = Tolerance::default();
        let tolerance = Tolerance {
            relative: self.rtol.unwrap_or(default.relative),
            absolute: self.atol.unwrap_or(default.absolute),
        };
        for (option, value) in [("--rtol", tolerance.relative), ("--atol", tolerance.absolute)] {
            ensure!(value > 0.0 && value.is_finite(), "{option} must be positive, got {value}");
        }
        let probes = self.probes.or((dim > EXACT).then_some(PROBES));
        Ok(Method::Ode { tolerance, probes: probes.map(|probes| probes as u64) })
    }
}

/// A progress bar over `data`, of which a share is done.
fn with_bar(
    data: usize,
    unit: &'static str,
    stop: &StopFlag,
    work: impl FnOnce(&mut LikelihoodProgress<'_>) -> Result<Likelihoods, EvalError>,
) -> Result<Likelihoods> {
    let mut bar = Progress::new("nll", "parts", 0, PARTS as u64);
    let found = work(&mut |share| {
        bar.set((PARTS * share) as u64, || format!("of {data} {unit}"));
        if stop.is_set() { Err(EvalError::Interrupted) } else { Ok(()) }
    })?;
    bar.finish(&format!("{data} {unit}"));
    Ok(found)
}

fn text(found: &Likelihood) -> String {
    let Likelihood { nats, bits_per_dim, interval, bits_interval, n, dim, .. } = found;
    let mut text = format!(
        "nll {bits_per_dim:.4} bits a component, 95 % interval {:.4} to {:.4}\n{nats:.4} nats a datum of {dim} components, 95 % interval \
         {:.4} to {:.4}, over {n} of {}\n",
        bits_interval[0], bits_interval[1], interval[0], interval[1], found.data
    );
    text += &match (found.parts, found.probe_stderr) {
        (Some(parts), _) => format!(
            "variational bound of the ancestral sampler: L_T {:.4}, L_1 to L_(T-1) {:.4}, L_0 {:.4} nats\n",
            parts.prior, parts.denoising, parts.decoder
        ),
        (None, Some(0.0)) => "probability-flow ODE, exact traces\n".to_owned(),
        (None, Some(stderr)) => format!(
            "probability-flow ODE; {} random probes a datum alone give a standard error of {stderr:.4} nats\n",
            found.probes
        ),
        (None, None) => "probability-flow ODE, one random probe a datum\n".to_owned(),
    };
    text
}
