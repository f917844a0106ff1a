//! The distance of a checkpoint's samples from real images in parts: the sets of samples, their features, and what they add up to.

use super::distances::with_bar;
use super::image_set::{Images, features};
use super::studied_sampler::{StudiedSampler, StudyJob};
use crate::config::FEWEST_SPLIT;
use crate::image_model::image_shape;
use crate::runtime::StopFlag;
use anyhow::{Context, Result, ensure};
use ddpm_core::recursion::Start;
use ddpm_core::{ChosenLevels, Scheme};
use ddpm_data::{Dataset, ImageSet, ImageShape, ShuffledOrder};
use ddpm_eval::extractor::{FeatureExtractor, INCEPTION};
use ddpm_eval::sample_metrics::{GROUPS, Grouped};
use ddpm_eval::{SplitDistances, SplitSets};
use ddpm_nets::pixels::{from_u8, to_u8};
use ddpm_report::results::{Format, SampleSplit, SplitCell, SplitTrial};
use ddpm_sample::{CoupledDraws, NoiseInput, Record};
use tch::{Device, Tensor};
use torch_ext::dist::Workers;

/// Images for each feature of half of the held-out ones, below which they are not divided: the floor's interval would be as wide as the distance.
const IMAGES_PER_FEATURE: usize = 20;

/// The sampler whose samples are compared, and with what.
pub(crate) struct SplitJob<'a> {
    /// The sampler.
    pub(crate) sampler: &'a StudiedSampler<'a>,
    /// Steps that stand for the most that the network supports: all its levels unless given.
    pub(crate) fine_steps: Option<usize>,
    /// Recommended changes of the sampler, to be measured as well.
    pub(crate) trials: Vec<Trial>,
    /// Samples of every combination.
    pub(crate) samples: u64,
    /// What makes the features.
    pub(crate) extractor: &'a dyn FeatureExtractor,
    /// The data set.
    pub(crate) data_name: String,
}

/// A recommended change of the sampler.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    /// What changes, in words.
    pub(crate) change: String,
    /// The sampler.
    pub(crate) scheme: Scheme,
    /// Its levels.
    pub(crate) levels: ChosenLevels,
}

/// Real images that starts are made from, and those that everything is compared with.
struct RealImages {
    starts: Images,
    reference: Images,
    trained_on: bool,
}

/// Which samples.
#[derive(Clone, Copy)]
struct Draw<'a> {
    start: Start,
    scheme: Scheme,
    steps: usize,
    chosen: Option<&'a ChosenLevels>,
}

/// What samples start from besides noise.
struct Starting<'a> {
    /// Images [m, c, h, w] in model space.
    noised: &'a Tensor,
    /// Their classes, for a class-conditional network.
    labels: Option<Vec<i64>>,
    /// The fine steps.
    fine: usize,
}

impl SplitJob<'_> {
    /// Samples at once unless told otherwise: layers of small images are too small to use a processor in small batches.
    pub(crate) fn usual_batch(shape: ImageShape) -> u64 {
        if shape.dimension() <= 1024 { 256 } else { 64 }
    }

    /// The fine steps, after what can be checked before anything is computed. `most` stands for them where none are given.
    pub(crate) fn fine_steps(
        scheme: &Scheme,
        steps: usize,
        fine_steps: Option<usize>,
        most: usize,
        samples: u64,
    ) -> Result<usize> {
        ensure!(
            !matches!(scheme, Scheme::Langevin { .. } | Scheme::OdeRk45),
            "--samples: {} has no number of steps that could be refined; use another sampler, such as ode-heun",
            scheme.name()
        );
        let fine = fine_steps.unwrap_or(most);
        ensure!(
            samples >= FEWEST_SPLIT,
            "--samples must be at least {FEWEST_SPLIT} for a checkpoint, got {samples}"
        );
        ensure!(
            fine >= 2 && fine >= steps,
            "--fine-steps must be at least 2 and the {steps} steps of the sampler, got {fine}"
        );
        Ok(fine)
    }

    /// The split. Several processes share the sampling; the result is the first one's.
    pub(crate) fn run(
        &self,
        dataset: &Dataset,
        workers: &Workers,
        stop: &StopFlag,
    ) -> Result<Option<SampleSplit>> {
        let most = self.sampler.checkpoint.scheduler.noising().default_steps();
        let fine =
            Self::fine_steps(&self.sampler.scheme, self.sampler.steps, self.fine_steps, most, self.samples)?;
        self.sampler.check_memory(self.samples)?;
        let RealImages { starts, reference, trained_on } = self.real_images(dataset)?;
        let origins = starts.images.len();
        let noised = self.model_space(&starts.images)?;
        // A sample from a noised image has the image's class, and the sample with its noise too.
        let labels = starts.images.labels().map(<[i64]>::to_vec);
        let labels = labels.filter(|_| self.sampler.checkpoint.classes.is_some());
        let starting = Starting { noised: &noised, labels, fine };
        let drawn = |start: Start, steps: usize, chosen: Option<&ChosenLevels>| {
            self.draw(&Draw { start, scheme: self.sampler.scheme, steps, chosen }, &starting, workers, stop)
        };
        // The levels that are chosen one by one are those of the sampler in question alone.
        let own = self.sampler.chosen.as_ref();
        let data = drawn(Start::Marginal, self.sampler.steps, own)?;
        let data_half = drawn(Start::Marginal, fine / 2, None)?;
        let data_fine = drawn(Start::Marginal, fine, None)?;
        let normal = drawn(Start::Prior, self.sampler.steps, own)?;
        let normal_fine = drawn(Start::Prior, fine, None)?;
        let mut trials = Vec::with_capacity(self.trials.len());
        for Trial { scheme, levels, .. } in &self.trials {
            let draw = Draw {
                start: Start::Prior,
                scheme: *scheme,
                steps: self.sampler.steps,
                chosen: Some(levels),
            };
            trials.push(self.draw(&draw, &starting, workers, stop)?);
        }
        if !workers.is_first() {
            return Ok(None);
        }
        let rows = |images: ImageSet, name: &str| -> Result<Tensor> {
            let of = Images { images, name: name.into() };
            Ok(features(self.extractor, &of, &Workers::alone(), stop)?.set.features)
        };
        // Sample i starts at image i mod m, or has the noise of the sample that does.
        let origin: Vec<usize> = (0..self.samples as usize).map(|i| i % origins).collect();
        let samples = |drawn: Option<ImageSet>| -> Result<Grouped> {
            let images = drawn.context("the samples are those of another process")?;
            Ok(Grouped::by_origin(&rows(images, "samples")?, &origin, origins)?)
        };
        let of_reference = rows(reference.images.clone(), &reference.name)?;
        let own: Vec<usize> = (0..origins).collect();
        let sets = SplitSets {
            real: Grouped::by_origin(&rows(starts.images, &starts.name)?, &own, origins)?,
            reference: Grouped::rows(&of_reference, GROUPS)?,
            data: samples(data)?,
            data_fine: samples(data_fine)?,
            data_half: samples(data_half)?,
            normal: samples(normal)?,
            normal_fine: samples(normal_fine)?,
            trials: trials.into_iter().map(samples).collect::<Result<_>>()?,
        };
        let found = with_bar(stop, "split", |bar| sets.distances(bar))?;
        let SplitDistances { is_frechet, cells, total, floor, training, .. } = found.clone();
        let [of_data, of_fine, of_half, of_normal, of_normal_fine] = cells;
        let cell = |start, steps: usize, distance| SplitCell { start, steps: steps as u64, distance };
        let metric = match (is_frechet, self.extractor.name().as_str()) {
            (false, _) => "kid",
            (true, INCEPTION) => "fid",
            (true, _) => "frechet-distance",
        };
        let grid = self.sampler.grid.unwrap_or(self.sampler.checkpoint.scheduler.spacing());
        Ok(Some(SampleSplit {
            format: Format,
            checkpoint: self.sampler.dir.display().to_string(),
            metric: metric.into(),
            extractor: self.extractor.name(),
            features: of_reference.size()[1] as u64,
            samples: self.samples,
            start_images: origins as u64,
            starts: starts.name,
            reference_images: reference.images.len() as u64,
            reference: reference.name,
            reference_was_trained_on: trained_on,
            sampler: self.sampler.scheme.name().into(),
            steps: self.sampler.steps as u64,
            fine_steps: fine as u64,
            grid: if self.sampler.chosen.is_some() { "chosen".into() } else { grid.name().into() },
            seed: self.sampler.seed,
            cells: vec![
                cell(Start::Marginal, fine, of_fine),
                cell(Start::Marginal, fine / 2, of_half),
                cell(Start::Marginal, self.sampler.steps, of_data),
                cell(Start::Prior, fine, of_normal_fine),
                cell(Start::Prior, self.sampler.steps, of_normal),
            ],
            total,
            floor,
            training,
            initialization: found.initialization,
            discretization: found.discretization,
            other_order: found.other_order,
            finest_grid: found.finest_grid,
            trials: self
                .trials
                .iter()
                .zip(found.trials)
                .map(|(trial, [distance, gain])| SplitTrial { change: trial.change.clone(), distance, gain })
                .collect(),
        }))
    }

    /// Half of the held-out images each, where they suffice for the features; otherwise held-out images against the training set, and halves of the
    /// training set where nothing was held out.
    fn real_images(&self, dataset: &Dataset) -> Result<RealImages> {
        let data = &self.data_name;
        let halves = |images: &ImageSet, split: &str, trained_on| -> Result<RealImages> {
            // In an order that does not follow the classes.
            let order = ShuffledOrder::new(0, images.len())?.choice(images.len());
            let (first, second) = order.split_at(images.len() / 2);
            let part = |rows: &[usize], which: &str| -> Result<Images> {
                let mut part = ImageSet::new(images.shape(), images.gather(rows, None))?;
                if let Some(labels) = images.gather_labels(rows) {
                    part = part.with_labels(labels, images.class_names().to_vec())?;
                }
                Ok(Images { images: part, name: format!("{which} half of {data}, {split}") })
            };
            Ok(RealImages { starts: part(first, "one")?, reference: part(second, "other")?, trained_on })
        };
        let needed = 2 * (IMAGES_PER_FEATURE * self.features(dataset)?).max(2 * GROUPS);
        let real = match &dataset.held_out {
            Some(held_out) if held_out.len() >= needed => halves(held_out, "held-out", false)?,
            Some(held_out) => RealImages {
                starts: Images { images: held_out.clone(), name: format!("{data}, held-out") },
                reference: Images { images: dataset.train.clone(), name: format!("{data}, train") },
                trained_on: true,
            },
            None => halves(&dataset.train, "train", true)?,
        };
        let fewest = real.starts.images.len().min(real.reference.images.len());
        ensure!(
            fewest >= 2 * GROUPS,
            "--samples needs at least {} real images on each side, {data} has {fewest}",
            2 * GROUPS
        );
        Ok(real)
    }

    /// Features of an image, found on one of them.
    fn features(&self, dataset: &Dataset) -> Result<usize> {
        let one = dataset.train.first(1);
        let size = [1, one.shape().channels, one.shape().height, one.shape().width].map(|side| side as i64);
        let bytes = torch_ext::fence(|| Tensor::from_slice(one.pixels()).reshape(size))?;
        Ok(self.extractor.features(&bytes)?.features.size()[1] as usize)
    }

    fn model_space(&self, images: &ImageSet) -> Result<Tensor> {
        let shape = image_shape(self.sampler.checkpoint);
        let size = [images.len() as i64, shape[0], shape[1], shape[2]];
        Ok(torch_ext::fence(|| from_u8(&Tensor::from_slice(images.pixels()).reshape(size)))?)
    }

    /// The samples of a start and a number of steps as images of bytes, in the first process. Their noise is that of the other starts, and the
    /// draws of few steps are sums of those of the fine ones where the sampler draws once a step.
    fn draw(
        &self,
        draw: &Draw<'_>,
        starting: &Starting<'_>,
        workers: &Workers,
        stop: &StopFlag,
    ) -> Result<Option<ImageSet>> {
        let Draw { start, scheme, steps, chosen } = *draw;
        let job = |steps: usize, chosen: Option<&ChosenLevels>, coupled: Option<CoupledDraws>| {
            let noise = match start {
                Start::Marginal => NoiseInput::noised(self.sampler.seed, starting.noised),
                Start::Prior => NoiseInput::keyed(self.sampler.seed, &image_shape(self.sampler.checkpoint)),
            };
            self.sampler.job(StudyJob {
                scheme,
                steps,
                chosen,
                labels: starting.labels.clone(),
                noise: noise.coupled(coupled),
                num: self.samples,
                record: Record::default(),
            })
        };
        let coupled = if steps < starting.fine {
            CoupledDraws::of(&job(steps, chosen, None)?.plan()?, &job(starting.fine, None, None)?.plan()?)
        } else {
            None
        };
        note!(
            "{} samples from {} in {steps} steps",
            self.samples,
            if start == Start::Prior { "N(0, I)" } else { "noised images" }
        );
        let mut pixels = Vec::new();
        job(steps, chosen, coupled)?.draw(0, self.sampler.device, stop, workers, &mut |batch| {
            let bytes = torch_ext::fence(|| {
                Vec::<u8>::try_from(to_u8(batch).to_device(Device::Cpu).contiguous().reshape([-1]))
            })?;
            pixels.extend(bytes?);
            Ok(())
        })?;
        if !workers.is_first() {
            return Ok(None);
        }
        let [channels, height, width] = image_shape(self.sampler.checkpoint).map(|side| side as usize);
        Ok(Some(ImageSet::new(ImageShape::new(channels, height, width), pixels)?))
    }
}
