//! `ddpm eval features`: the features of a set of images, as a file.

use super::data_options::DataOptions;
use crate::evaluation::{features, load_extractor, of_folder};
use crate::global_options::Global;
use crate::output::{check_files, print};
use crate::runtime::{self, NOTHING_WRITTEN, StopFlag};
use crate::workers::{self, in_turn};
use anyhow::{Result, ensure};
use ddpm_eval::extractor::ExtractorChoice;
use std::path::PathBuf;

/// Write the features of a set of images
///
/// `features` [n, d] f32 and, where the extractor has classes, `logits` [n, k].
#[derive(clap::Args, Debug)]
pub(crate) struct Features {
    /// A folder of images, or of the shards of `ddpm sample --shards`
    #[arg(long, value_name = "DIR", required_unless_present = "data", conflicts_with = "data")]
    images: Option<PathBuf>,
    /// inception, inception:FILE, torchscript:FILE, classifier:DIR or pixels
    #[arg(long, value_name = "EX")]
    extractor: ExtractorChoice,
    /// The file
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    data: DataOptions,
}

impl Features {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm eval features, which draws nothing at random")?;
        check_files(&[("--out", Some(&self.out))], &[])?;
        ensure!(
            self.out.extension().is_some_and(|extension| extension == "safetensors"),
            "--out {}: expected FILE.safetensors",
            self.out.display()
        );
        let workers = workers::join()?;
        let device = runtime::prepare(global.device, global.threads)?;
        let stop = StopFlag::install()?;
        let file = stop.abandonable(NOTHING_WRITTEN, || {
            let extractor = in_turn(&workers, || load_extractor(&self.extractor, device))?;
            let images = match &self.images {
                Some(path) => {
                    global.given.refuse_group::<DataOptions>("with --images: it is for --data")?;
                    of_folder(path)?
                }
                None => in_turn(&workers, || self.data.load(&global.given))?,
            };
            features(extractor.as_ref(), &images, &workers, &stop)
        })?;
        if !workers.is_first() {
            return Ok(());
        }
        file.write(&self.out)?;
        print(&format!("{}\n", self.out.display()))
    }
}
