//! `ddpm eval is`: the Inception Score.

use super::data_options::DataOptions;
use super::first_set::{FirstFeatures, FirstSet};
use crate::evaluation::{PARTS, class_score, reference_features};
use crate::global_options::Global;
use crate::output::{JsonOutput, check_files, print};
use crate::runtime::{self, NOTHING_WRITTEN, StopFlag};
use crate::workers::{self, in_turn};
use anyhow::{Context, Result};
use ddpm_report::results::ClassScore;

/// Inception Score of one set; the class score of another classifier
///
/// With --data the score of real images stands beside it.
#[derive(clap::Args, Debug)]
pub(crate) struct Score {
    #[command(flatten)]
    first: FirstSet,
    #[command(flatten)]
    data: DataOptions,
    /// Write JSON to a file, or to the standard output (-) instead of text
    #[arg(long, value_name = "FILE|-", help_heading = None::<&str>)]
    json: Option<JsonOutput>,
}

impl Score {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        self.first.check(global)?;
        if self.first.file().is_some() {
            global
                .given
                .refuse_group::<DataOptions>("with --features-a: it is for --images and --checkpoint")?;
        } else if self.data.place.data.is_none() {
            global.given.refuse_group::<DataOptions>("without --data")?;
        }
        check_files(&[("--json", JsonOutput::path(&self.json))], &[("--features-a", self.first.file())])?;
        let stop = StopFlag::install()?;
        let result = stop.abandonable(NOTHING_WRITTEN, || self.measure(global, &stop))?;
        if let Some(json) = &self.json {
            json.write(&result)?;
        }
        if JsonOutput::is_standard(&self.json) {
            return Ok(());
        }
        print(&format!(
            "{} {:.4} +- {:.4} (standard deviation of {PARTS} parts), 95 % interval {:.4} to {:.4}\n{}{} images, {} classes by {}\n",
            result.metric,
            result.value,
            result.deviation,
            result.interval[0],
            result.interval[1],
            result.reference_value.map_or_else(String::new, |value| format!("of real images: {value:.4}\n")),
            result.n_a,
            result.classes,
            result.extractor
        ))
    }

    fn measure(&self, global: &Global, stop: &StopFlag) -> Result<ClassScore> {
        let workers = &workers::join()?;
        let device = runtime::prepare(global.device, global.threads)?;
        let load = || self.data.load(&global.given);
        let data = self.data.place.data.map(|_| in_turn(workers, load)).transpose()?;
        let FirstFeatures { file, extractor } = self.first.features(global, device, workers, stop)?;
        let mut result = class_score(&file).with_context(|| file.images.clone())?;
        if let (Some(data), Some((choice, extractor))) = (data, extractor) {
            let real = reference_features(&choice, extractor.as_ref(), &data, workers, stop)?;
            result.reference_value = Some(class_score(&real)?.value);
        }
        Ok(result)
    }
}
