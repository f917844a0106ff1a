//! `ddpm eval neighbours`: the nearest training images of samples.

use super::data_options::DataPlace;
use crate::evaluation::{Images, features, load_extractor, of_folder, reference_features, with_bar};
use crate::global_options::Global;
use crate::output::{check_folder, print};
use crate::runtime::{self, NOTHING_WRITTEN, StopFlag, versions};
use anyhow::{Context, Result, ensure};
use ddpm_data::ImageSet;
use ddpm_data::picture::{GridLayout, Picture};
use ddpm_eval::extractor::ExtractorChoice;
use ddpm_eval::sample_metrics::{memorization, nearest};
use ddpm_report::neighbours_page::NeighboursPage;
use ddpm_report::results::{Format, NearestImages, Neighbours};
use ddpm_report::sections;
use std::path::PathBuf;

/// Neighbours of a sample.
const NEIGHBOURS: i64 = 5;
/// Rows of each picture.
const ROWS: usize = 12;

/// Nearest training images of samples, as a page and JSON: memorization
///
/// Compared with held-out images where there are any: without memorization samples are no nearer to training images than these.
#[derive(clap::Args, Debug)]
pub(crate) struct NeighboursOfSamples {
    /// A folder of samples: images, or the shards of `ddpm sample --shards`
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// inception, inception:FILE, torchscript:FILE, classifier:DIR or pixels
    #[arg(long, value_name = "EX")]
    extractor: ExtractorChoice,
    /// The folder of the page (index.html, neighbours.json)
    #[arg(long, value_name = "DIR")]
    report: PathBuf,
    #[command(flatten)]
    data: DataPlace,
}

impl NeighboursOfSamples {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm eval neighbours, which draws nothing at random")?;
        check_folder("--report", &self.report)?;
        ensure!(!self.report.is_file(), "--report {}: expected a folder, got a file", self.report.display());
        let stop = StopFlag::install()?;
        let page = stop.abandonable(NOTHING_WRITTEN, || self.page(global, &stop))?;
        std::fs::create_dir_all(&self.report).with_context(|| self.report.display().to_string())?;
        page.write(&self.report)?;
        print(&format!("{}\n", self.report.join("index.html").display()))
    }

    fn page(&self, global: &Global, stop: &StopFlag) -> Result<NeighboursPage> {
        let device = runtime::prepare(global.device, global.threads)?;
        let (train, held_out) = self.data.load_both(&global.given)?;
        let samples = of_folder(&self.images)?;
        ensure!(
            samples.images.shape() == train.images.shape(),
            "--images {}: images of {}, those of {} are of {}",
            self.images.display(),
            samples.images.shape(),
            train.name,
            train.images.shape()
        );
        let extractor = load_extractor(&self.extractor, device)?;
        let of_samples = features(extractor.as_ref(), &samples, stop)?;
        let reference =
            |images: &Images| reference_features(&self.extractor, extractor.as_ref(), images, stop);
        let of_train = reference(&train)?;
        let of_held_out = held_out.as_ref().map(reference).transpose()?;
        let [queries, set] = [&of_samples, &of_train].map(|file| &file.set.features);
        let (distances, indices) =
            with_bar(stop, "neighbours", |bar| nearest(queries, set, NEIGHBOURS.min(set.size()[0]), bar))?;
        let summary = with_bar(stop, "neighbours", |bar| {
            memorization(queries, set, of_held_out.as_ref().map(|file| &file.set.features), bar)
        })?;
        let (distances, indices) =
            (Vec::<Vec<f64>>::try_from(distances)?, Vec::<Vec<i64>>::try_from(indices)?);
        let near: Vec<NearestImages> = indices
            .into_iter()
            .zip(distances)
            .map(|(images, distances)| NearestImages {
                images: images.into_iter().map(|image| image as u64).collect(),
                distances,
            })
            .collect();
        let mut by_distance: Vec<usize> = (0..near.len()).collect();
        by_distance.sort_by(|&a, &b| near[a].distances[0].total_cmp(&near[b].distances[0]));
        by_distance.truncate(ROWS);
        let rows = ROWS.min(near.len());
        let evenly: Vec<usize> = (0..rows).map(|k| k * near.len() / rows).collect();
        let picture = |rows: &[usize], caption: &str| -> Result<sections::Picture> {
            let encoded = rows_of(rows, &samples.images, &train.images, &near)?.encode_png()?;
            Ok(sections::Picture { encoded, scale: 1, caption: caption.to_owned() })
        };
        Ok(NeighboursPage {
            nearest: picture(
                &by_distance,
                "The samples that are nearest to a training image, the nearest first.",
            )?,
            spread: picture(&evenly, "Samples spread evenly over all of them; not selected.")?,
            result: Neighbours {
                format: Format,
                summary,
                samples: format!("{} samples of {}", samples.images.len(), self.images.display()),
                data: format!("the {} images of {}", train.images.len(), train.name),
                extractor: extractor.name(),
                nearest: near,
            },
            command: format!(
                "ddpm eval neighbours --images {} --data {} --extractor {} --report {}",
                self.images.display(),
                self.data.data.map_or_else(String::new, |name| name.to_string()),
                self.extractor,
                self.report.display()
            ),
            versions: versions(),
        })
    }
}

/// A row for each sample: the sample and its nearest training images.
fn rows_of(rows: &[usize], samples: &ImageSet, train: &ImageSet, near: &[NearestImages]) -> Result<Picture> {
    let shape = samples.shape();
    let mut planes = Vec::new();
    for &row in rows {
        planes.extend(samples.gather(&[row], None));
        let images: Vec<usize> = near[row].images.iter().map(|&image| image as usize).collect();
        planes.extend(train.gather(&images, None));
    }
    let columns = near.first().map_or(1, |near| near.images.len() + 1);
    Ok(Picture::grid(&planes, shape, &GridLayout::readable(columns, shape))?)
}
