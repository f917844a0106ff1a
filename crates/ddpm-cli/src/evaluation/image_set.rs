//! A set of images by where it lies, and its features.

use crate::datasets::{fetch_file, report_unread};
use crate::progress::Progress;
use crate::runtime::StopFlag;
use anyhow::{Context, Result, bail, ensure};
use ddpm_data::manifest::FileEntry;
use ddpm_data::{DatasetName, ImageSet, ImageShape, Loaded, Source, datasets_dir};
use ddpm_eval::extractor::{
    ExtractorChoice, FeatureExtractor, FeatureFile, INCEPTION_FILE, INCEPTION_SHA256, INCEPTION_SIZE,
    INCEPTION_URL, extract,
};
use ddpm_nets::tensor_file;
use std::path::{Path, PathBuf};
use tch::{Device, Kind};
use torch_ext::dist::Workers;

/// Images at once.
const BATCH: usize = 100;

/// Images with a text that says which.
pub(crate) struct Images {
    pub(crate) images: ImageSet,
    pub(crate) name: String,
}

/// The images of a folder: pictures in any layout of an image folder, or the shards of `ddpm sample --shards`.
pub(crate) fn of_folder(path: &Path) -> Result<Images> {
    ensure!(path.is_dir(), "--images {}: expected a folder of images", path.display());
    let mut shards: Vec<PathBuf> = std::fs::read_dir(path)
        .with_context(|| path.display().to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    shards.sort();
    let images = if shards.is_empty() {
        let source = Source::Folder(path.to_path_buf());
        let options = ddpm_data::ImageOptions::default();
        let Loaded { dataset, unread } = ddpm_data::load_with(DatasetName::ImageFolder, &source, &options)?;
        report_unread(&unread);
        dataset.train
    } else {
        of_shards(&shards)?
    };
    Ok(Images { images, name: path.display().to_string() })
}

fn of_shards(shards: &[PathBuf]) -> Result<ImageSet> {
    let (mut shape, mut pixels) = (None, Vec::new());
    for shard in shards {
        let name = shard.display();
        let images = tensor_file::read(shard)?.remove("images");
        let images =
            images.with_context(|| format!("{name}: has no tensor `images` [n, c, h, w] of bytes"))?;
        let size = images.size();
        let [_, channels, height, width] = size[..] else {
            bail!("{name}: `images` must be [n, c, h, w], got {size:?}");
        };
        ensure!(images.kind() == Kind::Uint8, "{name}: `images` must be of bytes, got {:?}", images.kind());
        let own = ImageShape::new(channels as usize, height as usize, width as usize);
        ensure!(
            *shape.get_or_insert(own) == own,
            "{name}: images of {own}, where the first shard has another size"
        );
        pixels.extend(Vec::<u8>::try_from(images.contiguous().reshape([-1]))?);
    }
    Ok(ImageSet::new(shape.context("no shards")?, pixels)?)
}

/// Loads an extractor; the published Inception network is fetched where it is not there.
pub(crate) fn load_extractor(choice: &ExtractorChoice, device: Device) -> Result<Box<dyn FeatureExtractor>> {
    let mut file = PathBuf::new();
    if *choice == ExtractorChoice::Inception(None) {
        let folder = datasets_dir()?.with_file_name("extractors");
        let entry = FileEntry {
            name: INCEPTION_FILE.into(),
            size: INCEPTION_SIZE,
            sha256: INCEPTION_SHA256.into(),
            urls: vec![INCEPTION_URL.into()],
        };
        fetch_file(&entry, &folder).context(
            "the Inception network cannot be fetched; give a copy of the file as --extractor inception:FILE",
        )?;
        file = folder.join(INCEPTION_FILE);
    }
    Ok(choice.load(&file, device)?)
}

/// The features of images, with a progress bar. Several processes share the images, and all get every row.
pub(crate) fn features(
    extractor: &dyn FeatureExtractor,
    of: &Images,
    workers: &Workers,
    stop: &StopFlag,
) -> Result<FeatureFile> {
    let (images, shape) = (&of.images, of.images.shape());
    let mut bar = Progress::new("features", "images", 0, images.len() as u64);
    let dimension = shape.dimension();
    let mut batch =
        |first: usize, last: usize| Ok(images.pixels()[first * dimension..last * dimension].to_vec());
    let mut progress = |done: usize| {
        bar.set(done as u64, String::new);
        if stop.is_set() { Err(ddpm_eval::EvalError::Interrupted) } else { Ok(()) }
    };
    let set = extract(extractor, shape, images.len(), BATCH, &mut batch, workers, &mut progress)?;
    bar.finish(&format!("{} images by {}", images.len(), extractor.name()));
    Ok(FeatureFile { set, extractor: extractor.name(), images: of.name.clone() })
}
