//! Pictures of a run: samples one by one and as a grid, the reverse process, and the forward process.

use anyhow::{Context, Result};
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{Level, Schedule, TimeIndex};
use ddpm_data::picture::{GridLayout, Picture, png_name, write_gif};
use ddpm_data::{Dataset, ImageShape};
use ddpm_nets::noised_at_once;
use ddpm_nets::pixels::{from_u8, to_u8};
use ddpm_sample::{Frame, Record, Samples};
use ddpm_train::RunDir;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tch::Tensor;

/// Time that a frame of an animation is shown.
pub(crate) const FRAME: Duration = Duration::from_millis(120);
/// Images in the sample grid.
const GRID_IMAGES: u64 = 64;
/// Columns of the forward picture: data, then noisier and noisier.
pub(crate) const FORWARD_COLUMNS: usize = 12;
/// Rows of the forward picture.
pub(crate) const FORWARD_ROWS: usize = 4;

/// Where the pictures of a run are.
pub(crate) struct Pictures {
    /// A grid of the first samples.
    pub(crate) grid: PathBuf,
    /// As many training images.
    pub(crate) data: PathBuf,
    /// Reverse process, a row an image.
    pub(crate) trajectory: PathBuf,
    /// Forward process.
    pub(crate) forward: PathBuf,
}

impl Pictures {
    /// The names in a run directory.
    pub(crate) fn of(run: &RunDir) -> Self {
        let folder = run.samples();
        Pictures {
            grid: folder.join("grid.png"),
            data: folder.join("data.png"),
            trajectory: folder.join("trajectory.png"),
            forward: folder.join("forward.png"),
        }
    }
}

/// Images [n, c, h, w] in model space as one grid.
pub(crate) fn grid(images: &Tensor) -> Result<Picture> {
    let shape = shape_of(images);
    let layout = GridLayout::square(images.size()[0] as usize, shape);
    Ok(Picture::grid(&bytes(images)?, shape, &layout)?)
}

/// A recorded state in the scale of the data.
pub(crate) fn shown(frame: &Frame) -> Tensor {
    in_scale(&frame.x_t, &frame.level)
}

/// x_t in the scale of the data: divided by sqrt(alpha^2 + sigma^2) where that exceeds 1.
pub(crate) fn in_scale(x_t: &Tensor, level: &Level) -> Tensor {
    x_t / level.prior_std().max(1.0)
}

/// Writes recorded frames: a row an image and a column a frame, the last being the sample. Of more than `record` asks for, which an animation needs,
/// it shows some.
pub(crate) fn write_trajectory(path: &Path, samples: &Samples, record: Record) -> Result<()> {
    let rows = samples.frames.first().map_or(0, |frame| frame.x_t.size()[0]).min(record.images as i64);
    let count = samples.frames.len().min(record.frames);
    let frames = (0..count).map(|k| &samples.frames[k * samples.frames.len() / count]);
    let mut columns: Vec<Tensor> = frames.map(|frame| shown(frame).narrow(0, 0, rows)).collect();
    columns.push(samples.x.narrow(0, 0, rows));
    write_columns(path, &columns)
}

/// Writes the recorded frames as an animation, each a grid of the images in the scale of the data; the samples stay for a second.
pub(crate) fn write_animation(path: &Path, samples: &Samples) -> Result<()> {
    let rows = samples.frames.first().map_or(0, |frame| frame.x_t.size()[0]);
    let mut frames = samples.frames.iter().map(|frame| grid(&shown(frame))).collect::<Result<Vec<_>>>()?;
    let last = grid(&samples.x.narrow(0, 0, rows))?;
    let stays = Duration::from_secs(1).as_millis() / FRAME.as_millis();
    frames.extend(std::iter::repeat_n(last, stays as usize));
    Ok(write_gif(path, &frames, FRAME)?)
}

/// Writes the grid of the first samples of a run, from their files.
pub(crate) fn write_sample_grid(run: &RunDir, num: u64) -> Result<()> {
    let folder = run.samples().join("images");
    let read = |index| Picture::read_png(folder.join(png_name(index)));
    let pictures = (0..num.min(GRID_IMAGES)).map(read).collect::<Result<Vec<_>, _>>()?;
    let first = pictures.first().context("a grid needs at least one sample")?;
    let shape = ImageShape::new(first.channels(), first.height(), first.width());
    let planes: Vec<u8> = pictures.iter().flat_map(Picture::planes).collect();
    let layout = GridLayout::square(pictures.len(), shape);
    Ok(Picture::grid(&planes, shape, &layout)?.write_png(Pictures::of(run).grid)?)
}

/// Writes as many training images as the sample grid has, to compare with.
pub(crate) fn write_data(run: &RunDir, dataset: &Dataset, count: u64) -> Result<()> {
    let images = dataset.train.first(count.min(GRID_IMAGES) as usize);
    let layout = GridLayout::square(images.len(), images.shape());
    Ok(Picture::grid(images.pixels(), images.shape(), &layout)?.write_png(Pictures::of(run).data)?)
}

/// Draws the forward process on the first training images: x_t = alpha x_0 + sigma eps with one eps an image.
pub(crate) fn write_forward(run: &RunDir, dataset: &Dataset, schedule: &Schedule) -> Result<()> {
    let images = dataset.train.first(FORWARD_ROWS);
    let shape = images.shape();
    let size = [images.len() as i64, shape.channels as i64, shape.height as i64, shape.width as i64];
    let x0 = from_u8(&Tensor::from_slice(images.pixels()).reshape(size));
    let source = NoiseSource::new(0, Purpose::Evaluation);
    let last = schedule.steps() - 1;
    let level = |k| schedule.level(TimeIndex((k * last / (FORWARD_COLUMNS - 1)) as u32));
    let levels: Vec<Level> = (1..FORWARD_COLUMNS).map(level).collect();
    let mut columns = vec![x0.shallow_clone()];
    let noised = noised_at_once(&x0, &levels, &source)?;
    columns.extend(noised.iter().zip(&levels).map(|(x_t, level)| in_scale(x_t, level)));
    write_columns(&Pictures::of(run).forward, &columns)
}

/// One picture from columns of the same number of images.
pub(crate) fn write_columns(path: &Path, columns: &[Tensor]) -> Result<()> {
    let images = Tensor::stack(columns, 1).flatten(0, 1);
    let shape = shape_of(&images);
    let layout = GridLayout::readable(columns.len(), shape);
    Ok(Picture::grid(&bytes(&images)?, shape, &layout)?.write_png(path)?)
}

/// The shape of images [n, c, h, w].
pub(crate) fn shape_of(images: &Tensor) -> ImageShape {
    let size = images.size();
    ImageShape { channels: size[1] as usize, height: size[2] as usize, width: size[3] as usize }
}

/// Images in model space as bytes.
pub(crate) fn bytes(images: &Tensor) -> Result<Vec<u8>> {
    Ok(Vec::try_from(to_u8(images).contiguous().reshape([-1]).to_device(tch::Device::Cpu))?)
}
