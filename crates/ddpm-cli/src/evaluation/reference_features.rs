//! Features of a data set's images, kept in the cache: a network over 50,000 real images takes long, and their features never change.

use super::image_set::{Images, features};
use crate::runtime::StopFlag;
use anyhow::{Context, Result};
use ddpm_data::{datasets_dir, sha256_bytes};
use ddpm_eval::extractor::{ExtractorChoice, FeatureExtractor, FeatureFile};
use torch_ext::dist::Workers;

/// The features of `of` from the cache, or computed and kept there under a digest of the pixels and the extractor's name. The file says whose they
/// are. Pixels themselves are not kept.
pub(crate) fn reference_features(
    choice: &ExtractorChoice,
    extractor: &dyn FeatureExtractor,
    of: &Images,
    workers: &Workers,
    stop: &StopFlag,
) -> Result<FeatureFile> {
    if *choice == ExtractorChoice::Pixels {
        return features(extractor, of, workers, stop);
    }
    let shape = of.images.shape();
    let key = format!("{} {shape} {}", extractor.name(), sha256_bytes(of.images.pixels()));
    let folder = datasets_dir()?.with_file_name("features");
    let path = folder.join(format!("{}.safetensors", &sha256_bytes(key.as_bytes())[..16]));
    // A file that cannot be read, such as one of another version, is made anew.
    let kept = FeatureFile::read(&path).ok().filter(|kept| {
        kept.extractor == extractor.name() && kept.set.features.size()[0] as usize == of.images.len()
    });
    // Of several processes all read the file, or none: the machines may have caches of their own.
    let kept = if workers.any(kept.is_none())? { None } else { kept };
    if let Some(kept) = kept {
        note!("features: those of {} images ({}) are in the cache", of.images.len(), of.name);
        return Ok(FeatureFile { images: of.name.clone(), ..kept });
    }
    let found = features(extractor, of, workers, stop)?;
    if !workers.is_first() {
        return Ok(found);
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("the cache folder {}", folder.display()))?;
    found.write(&path)?;
    Ok(found)
}
