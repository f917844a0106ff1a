//! The data sets that closed-form targets are fitted to and networks are trained on.

use crate::closed_form_target::TargetName;
use crate::monitor::Monitor;
use crate::networks::NetworkName;
use anyhow::{Context, Result};
use ddpm_data::{Dataset, DatasetName, Source};
use serde::Serialize;
use std::path::Path;

/// A part of the benchmark that could not be run, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NotRun {
    /// The part.
    pub(crate) what: String,
    /// The reason.
    pub(crate) reason: String,
    /// The remedy.
    pub(crate) remedy: String,
}

/// The data sets that are present.
#[derive(Debug)]
pub(crate) struct Datasets {
    /// The digits, which are part of the program.
    pub(crate) digits: Dataset,
    /// Fashion-MNIST, where it is needed and available.
    pub(crate) fashion: Option<Dataset>,
    /// The parts without data.
    pub(crate) missing: Vec<NotRun>,
}

impl Datasets {
    /// The images that a network is trained on, where they are available.
    pub(crate) fn of(&self, network: NetworkName) -> Option<&Dataset> {
        match network {
            NetworkName::DigitsNetwork => Some(&self.digits),
            NetworkName::FashionNetwork => self.fashion.as_ref(),
        }
    }

    /// Loads the data sets. A folder that the user names must hold the data. Without one, data that are neither in the cache nor can be fetched
    /// are listed as missing.
    pub(crate) fn load(
        fashion_is_needed: bool,
        data_dir: Option<&Path>,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let digits = ddpm_data::load(DatasetName::Digits, &Source::from_data_dir(None)?)?;
        let mut data = Datasets { digits, fashion: None, missing: Vec::new() };
        if !fashion_is_needed {
            return Ok(data);
        }
        match (fashion(data_dir, monitor), data_dir) {
            (Ok(fashion), _) => data.fashion = Some(fashion),
            (Err(error), Some(_)) => return Err(error.context("--data-dir")),
            (Err(error), None) => {
                monitor.message(&format!("data: Fashion-MNIST is left out: {error:#}"));
                data.missing.push(NotRun {
                    what: format!("{} and {}", TargetName::FashionGaussian, NetworkName::FashionNetwork),
                    reason: "Fashion-MNIST is neither in the cache nor could it be fetched".to_owned(),
                    remedy: "give its folder with --data-dir DIR, or run ddpm data fetch fashion-mnist where there is a network connection; then run the same command again"
                        .to_owned(),
                });
            }
        }
        Ok(data)
    }
}

fn fashion(data_dir: Option<&Path>, monitor: &dyn Monitor) -> Result<Dataset> {
    let source = Source::from_data_dir(data_dir)?;
    if let Source::Managed(cache) = &source
        && !ddpm_data::is_fetched(DatasetName::FashionMnist, cache)?
    {
        fetch(DatasetName::FashionMnist, cache, monitor).context("it cannot be fetched")?;
    }
    Ok(ddpm_data::load(DatasetName::FashionMnist, &source)?)
}

/// Downloads a data set into the cache, one stage of progress a file.
fn fetch(name: DatasetName, cache: &Path, monitor: &dyn Monitor) -> Result<()> {
    let mut current = String::new();
    ddpm_data::fetch(name, cache, &mut |progress| {
        if current != progress.file {
            current = progress.file.to_owned();
            monitor.begin("fetch", "bytes", progress.done, progress.total);
        }
        monitor.advance(progress.done, progress.file);
    })?;
    if !current.is_empty() {
        monitor.end(name.as_str());
    }
    Ok(())
}
