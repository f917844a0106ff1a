//! Samples that start from images: a kept region, encodings, and images between two others.

use super::Sample;
use crate::given::Given;
use crate::runtime::StopFlag;
use crate::sampler_options::SamplerOptions;
use crate::sampling::{KnownRegion, SamplingJob};
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::Scheme;
use ddpm_data::picture::Picture;
use ddpm_nets::pixels::from_u8;
use ddpm_nets::tensor_file;
use ddpm_sample::{NoiseInput, interpolate};
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

/// Frames of `--interpolate` where no number is given, both ends included.
const FRAMES: u64 = 10;
/// Brightness from which a pixel of a mask is white.
const WHITE: u8 = 128;

impl Sample {
    /// Refuses what does not go with images as inputs.
    pub(super) fn check_edits(&self, given: &Given) -> Result<()> {
        if self.inpaint.is_none() {
            given.refuse(&["mask"], "without --inpaint")?;
        } else {
            ensure!(
                self.mask.is_some(),
                "--inpaint needs --mask MASK.png, white where pixels are drawn anew"
            );
        }
        if self.interpolate.is_none() {
            given.refuse(&["frames"], "without --interpolate")?;
        }
        if self.encode.is_some() {
            let why = "with --encode, which draws no samples";
            given.refuse(&["trajectory", "gif", "threshold", "shards"], why)?;
        }
        for (option, is_given) in
            [("--encode", self.encode.is_some()), ("--interpolate", self.interpolate.is_some())]
        {
            if is_given {
                let why =
                    format!("with {option}, which goes through the probability-flow ODE by Heun's method");
                given.refuse_group::<SamplerOptions>(&why)?;
                given
                    .refuse(&["seed", "num", "noise"], &format!("with {option}, which starts from images"))?;
            }
        }
        Ok(())
    }

    /// The region that every sample keeps.
    pub(super) fn known_region(&self, shape: [i64; 3], scheme: &Scheme) -> Result<Option<KnownRegion>> {
        let (Some(image), Some(mask)) = (&self.inpaint, &self.mask) else { return Ok(None) };
        if matches!(scheme, Scheme::OdeRk45 | Scheme::Langevin { .. } | Scheme::AnnealedLangevin { .. }) {
            bail!(
                "--inpaint replaces the known region after every step from one noise level to the next, which {} does not take; \
                   use another --sampler",
                scheme.name()
            );
        }
        let data = model_image(image, shape)?;
        let picture = read_png(mask)?;
        let [_, height, width] = shape;
        ensure!(
            (picture.height() as i64, picture.width() as i64) == (height, width),
            "--mask {}: expected {width}x{height} pixels like the model's images, got {}x{}",
            mask.display(),
            picture.width(),
            picture.height()
        );
        let plane = (height * width) as usize;
        let kept: Vec<bool> =
            picture.planes()[..plane].iter().map(|&brightness| brightness < WHITE).collect();
        ensure!(
            kept.iter().any(|kept| *kept) && !kept.iter().all(|kept| *kept),
            "--mask {}: expected white pixels (drawn anew) and black ones (kept), found one kind alone",
            mask.display()
        );
        Ok(Some(KnownRegion { data, kept: Tensor::from_slice(&kept).reshape([1, 1, height, width]) }))
    }

    /// Writes the states at the noisiest level from which the ODE leads to the images of `--encode`.
    pub(super) fn write_encoding(
        &self,
        path: &Path,
        shape: [i64; 3],
        job: &SamplingJob<'_>,
        device: Device,
    ) -> Result<PathBuf> {
        let out = self.out.clone().unwrap_or_else(|| PathBuf::from("encoding.safetensors"));
        ensure!(
            out.extension().is_some_and(|extension| extension == "safetensors"),
            "--out {}: an encoding is numbers; expected FILE.safetensors",
            out.display()
        );
        let images = if path.is_dir() { folder_images(path, shape)? } else { model_image(path, shape)? };
        let states = job.encode(&images, device, &StopFlag::install()?)?;
        tensor_file::write(&out, [("x_T", &states)])?;
        Ok(out)
    }

    /// The starting states of the images between the two of `--interpolate`, both included.
    pub(super) fn between(
        &self,
        ends: &[PathBuf],
        shape: [i64; 3],
        job: &SamplingJob<'_>,
        device: Device,
    ) -> Result<NoiseInput> {
        let images = ends.iter().map(|path| model_image(path, shape)).collect::<Result<Vec<_>>>()?;
        let states =
            job.encode(&torch_ext::fence(|| Tensor::cat(&images, 0))?, device, &StopFlag::install()?)?;
        let frames = self.frames();
        let end = |index: i64| states.narrow(0, index, 1);
        let between = (0..frames)
            .map(|frame| Ok(interpolate(&end(0), &end(1), frame as f64 / (frames - 1) as f64)?))
            .collect::<Result<Vec<_>>>()?;
        Ok(NoiseInput::given(&torch_ext::fence(|| Tensor::cat(&between, 0))?, None)?)
    }

    /// Images of `--interpolate`.
    pub(super) fn frames(&self) -> u64 {
        self.frames.unwrap_or(FRAMES)
    }
}

fn read_png(path: &Path) -> Result<Picture> {
    Picture::read_png(path).with_context(|| format!("{}: expected a PNG picture", path.display()))
}

/// A picture in model space [1, c, h, w], of the shape of the model's images.
fn model_image(path: &Path, [channels, height, width]: [i64; 3]) -> Result<Tensor> {
    let picture = read_png(path)?;
    let got = (picture.channels() as i64, picture.height() as i64, picture.width() as i64);
    ensure!(
        got == (channels, height, width),
        "{}: expected {width}x{height} pixels in {channels} channels like the model's images, got {}x{} in {}",
        path.display(),
        got.2,
        got.1,
        got.0
    );
    Ok(torch_ext::fence(|| {
        from_u8(&Tensor::from_slice(&picture.planes()).reshape([1, channels, height, width]))
    })?)
}

/// The pictures of a folder in the order of their names [n, c, h, w].
fn folder_images(folder: &Path, shape: [i64; 3]) -> Result<Tensor> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "png"))
        .collect();
    paths.sort();
    ensure!(!paths.is_empty(), "--encode {}: has no PNG pictures", folder.display());
    let images = paths.iter().map(|path| model_image(path, shape)).collect::<Result<Vec<_>>>()?;
    Ok(torch_ext::fence(|| Tensor::cat(&images, 0))?)
}
