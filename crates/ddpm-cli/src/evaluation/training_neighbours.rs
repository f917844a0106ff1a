//! The nearest training images of samples, as a page.

use super::distances::with_bar;
use super::image_set::Images;
use crate::runtime::{StopFlag, versions};
use anyhow::Result;
use ddpm_data::ImageSet;
use ddpm_data::picture::{GridLayout, Picture};
use ddpm_eval::extractor::FeatureFile;
use ddpm_eval::sample_metrics::{memorization, nearest};
use ddpm_report::neighbours_page::NeighboursPage;
use ddpm_report::results::{Format, NearestImages, Neighbours};
use ddpm_report::sections;

/// Neighbours of a sample.
const NEIGHBOURS: i64 = 5;
/// Rows of each picture.
const ROWS: usize = 12;

/// Samples, training images and the features by which they are compared.
pub(crate) struct ComparedSets<'a> {
    /// The samples.
    pub(crate) samples: &'a Images,
    /// The training images.
    pub(crate) train: &'a Images,
    /// Features of the samples.
    pub(crate) of_samples: &'a FeatureFile,
    /// Features of the training images.
    pub(crate) of_train: &'a FeatureFile,
    /// Features of held-out images, where there are any.
    pub(crate) of_held_out: Option<&'a FeatureFile>,
}

impl ComparedSets<'_> {
    /// The page, as `command` makes it.
    pub(crate) fn page(&self, command: String, stop: &StopFlag) -> Result<NeighboursPage> {
        let [queries, set] = [self.of_samples, self.of_train].map(|file| &file.set.features);
        let (distances, indices) =
            with_bar(stop, "neighbours", |bar| nearest(queries, set, NEIGHBOURS.min(set.size()[0]), bar))?;
        let summary = with_bar(stop, "neighbours", |bar| {
            memorization(queries, set, self.of_held_out.map(|file| &file.set.features), bar)
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
            let encoded = rows_of(rows, &self.samples.images, &self.train.images, &near)?.encode_png()?;
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
                samples: format!("{} images ({})", self.samples.images.len(), self.samples.name),
                data: format!("the {} images of {}", self.train.images.len(), self.train.name),
                extractor: self.of_train.extractor.clone(),
                nearest: near,
            },
            command,
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
