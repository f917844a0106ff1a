//! The writer of samples: batches in, files out.

use super::free_space;
use super::output::{PARTS, SampleFormat, SampleOutput};
use super::png_files::PngFiles;
use super::record::{Record, SamplePlan};
use super::row_file::{Layout, RowFile};
use super::shard_files::ShardFiles;
use super::store::Store;
use crate::atomic;
use crate::error::{DataError, Result};
use crate::image_set::ImageShape;
use crate::picture::{GridLayout, Picture};

/// Bytes of the pixels of a grid beyond which it is refused: it is encoded in memory.
const LARGEST_GRID: f64 = 1_073_741_824.0;
/// The key of the settings in the text of a PNG.
const TEXT_KEY: &str = "ddpm";

/// Consecutive samples, row after row.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// Pixels, for pictures and shards.
    Bytes(&'a [u8]),
    /// Numbers, for tensors.
    Numbers(&'a [f32]),
}

/// Samples that are being written.
pub struct SampleWriter {
    output: SampleOutput,
    plan: SamplePlan,
    record: Record,
    files: Files,
}

/// The files of one output.
enum Files {
    Folder(Box<dyn Store>),
    Single(RowFile),
}

impl Files {
    fn store(&mut self) -> &mut dyn Store {
        match self {
            Files::Folder(store) => store.as_mut(),
            Files::Single(file) => file,
        }
    }
}

/// Refuses what the format cannot hold; the shape of the images where it takes images.
fn check_format(output: &SampleOutput, plan: &SamplePlan) -> Result<ImageShape> {
    let [channels, height, width] = match (output.format, plan.shape.as_slice()) {
        (SampleFormat::Tensors, _) => [1, 1, 1],
        (_, &[channels, height, width]) => [channels, height, width],
        _ => {
            let got = format!("samples of shape {:?}", plan.shape);
            return Err(DataError::no_data(&output.path, "images, [channels, height, width]", got));
        }
    };
    let shape = ImageShape { channels, height, width };
    if matches!(output.format, SampleFormat::Png | SampleFormat::Grid) && ![1, 3].contains(&channels) {
        let expected = "images of 1 or 3 channels for a PNG (a .safetensors file holds any number)";
        return Err(DataError::no_data(&output.path, expected, format!("{channels} channels")));
    }
    if output.format == SampleFormat::Grid {
        let layout = GridLayout::readable(1, shape);
        let image =
            (height * layout.scale + layout.padding) * (width * layout.scale + layout.padding) * channels;
        let pixels = plan.num as f64 * image as f64;
        if pixels > LARGEST_GRID {
            let expected = format!("a grid of at most {}", free_space::in_words(LARGEST_GRID));
            let got = format!(
                "{} for {} images; a folder holds any number",
                free_space::in_words(pixels),
                plan.num
            );
            return Err(DataError::no_data(&output.path, expected, got));
        }
    }
    Ok(shape)
}

/// Refuses samples for which the disk has no room: their exact size, or for PNGs, whose size is not known, one block each.
fn check_space(output: &SampleOutput, plan: &SamplePlan, finished: u64) -> Result<()> {
    let one = match output.format {
        SampleFormat::Png => free_space::block(&output.folder),
        SampleFormat::Shards | SampleFormat::Grid => plan.dimension() as f64,
        SampleFormat::Tensors => 4.0 * plan.dimension() as f64,
    };
    free_space::check(&output.folder, one * (plan.num - finished) as f64)
}

fn files(output: &SampleOutput, plan: &SamplePlan, record: &Record, shape: ImageShape) -> Files {
    let (folder, settings) = (&output.folder, record.settings());
    let single = |tensor, dtype, width| {
        let (rows, shape, settings) = (plan.num, plan.shape.as_slice(), settings.as_str());
        let layout = Layout { tensor, dtype, width, rows, shape, labels: None, settings };
        Files::Single(RowFile::new(&folder.join(PARTS), &layout))
    };
    match output.format {
        SampleFormat::Png => Files::Folder(Box::new(PngFiles::new(folder, shape))),
        SampleFormat::Shards => Files::Folder(Box::new(ShardFiles::new(folder, plan, settings))),
        SampleFormat::Tensors => single("samples", "F32", 4),
        SampleFormat::Grid => single("images", "U8", 1),
    }
}

impl SampleWriter {
    /// Compares the plan with the samples that are there, and goes on after them.
    ///
    /// Fails where they were made with other settings ([`DataError::OtherSamples`]), and where the plan does not fit the format or the disk.
    pub fn begin(mut output: SampleOutput, plan: SamplePlan) -> Result<Self> {
        let shape = check_format(&output, &plan)?;
        let mut record = Record::new(&plan, output.format.name());
        let mut files = files(&output, &plan, &record, shape);
        output.remove_temporary()?;
        let old = output.record()?;
        match &old {
            Some(old) if let Some(found) = old.difference(&record) => {
                if !output.replaces(old) {
                    let place = output.path.clone();
                    let (key, old, new) = (found.key, found.old, found.new);
                    let folder = output.folder.clone();
                    let difference = format!("{key} {old}, not {new}");
                    return Err(DataError::OtherSamples { place, difference, folder });
                }
                output.clear()?;
            }
            Some(old) => record.finished = files.store().kept(old.finished.min(plan.num))?,
            None => output.clear()?,
        }
        if record.finished < plan.num {
            // A batch is computed as a whole: then its samples are the same to the last bit.
            record.finished -= record.finished % plan.batch_size.max(1);
        }
        check_space(&output, &plan, record.finished)?;
        record.complete = old.is_some_and(|old| old.complete) && record.finished == plan.num;
        output.bare = record.finished == 0;
        record.write(&output.folder)?;
        files.store().resume(record.finished)?;
        Ok(SampleWriter { output, plan, record, files })
    }

    /// Samples on the disk. The next batch begins here, at a multiple of the batch size.
    pub fn finished(&self) -> u64 {
        self.record.finished
    }

    /// Writes the samples that follow. They are on the disk when this returns.
    pub fn append(&mut self, rows: Rows<'_>) -> Result<()> {
        let converted: Vec<u8>;
        let bytes = match (rows, self.output.format) {
            (Rows::Bytes(bytes), SampleFormat::Png | SampleFormat::Shards | SampleFormat::Grid) => bytes,
            (Rows::Numbers(numbers), SampleFormat::Tensors) => {
                converted = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                &converted
            }
            _ => {
                return Err(DataError::mismatch("samples", "bytes for images, f32 for tensors", "the other"));
            }
        };
        let width = if self.output.format == SampleFormat::Tensors { 4 } else { 1 };
        let row = (width * self.plan.dimension()).max(1);
        let (count, rest) = (bytes.len() as u64 / row, bytes.len() as u64 % row);
        let left = self.plan.num - self.record.finished;
        if rest != 0 || count > left {
            let expected = format!("whole samples of {row} bytes, at most {left}");
            return Err(DataError::mismatch(
                "a batch of samples",
                expected,
                format!("{} bytes", bytes.len()),
            ));
        }
        self.files.store().append(self.record.finished, bytes)?;
        self.record.finished += count;
        self.record.write(&self.output.folder)?;
        self.output.bare = false;
        Ok(())
    }

    /// Ends the output: a folder is marked as complete, a single file takes its name. Fails where samples are missing.
    pub fn complete(mut self) -> Result<()> {
        let SampleWriter { output, plan, record, files } = &mut self;
        if record.finished != plan.num {
            return Err(DataError::mismatch("finished samples", plan.num, record.finished));
        }
        match files {
            Files::Folder(_) => {
                record.complete = true;
                record.write(&output.folder)?;
            }
            Files::Single(file) if output.format == SampleFormat::Grid => {
                let [channels, height, width] = plan.shape[..] else {
                    return Err(DataError::mismatch("a grid", "images", format!("{:?}", plan.shape)));
                };
                let shape = ImageShape { channels, height, width };
                let layout = GridLayout::square(plan.num as usize, shape);
                let picture = Picture::grid(&file.read_rows()?, shape, &layout)?;
                let png = picture.encode_png_with_text(TEXT_KEY, &record.settings())?;
                atomic::write_bytes(&output.path, &png)?;
            }
            Files::Single(_) => atomic::rename(&output.folder.join(PARTS), &output.path)?,
        }
        self.output.finish()
    }
}
