//! Samples of a network on images.

use super::{IMAGES, Sample};
use crate::checkpoint_sampling::{ANIMATION, ImageSampling, TRAJECTORY};
use crate::checkpoints::load_images;
use crate::global_options::Global;
use crate::guiding_classifier::GuidingClassifier;
use crate::image_model::{ImageModel, image_shape};
use crate::noising_options::NoisingOptions;
use crate::output::print;
use crate::pictures;
use crate::runtime::{self, StopFlag};
use crate::sample_files::{SampleFiles, network_digest, settings};
use crate::sampler_options::Origin;
use crate::sampling_memory;
use crate::terminal_noise::warn_of_signal;
use crate::workers;
use anyhow::{Context, Result, bail, ensure};
use ddpm_core::Scheme;
use ddpm_data::samples::{Existing, SampleFormat};
use ddpm_data::sha256_file;
use ddpm_nets::Threshold;
use ddpm_nets::checkpoint::{Checkpoint, Classes, VectorCheckpoint};
use ddpm_sample::Record;
use ddpm_sample::guidance::Interval;
use serde_json::json;
use std::path::{Path, PathBuf};

impl Sample {
    pub(super) fn of_checkpoint(&self, dir: &Path, global: &Global) -> Result<()> {
        let given = &global.given;
        given.refuse_group::<NoisingOptions>("with --checkpoint, which has its own noising process")?;
        given.refuse(&["final_denoise"], "with --checkpoint: it is for --process")?;
        let out = self.out.as_deref().unwrap_or(Path::new("grid.png"));
        let workers = workers::join()?;
        let device = runtime::prepare(global.device, global.threads)?;
        if VectorCheckpoint::is_at(dir)? {
            return self.of_vectors(dir, global, device);
        }
        let mut checkpoint = load_images(dir, device)?;
        if let Some(null) = self.null_class {
            let rows = checkpoint.network.config().num_class_embeds;
            let rows = rows.context("--null-class: this model is unconditional")?;
            checkpoint.classes = Some(Classes::with_null(rows, null).context("--null-class")?);
        }
        let clips = self.threshold.unwrap_or(checkpoint.scheduler.threshold()) != Threshold::None;
        self.sampler.check_thresholding(clips, Origin::CommandLine)?;
        warn_of_signal(checkpoint.scheduler.noising())?;
        let shape = image_shape(&checkpoint);
        let (noise, mut num) = self.noise(&shape, global)?;
        for (option, path, ending) in [("--trajectory", &self.trajectory, "png"), ("--gif", &self.gif, "gif")]
        {
            let Some(path) = path else { continue };
            ensure!(
                path.extension().is_some_and(|extension| extension == ending),
                "{option} {}: expected a name that ends in .{ending} for images",
                path.display()
            );
        }
        let by_ode = self.encode.is_some() || self.interpolate.is_some();
        if self.interpolate.is_some() {
            num = self.frames();
            ensure!(num >= 2, "--frames must be at least 2, the two pictures, got {num}");
        }
        let format = if self.encode.is_some() { SampleFormat::Tensors } else { self.format(out)? };
        let scale = self.classifier_scale.unwrap_or(1.0);
        let load = |dir: &PathBuf| GuidingClassifier::load(dir, scale, &checkpoint, device);
        let classifier = self.classifier.as_ref().map(load).transpose()?;
        let labels = self.labels(&checkpoint, classifier.is_some())?;
        let classes = classifier.as_ref().map(|guide| self.guided_classes(guide)).transpose()?;
        let batch_size = self.batch_size.unwrap_or(IMAGES);
        sampling_memory::check_images(batch_size.min(num), checkpoint.network.config(), device)?;
        let guided_by = self.classifier.as_deref().map(network_digest).transpose()?;
        let files = SampleFiles {
            path: out,
            format,
            existing: Existing::Refuse,
            model: settings([
                ("checkpoint", network_digest(dir)?),
                ("guidance", json!(self.guidance)),
                ("guidance_interval", json!(self.guidance_interval)),
                ("null_class", json!(self.null_class)),
                ("classifier", json!(guided_by)),
                ("classifier_scale", json!(self.classifier.as_ref().map(|_| scale))),
                ("epsilon_scale", json!(self.epsilon_scale)),
                ("noise_sha256", json!(self.noise_digest()?)),
                ("input_sha256", json!(self.input_digests()?)),
            ]),
            source: settings([("checkpoint", json!(dir))]),
            scale: 1.0,
            shape: image_shape(&checkpoint).to_vec(),
            classes: labels.clone().or(classes.clone()),
        };
        let scheme =
            if by_ode { Scheme::OdeHeun } else { self.scheme(checkpoint.scheduler.variance(), given)? };
        let mut job = ImageSampling {
            dir,
            scheme,
            steps: self.steps.unwrap_or(checkpoint.scheduler.noising().default_steps()),
            grid: self.grid,
            chosen: self.chosen_levels()?,
            at: self.at,
            tolerance: self.sampler.tolerance(),
            num,
            batch_size,
            noise,
            record: self.record(),
            // Clipping on the way down would not lead back to what was encoded without it.
            threshold: if by_ode { Some(self.threshold.unwrap_or(Threshold::None)) } else { self.threshold },
            known: self.known_region(shape, &scheme)?,
            model: ImageModel {
                checkpoint: &checkpoint,
                guidance: self.guidance(dir, checkpoint.classes.as_ref())?,
                labels,
                classifier: classifier.zip(classes),
                epsilon_scale: self.epsilon_scale,
            },
        }
        .job()?;
        if let Some(path) = &self.encode {
            if !workers.is_first() {
                return Ok(());
            }
            let written = self.write_encoding(path, shape, &job, device)?;
            return print(&format!("{}\n", written.display()));
        }
        if let Some(ends) = &self.interpolate {
            job.noise = self.between(ends, shape, &job, device)?;
        }
        if let Some(first) = files.write(&job, device, &StopFlag::install()?, &workers)? {
            if let Some(path) = &self.trajectory {
                pictures::write_trajectory(path, &first, TRAJECTORY)?;
            }
            if let Some(path) = &self.gif {
                pictures::write_animation(path, &first)?;
            }
        }
        print(&format!("{}\n", out.display()))
    }

    /// The states that the pictures of the reverse process show.
    fn record(&self) -> Record {
        match (&self.gif, &self.trajectory) {
            (Some(_), _) => ANIMATION,
            (None, Some(_)) => TRAJECTORY,
            (None, None) => Record::default(),
        }
    }

    /// Digests of the pictures that samples start from, by option.
    fn input_digests(&self) -> Result<Vec<String>> {
        let paths = self.inpaint.iter().chain(&self.mask).chain(self.interpolate.iter().flatten());
        Ok(paths.map(|path| sha256_file(path)).collect::<Result<_, _>>()?)
    }

    fn guidance(&self, dir: &Path, classes: Option<&Classes>) -> Result<Option<(f64, Interval)>> {
        let Some(weight) = self.guidance else { return Ok(None) };
        let classes = classes.context("--guidance: this model is unconditional")?;
        ensure!(weight.is_finite(), "--guidance must be finite, got {weight}");
        ensure!(
            weight == 1.0 || classes.null().is_some(),
            "--guidance: {} has no label that stands for no class, which a weight of {weight} needs: name it with --null-class K, \
             or train with train.label_dropout above 0",
            dir.display()
        );
        let interval = match self.guidance_interval.as_deref() {
            None => Interval::ALL,
            Some(&[low, high]) if low < high => Interval { low, high },
            Some(other) => bail!("--guidance-interval must be LOW,HIGH with LOW below HIGH, got {other:?}"),
        };
        Ok(Some((weight, interval)))
    }

    /// The classes that a classifier guides images to in turn: the given one, or all.
    fn guided_classes(&self, classifier: &GuidingClassifier) -> Result<Vec<i64>> {
        let classes = classifier.classes();
        match self.class {
            Some(class) => {
                ensure!(
                    (0..classes).contains(&class),
                    "--class must lie between 0 and {}, the classifier's last, got {class}",
                    classes - 1
                );
                Ok(vec![class])
            }
            None => Ok((0..classes).collect()),
        }
    }

    /// The classes that images of a class-conditional network have in turn.
    fn labels(&self, checkpoint: &Checkpoint, guided: bool) -> Result<Option<Vec<i64>>> {
        match (&checkpoint.classes, self.class) {
            (None, None) => Ok(None),
            (None, Some(_)) if guided => Ok(None),
            (None, Some(_)) => {
                bail!("--class: this model is unconditional; --classifier DIR can guide it to a class")
            }
            (Some(classes), None) => Ok(Some(classes.labels().to_vec())),
            (Some(classes), Some(class)) => {
                let last = classes.labels().last().copied().unwrap_or(0);
                let null = classes.null().map_or_else(String::new, |null| format!(" (or {null}, no class)"));
                ensure!(classes.knows(class), "--class must lie between 0 and {last}{null}, got {class}");
                Ok(Some(vec![class]))
            }
        }
    }
}
