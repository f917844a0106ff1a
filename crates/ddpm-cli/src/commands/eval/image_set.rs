//! A set of images by where it lies, and its features.

use crate::datasets::{fetch_file, load_data, report_unread};
use crate::given::Given;
use crate::image_file_options::ImageFileOptions;
use crate::progress::Progress;
use crate::runtime::StopFlag;
use anyhow::{Context, Result, bail, ensure};
use ddpm_data::manifest::FileEntry;
use ddpm_data::{DatasetName, ImageSet, ImageShape, Loaded, Source, Split, datasets_dir};
use ddpm_eval::extractor::{
    ExtractorChoice, FeatureExtractor, FeatureFile, INCEPTION_FILE, INCEPTION_SHA256, INCEPTION_SIZE,
    INCEPTION_URL, extract,
};
use ddpm_nets::tensor_file;
use std::path::{Path, PathBuf};
use tch::{Device, Kind};

/// Images at once.
const BATCH: usize = 100;

/// A data set.
#[derive(clap::Args, Debug, Clone)]
pub(super) struct DataOptions {
    /// A data set: digits, fashion-mnist, cifar10 or image-folder
    #[arg(long, value_name = "NAME")]
    pub(super) data: Option<DatasetName>,
    /// Its part: train or held-out [default: train; for a likelihood held-out where there are such images]
    #[arg(long, value_name = "SPLIT", value_parser = split)]
    pub(super) split: Option<Split>,
    /// A local folder instead of the cache
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) files: ImageFileOptions,
}

fn split(word: &str) -> Result<Split, String> {
    match word {
        "train" => Ok(Split::Train),
        "held-out" => Ok(Split::HeldOut),
        _ => Err("expected train or held-out".into()),
    }
}

/// Images with a text that says which.
pub(super) struct Images {
    pub(super) images: ImageSet,
    pub(super) name: String,
}

impl DataOptions {
    /// The images of the data set, of its training part unless another is named.
    pub(super) fn load(&self, given: &Given) -> Result<Images> {
        self.load_or(Split::Train, given)
    }

    /// The images of the data set, of the `usual` part, where it has one, unless another is named.
    pub(super) fn load_or(&self, usual: Split, given: &Given) -> Result<Images> {
        let name = self.data.context("--data is needed")?;
        let options = self.files.of(name, given)?;
        let dataset = load_data(name, self.data_dir.as_deref(), &options)?;
        let usual = if dataset.held_out.is_some() { usual } else { Split::Train };
        let split = self.split.unwrap_or(usual);
        let images = match (split, dataset.held_out) {
            (Split::Train, _) => dataset.train,
            (Split::HeldOut, Some(images)) => images,
            (Split::HeldOut, None) => bail!("--split held-out: {name} has no held-out images"),
        };
        Ok(Images { images, name: format!("{name}, {split}") })
    }
}

/// The images of a folder: pictures in any layout of an image folder, or the shards of `ddpm sample --shards`.
pub(super) fn of_folder(path: &Path) -> Result<Images> {
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
pub(super) fn load_extractor(choice: &ExtractorChoice, device: Device) -> Result<Box<dyn FeatureExtractor>> {
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

/// The features of images, with a progress bar.
pub(super) fn features(
    extractor: &dyn FeatureExtractor,
    of: &Images,
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
    let set = extract(extractor, shape, images.len(), BATCH, &mut batch, &mut progress)?;
    bar.finish(&format!("{} images by {}", images.len(), extractor.name()));
    Ok(FeatureFile { set, extractor: extractor.name(), images: of.name.clone() })
}
