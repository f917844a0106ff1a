//! Loading a data set into memory, after fetching it into the cache if it is not there.

use crate::progress::Progress;
use crate::runtime::StopFlag;
use anyhow::Result;
use ddpm_data::manifest::FileEntry;
use ddpm_data::{Dataset, DatasetName, FetchProgress, ImageOptions, Loaded, Source, Unread};
use std::path::{Path, PathBuf};

/// Downloads a data set into the cache, with progress.
pub(crate) fn fetch(name: DatasetName) -> Result<PathBuf> {
    with_progress(|report| Ok(ddpm_data::fetch(name, &ddpm_data::datasets_dir()?, report)?))
}

/// Downloads one file into a folder, with progress, unless it is there intact.
pub(crate) fn fetch_file(file: &FileEntry, folder: &Path) -> Result<()> {
    if folder.join(&file.name).is_file() {
        return Ok(ddpm_data::fetch_file(file, folder, &mut |_| {})?);
    }
    with_progress(|report| Ok(ddpm_data::fetch_file(file, folder, report)?))
}

fn with_progress<T>(work: impl FnOnce(&mut dyn FnMut(FetchProgress<'_>)) -> Result<T>) -> Result<T> {
    let mut current: Option<(String, Progress)> = None;
    let mut report = |progress: FetchProgress<'_>| {
        if current.as_ref().is_none_or(|(file, _)| file != progress.file) {
            note!("fetch: {} ({:.1} MB)", progress.file, progress.total as f64 / 1e6);
            let bar = Progress::new("fetch", "bytes", progress.done, progress.total);
            current = Some((progress.file.to_string(), bar));
        }
        if let Some((file, bar)) = &mut current {
            bar.set(progress.done, || file.clone());
        }
    };
    // Also while a server does not answer, when nobody could be asked.
    StopFlag::install()?
        .abandonable("what has arrived is kept, and the same command goes on from there", || {
            work(&mut report)
        })
}

/// Loads a data set into memory, fetching it first where that is needed; says what is not read.
pub(crate) fn load_data(name: DatasetName, dir: Option<&Path>, options: &ImageOptions) -> Result<Dataset> {
    let source = Source::from_data_dir(dir)?;
    if let Source::Managed(cache) = &source
        && name != DatasetName::ImageFolder
        && !ddpm_data::is_fetched(name, cache)?
    {
        fetch(name)?;
    }
    let Loaded { dataset, unread } = ddpm_data::load_with(name, &source, options)?;
    report_unread(&unread);
    let held_out = dataset.held_out.as_ref().map_or(0, ddpm_data::ImageSet::len);
    note!("data: {}, {} training and {held_out} held-out images", name, dataset.train.len());
    Ok(dataset)
}

/// Says what lies among the images and is not read, or not whole.
pub(crate) fn report_unread(unread: &Unread) {
    unread.lines().iter().for_each(|line| note!("data: {line}"));
}
