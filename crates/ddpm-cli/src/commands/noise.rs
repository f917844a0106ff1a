//! `ddpm noise`: the forward process on images of a data set or on samples of a closed-form target.

use crate::datasets::load_data;
use crate::evaluation::of_folder;
use crate::given::Given;
use crate::global_options::Global;
use crate::image_file_options::ImageFileOptions;
use crate::noising_options::NoisingOptions;
use crate::numbers::count;
use crate::output::{self, print};
use crate::pictures::{self, FRAME};
use crate::point_pictures::PointPicture;
use crate::runtime::{self, NOTHING_WRITTEN, StopFlag};
use crate::sampling_memory;
use crate::target_file;
use anyhow::{Result, bail, ensure};
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{Level, Noising, Time};
use ddpm_data::picture::write_gif;
use ddpm_data::{DatasetName, ImageSet};
use ddpm_nets::pixels::from_u8;
use ddpm_nets::{noised_at_once, noised_in_steps, tensor_file};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Steps of `--sequential` in continuous time.
const CONTINUOUS_STEPS: usize = 1000;

/// Noise images or samples of a target, and write them at several levels
///
/// The first level is the data, the last the noisiest. All of a row's levels have the same eps; with --sequential each level comes from the one before by the
/// steps of the chain, with fresh noise. A .safetensors file has `x` [levels, n, ...] f32 and, for each level, `alpha`, `sigma` and `time` (0 for the data,
/// then the 1-based timestep or the time of the process), f64. Pictures show x_t divided by sqrt(alpha^2 + sigma^2) where that exceeds 1.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  ddpm noise --data digits --out noise.png
  ddpm noise --data digits --sequential --levels 40 --out noise.gif
  ddpm noise --target mixture.json --num 2000 --process ou --out merge.png
  ddpm noise --images photos/ --schedule cosine --out noised.safetensors")]
#[command(group = clap::ArgGroup::new("source").required(true).args(["data", "images", "target"]))]
pub(crate) struct Noise {
    /// Training images of a data set
    #[arg(long, value_name = "NAME")]
    data: Option<DatasetName>,
    /// A local folder instead of the cache, for --data
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A folder of images of one size; for others --data image-folder --data-dir DIR --image-size N
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Samples of a closed-form target; pictures need 1 or 2 dimensions
    #[arg(long, value_name = "FILE.json")]
    target: Option<PathBuf>,
    /// Images or samples [default: 8; of a target 1000]
    #[arg(long, value_name = "N", value_parser = count)]
    num: Option<usize>,
    /// Levels that are written, the data included
    #[arg(long, default_value_t = 12, value_name = "K", value_parser = count)]
    levels: usize,
    /// Step by step through the chain (in continuous time through 1000 times) instead of at once
    #[arg(long)]
    sequential: bool,
    /// A .png picture, a .gif animation or a .safetensors file; for targets an .svg picture too
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    noising: NoisingOptions,
    #[command(flatten)]
    files: ImageFileOptions,
}

/// The kind of the output, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Png,
    Svg,
    Gif,
    Tensors,
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("png") => Ok(Format::Png),
            Some("svg") => Ok(Format::Svg),
            Some("gif") => Ok(Format::Gif),
            Some("safetensors") => Ok(Format::Tensors),
            _ => bail!(
                "--out {}: expected a name that ends in .png, .svg, .gif or .safetensors",
                path.display()
            ),
        }
    }
}

impl Noise {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let given = &global.given;
        if self.data.is_none() {
            given.refuse(&["data_dir"], "without --data")?;
            given.refuse_group::<ImageFileOptions>("without --data")?;
        }
        let format = Format::of(&self.out)?;
        let mut inputs = vec![("--target", self.target.as_deref())];
        inputs.extend(self.noising.inputs());
        output::check_files(&[("--out", Some(&self.out))], &inputs)?;
        let device = runtime::prepare(global.device, global.threads)?;
        let noising = self.noising.build(given)?;
        let (all, kept) = self.levels(&noising)?;
        StopFlag::install()?.abandonable(NOTHING_WRITTEN, || {
            let seed = global.seed.unwrap_or(0);
            let x0 = self.clean(given, seed, format, device)?;
            let source = NoiseSource::new(seed, Purpose::Evaluation);
            let (levels, states) = if self.sequential {
                (kept.iter().map(|&k| all[k]).collect(), noised_in_steps(&x0, &all, &kept, &source)?)
            } else {
                (all.clone(), noised_at_once(&x0, &all, &source)?)
            };
            let how = if self.sequential { format!("{} steps", all.len()) } else { "at once".to_string() };
            note!("noise: {} rows, {} levels of {}, {how}", x0.size()[0], self.levels, self.noising.name());
            let levels = [vec![Level::CLEAN], levels].concat();
            let states: Vec<Tensor> =
                std::iter::once(x0).chain(states).map(|state| state.to_device(Device::Cpu)).collect();
            self.write(format, &levels, &states)
        })?;
        print(&format!("{}\n", self.out.display()))
    }

    /// The levels of the chain without the data, and the indices of those that are written.
    fn levels(&self, noising: &Noising) -> Result<(Vec<Level>, Vec<usize>)> {
        let kept = self.levels - 1;
        ensure!(kept >= 1, "--levels must be at least 2, the data and a noised level, got {}", self.levels);
        let most = noising.max_steps().unwrap_or(CONTINUOUS_STEPS);
        ensure!(kept <= most, "--levels must be at most {}, got {}", most + 1, self.levels);
        let steps = if self.sequential { most } else { kept };
        // Spread evenly; the last is the noisiest.
        let place = |k: usize| ((k + 1) * most).div_ceil(kept) - 1;
        let level = |k: usize| -> Result<Level> {
            Ok(match noising {
                Noising::Discrete(_) => noising.level(k as f64)?,
                Noising::Continuous { process, t_min } => {
                    let last = process.time_range().1;
                    process.level(t_min + (last - t_min) * (k + 1) as f64 / most as f64)?
                }
            })
        };
        let indices: Vec<usize> = (0..kept).map(place).collect();
        let levels = if self.sequential { (0..steps).collect() } else { indices.clone() };
        Ok((levels.into_iter().map(level).collect::<Result<_>>()?, indices))
    }

    /// The data x_0 [n, ...].
    fn clean(&self, given: &Given, seed: u64, format: Format, device: Device) -> Result<Tensor> {
        let images = match (&self.target, &self.images, self.data) {
            (Some(path), ..) => return self.of_target(path, seed, format, device),
            (None, Some(folder), _) => of_folder(folder)?.images,
            (None, None, Some(name)) => {
                load_data(name, self.data_dir.as_deref(), &self.files.of(name, given)?)?.train
            }
            (None, None, None) => bail!("--data, --images or --target is needed"),
        };
        of_images(&images, self.num.unwrap_or(8), device)
    }

    fn of_target(&self, path: &Path, seed: u64, format: Format, device: Device) -> Result<Tensor> {
        let target = target_file::read(path)?;
        let dim = target.dim();
        ensure!(
            format == Format::Tensors || dim <= 2,
            "--out {}: pictures need a target of 1 or 2 dimensions, and {} has {dim}; write .safetensors",
            self.out.display(),
            path.display()
        );
        ensure!(
            format != Format::Gif || dim == 2,
            "--out {}: a target of one dimension has a picture against time; write .png or .svg",
            self.out.display()
        );
        let num = self.num.unwrap_or(1000);
        sampling_memory::check_noised(num as u64, dim as i64, self.levels, device)?;
        let source = NoiseSource::new(seed, Purpose::Target);
        let rows: Vec<f64> = (0..num as u64).flat_map(|row| target.sample(&source, row)).collect();
        Ok(torch_ext::fence(|| {
            Tensor::from_slice(&rows).reshape([num as i64, dim as i64]).to_kind(Kind::Float).to_device(device)
        })?)
    }

    fn write(&self, format: Format, levels: &[Level], states: &[Tensor]) -> Result<()> {
        let path = &self.out;
        if format == Format::Tensors {
            return write_tensors(path, levels, states);
        }
        let shown: Vec<Tensor> =
            levels.iter().zip(states).map(|(level, state)| pictures::in_scale(state, level)).collect();
        match (shown[0].size()[..].len(), format) {
            (4, Format::Png) => pictures::write_columns(path, &shown),
            (4, Format::Svg) => {
                bail!("--out {}: images are written as .png or .gif; .svg is for targets", path.display())
            }
            (4, _) => {
                let frames = shown.iter().map(pictures::grid).collect::<Result<Vec<_>>>()?;
                Ok(write_gif(path, &frames, FRAME)?)
            }
            _ => PointPicture::new(&shown, &[])?.write(path, FRAME),
        }
    }
}

fn of_images(images: &ImageSet, num: usize, device: Device) -> Result<Tensor> {
    ensure!(num <= images.len(), "--num must be at most {}, the number of images, got {num}", images.len());
    let images = images.first(num);
    let shape = images.shape();
    let size = [num as i64, shape.channels as i64, shape.height as i64, shape.width as i64];
    Ok(torch_ext::fence(|| from_u8(&Tensor::from_slice(images.pixels()).reshape(size)).to_device(device))?)
}

fn write_tensors(path: &Path, levels: &[Level], states: &[Tensor]) -> Result<()> {
    let column = |of: fn(&Level) -> f64| {
        let values: Vec<f64> = levels.iter().map(of).collect();
        Tensor::from_slice(&values)
    };
    let x = torch_ext::fence(|| Tensor::stack(states, 0))?;
    let tensors = [
        ("x", &x),
        ("alpha", &column(Level::alpha)),
        ("sigma", &column(Level::sigma)),
        ("time", &column(time)),
    ];
    Ok(tensor_file::write(path, tensors)?)
}

/// 0 for data, the 1-based timestep, or the time of a process.
fn time(level: &Level) -> f64 {
    match level.time() {
        Time::Clean => 0.0,
        Time::Index(t) => f64::from(t.one_based()),
        Time::FractionalIndex(t) => t + 1.0,
        Time::Continuous(t) | Time::Sigma(t) => t,
    }
}
