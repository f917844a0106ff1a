//! `ddpm data`: list, fetch and describe data sets.

use crate::datasets::{fetch, report_unread};
use crate::global_options::Global;
use crate::image_file_options::ImageFileOptions;
use crate::output::{self, print};
use crate::runtime::{NOTHING_WRITTEN, StopFlag};
use crate::target_file;
use anyhow::Result;
use ddpm_data::moments::{Moments, moments};
use ddpm_data::{DatasetName, ImageOptions, Loaded, Source, info, manifest};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// List, fetch and describe data sets
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Data {
    /// List the data sets: licence, size, and whether they are here
    List,
    /// Download a data set into the cache; resumes, and verifies checksums
    Fetch {
        /// The data set
        name: DatasetName,
    },
    /// Print the number, shape and classes of a data set's images
    Info {
        /// The data set
        name: DatasetName,
        /// A local folder instead of the cache
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        images: ImageFileOptions,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fit a Gaussian to a data set's training images: a target for sample, denoise and decompose
    ///
    /// Writes f64 `mean` [d] and `cov` [d, d] of the images scaled to [-1, 1]; divided by n, not n - 1.
    #[command(after_help = "\
Example:
  ddpm data fit-gaussian digits --out digits.safetensors
  echo '{\"kind\":\"gaussian\",\"file\":\"digits.safetensors\"}' > digits.json
  ddpm decompose --target digits.json --w2 --process vp --sampler ei --steps 100")]
    FitGaussian {
        /// The data set
        name: DatasetName,
        /// A local folder instead of the cache
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        images: ImageFileOptions,
        /// Write a mean of 0 with the covariance around the true mean, as published W2 tables of data sets have it
        #[arg(long)]
        centred: bool,
        /// Where the moments go
        #[arg(long, value_name = "FILE.safetensors")]
        out: PathBuf,
    },
}

impl Data {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm data, which draws nothing at random")?;
        match self {
            Data::List => list(),
            Data::Fetch { name } => print(&format!("{}\n", fetch(*name)?.display())),
            Data::Info { name, data_dir, images, json } => {
                let options = images.of(*name, &global.given)?;
                let source = Source::from_data_dir(data_dir.as_deref())?;
                let load = || Ok(ddpm_data::load_with(*name, &source, &options)?);
                describe(*name, &StopFlag::install()?.abandonable("nothing was printed", load)?, *json)
            }
            Data::FitGaussian { name, data_dir, images, centred, out } => {
                let options = images.of(*name, &global.given)?;
                output::check_files(&[("--out", Some(out))], &[("--data-dir", data_dir.as_deref())])?;
                let fit = || fit_gaussian(*name, data_dir.as_deref(), &options, *centred);
                let moments = StopFlag::install()?.abandonable(NOTHING_WRITTEN, fit)?;
                write_gaussian(&moments, out)
            }
        }
    }
}

fn list() -> Result<()> {
    let cache = ddpm_data::datasets_dir()?;
    let mut text = String::new();
    for &name in DatasetName::ALL {
        let Ok(entry) = manifest::entry(name) else { continue };
        let bytes: u64 = entry.files.iter().map(|file| file.size).sum();
        let place = if entry.files.iter().all(|file| file.urls.is_empty()) {
            "part of the program or a folder of yours".to_string()
        } else if ddpm_data::is_fetched(name, &cache)? {
            "fetched".to_string()
        } else {
            format!("not fetched: ddpm data fetch {name}")
        };
        writeln!(text, "{:14} {:>7.1} MB  {:13} {place}", name.as_str(), bytes as f64 / 1e6, entry.licence)?;
    }
    print(&text)
}

fn fit_gaussian(
    name: DatasetName,
    data_dir: Option<&Path>,
    options: &ImageOptions,
    centred: bool,
) -> Result<Moments> {
    let Loaded { dataset, unread } = ddpm_data::load_with(name, &Source::from_data_dir(data_dir)?, options)?;
    report_unread(&unread);
    let images = dataset.train;
    note!("data: {name}, moments of {} images in {} dimensions", images.len(), images.shape().dimension());
    let mut moments = moments(&images)?;
    if centred {
        moments.mean.fill(0.0);
    }
    Ok(moments)
}

fn write_gaussian(moments: &Moments, out: &Path) -> Result<()> {
    target_file::write_moments(out, &moments.mean, &moments.covariance)?;
    let trace: f64 = moments.covariance.iter().step_by(moments.mean.len() + 1).sum();
    print(&format!(
        "{}: {} images, {} dimensions, total variance {trace:.4}\n",
        out.display(),
        moments.count,
        moments.mean.len()
    ))
}

fn describe(name: DatasetName, loaded: &Loaded, json: bool) -> Result<()> {
    let data = &loaded.dataset;
    report_unread(&loaded.unread);
    let summary = info::summarize(data);
    if json {
        return print(&format!("{}\n", serde_json::to_string(&summary)?));
    }
    let mut text = String::new();
    let shape = summary.shape;
    writeln!(
        text,
        "{name}: {} x {} x {} (channels, height, width)",
        shape.channels, shape.height, shape.width
    )?;
    for split in &summary.splits {
        writeln!(text, "{}: {} images, pixels sha256 {}", split.split, split.count, split.pixels_sha256)?;
        for (index, channel) in split.channels.iter().enumerate() {
            writeln!(
                text,
                "  channel {index}: mean {:.4}, standard deviation {:.4}",
                channel.mean, channel.std
            )?;
        }
        for class in &split.classes {
            writeln!(text, "  {:>7} {}", class.count, class.name)?;
        }
    }
    print(&text)
}
