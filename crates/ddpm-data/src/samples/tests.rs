//! Interrupted and resumed outputs against undisturbed ones, for every format.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::{Map, Value, json};

use super::*;
use crate::error::DataError;
use crate::picture::Picture;

const FORMATS: [SampleFormat; 4] =
    [SampleFormat::Png, SampleFormat::Shards, SampleFormat::Tensors, SampleFormat::Grid];
/// Not a multiple of the batch size, and several shards.
const NUM: u64 = 2150;
const BATCH: u64 = 64;
/// One image: [1, 2, 2].
const SHAPE: [usize; 3] = [1, 2, 2];

fn plan(settings: Value) -> SamplePlan {
    let Value::Object(settings) = settings else { panic!("not an object") };
    SamplePlan {
        settings,
        source: Map::new(),
        num: NUM,
        batch_size: BATCH,
        shape: SHAPE.to_vec(),
        labels: Labels::in_turn((0..10).collect()),
    }
}

fn seed(seed: u64) -> SamplePlan {
    plan(json!({"seed": seed}))
}

fn place(folder: &Path, format: SampleFormat) -> std::path::PathBuf {
    folder.join(match format {
        SampleFormat::Png => "images",
        SampleFormat::Shards => "shards",
        SampleFormat::Tensors => "samples.safetensors",
        SampleFormat::Grid => "grid.png",
    })
}

/// Pixel `k` of image `i`.
fn pixel(i: u64, k: u64) -> u8 {
    ((i * 7 + k * 31) % 256) as u8
}

/// Appends one batch.
fn append(writer: &mut SampleWriter, format: SampleFormat) -> crate::Result<()> {
    let first = writer.finished();
    let bytes: Vec<u8> =
        (first..(first + BATCH).min(NUM)).flat_map(|i| (0..4).map(move |k| pixel(i, k))).collect();
    let numbers: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    match format {
        SampleFormat::Tensors => writer.append(Rows::Numbers(&numbers)),
        _ => writer.append(Rows::Bytes(&bytes)),
    }
}

/// Samples until the end or for at most `batches`; how many were finished when it began.
fn sample(folder: &Path, format: SampleFormat, batches: u64) -> u64 {
    let output = SampleOutput::reserve(&place(folder, format), format, Existing::Refuse).unwrap();
    let mut writer = SampleWriter::begin(output, seed(1)).unwrap();
    let begun = writer.finished();
    for _ in 0..batches {
        if writer.finished() == NUM {
            writer.complete().unwrap();
            return begun;
        }
        append(&mut writer, format).unwrap();
    }
    begun
}

/// Every file below a folder.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            found.extend(content(&entry.path()).into_iter().map(|(n, c)| (format!("{name}/{n}"), c)));
        } else {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn an_interrupted_output_goes_on_to_the_same_bytes() {
    for format in FORMATS {
        let whole = tempfile::tempdir().unwrap();
        sample(whole.path(), format, u64::MAX);
        let expected = content(whole.path());
        let hidden = expected.keys().find(|name| name.split('/').any(|part| part.starts_with('.')));
        assert_eq!(hidden, None, "{format:?}");

        let parts = tempfile::tempdir().unwrap();
        // Batches 15 and 31 cross the border of a shard.
        for (batches, finished) in [(0, 0), (1, 0), (14, 64), (1, 960), (16, 1024), (2, 2048)] {
            assert_eq!(sample(parts.path(), format, batches), finished, "{format:?}");
        }
        assert_eq!(sample(parts.path(), format, u64::MAX), NUM.min(2176), "{format:?}");
        assert!(content(parts.path()) == expected, "{format:?}");
        if format.is_folder() {
            // A complete folder stays as it is.
            assert_eq!(sample(parts.path(), format, u64::MAX), NUM);
            assert!(content(parts.path()) == expected, "{format:?}");
        }
    }
}

#[test]
fn a_killed_process_costs_the_batch_that_it_was_writing() {
    for format in FORMATS {
        let whole = tempfile::tempdir().unwrap();
        sample(whole.path(), format, u64::MAX);
        let killed = tempfile::tempdir().unwrap();
        sample(killed.path(), format, 15);
        let place = place(killed.path(), format);
        let folder = if format.is_folder() { place } else { killed.path().join(hidden_name(format)) };
        // As after a kill: batch 16 is on the disk, in part or as a whole, and not counted.
        let record = fs::read(folder.join("samples.json")).unwrap();
        sample(killed.path(), format, 1);
        fs::write(folder.join("samples.json"), record).unwrap();
        fs::write(folder.join(".samples.json.q9.tmp"), "{").unwrap();
        assert_eq!(sample(killed.path(), format, u64::MAX), 960, "{format:?}");
        assert!(content(killed.path()) == content(whole.path()), "{format:?}");
    }
}

fn hidden_name(format: SampleFormat) -> &'static str {
    if format == SampleFormat::Grid { ".grid.png.partial" } else { ".samples.safetensors.partial" }
}

#[test]
fn files_that_were_removed_are_made_again() {
    for (format, name, finished) in
        [(SampleFormat::Png, "000700.png", 640), (SampleFormat::Shards, "shard-00001.safetensors", 960)]
    {
        let whole = tempfile::tempdir().unwrap();
        sample(whole.path(), format, u64::MAX);
        let expected = content(whole.path());
        fs::remove_file(place(whole.path(), format).join(name)).unwrap();
        assert_eq!(sample(whole.path(), format, u64::MAX), finished);
        assert!(content(whole.path()) == expected, "{format:?}");
    }
}

#[test]
fn samples_of_other_settings_are_kept_and_named() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let path = place(folder.path(), format);
        let begin = |plan: SamplePlan, existing| {
            SampleOutput::reserve(&path, format, existing)
                .and_then(|output| SampleWriter::begin(output, plan))
        };
        sample(folder.path(), format, 2);
        let before = content(folder.path());
        for (other, named) in [
            (seed(2), "seed 1, not 2"),
            (SamplePlan { batch_size: 32, ..seed(1) }, "batch_size 64, not 32"),
            (SamplePlan { num: 1000, ..seed(1) }, "num 2150, not 1000"),
            (
                SamplePlan { labels: Labels::in_turn(vec![3]), ..seed(1) },
                "classes [0,1,2,3,4,5,6,7,8,9], not [3]",
            ),
        ] {
            let text = begin(other, Existing::Refuse).err().unwrap().to_string();
            assert!(text.contains(&path.display().to_string()) && text.contains(named), "{text}");
            assert!(content(folder.path()) == before, "{format:?}");
        }
        let replaced = begin(seed(2), Existing::Replace).unwrap();
        assert_eq!(replaced.finished(), 0);
        drop(replaced);
        // Settings without a finished sample are in nobody's way.
        assert_eq!(begin(seed(3), Existing::Refuse).unwrap().finished(), 0);
    }
}

#[test]
fn an_output_is_refused_before_the_first_sample() {
    let folder = tempfile::tempdir().unwrap();
    let reserve =
        |name: &str, format| SampleOutput::reserve(&folder.path().join(name), format, Existing::Refuse);
    let refused = |name: &str, format, shape: &[usize], num| {
        let plan = SamplePlan { shape: shape.to_vec(), num, ..seed(1) };
        reserve(name, format).and_then(|output| SampleWriter::begin(output, plan)).err().unwrap().to_string()
    };
    for (name, format, shape, num, expected) in [
        ("a", SampleFormat::Png, &[2, 4, 4][..], 1, "1 or 3 channels for a PNG (a .safetensors file"),
        ("a.png", SampleFormat::Grid, &[4, 4, 4], 1, "got 4 channels"),
        ("a", SampleFormat::Shards, &[4], 1, "expected images"),
        ("a.png", SampleFormat::Grid, &[1, 8, 8], 1_000_000, "a grid of at most 1.0 GiB, got 4.1 GiB"),
        ("a", SampleFormat::Shards, &[1, 8, 8], 1 << 50, "needs 64.0 PiB, and "),
        ("a", SampleFormat::Png, &[1, 8, 8], 1 << 50, " are free; free space or choose another place"),
        ("a.safetensors", SampleFormat::Tensors, &[8], 1 << 50, "needs 32.0 PiB, and "),
        ("no/a.safetensors", SampleFormat::Tensors, &[8], 1, "cannot create the folder"),
    ] {
        let text = refused(name, format, shape, num);
        assert!(text.contains(expected), "{text}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{name}: something is left");
    }

    let held = reserve("b", SampleFormat::Png).unwrap();
    let error = reserve("b", SampleFormat::Png).unwrap_err();
    assert!(matches!(error, DataError::InUse { .. }), "{error}");
    drop(held);

    // Pictures of an unknown origin, and files of others.
    for name in ["000000.png", "notes.txt"] {
        let other = folder.path().join("c");
        fs::create_dir(&other).unwrap();
        fs::write(other.join(name), "mine").unwrap();
        let text = refused("c", SampleFormat::Png, &SHAPE, 1);
        assert!(
            text.ends_with(&format!("such as {name}; choose a new folder or an empty one for samples")),
            "{text}"
        );
        assert_eq!(content(&other).len(), 1);
        fs::remove_dir_all(other).unwrap();
    }
}

#[test]
fn readers_find_samples_classes_and_settings() {
    let folder = tempfile::tempdir().unwrap();
    for format in FORMATS {
        sample(folder.path(), format, u64::MAX);
    }
    let settings = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let shard = fs::read(folder.path().join("shards/shard-00002.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&shard).unwrap();
    assert_eq!(settings(&header.metadata().as_ref().unwrap()["ddpm"])["seed"], 1);
    let shard = SafeTensors::deserialize(&shard).unwrap();
    let (images, labels) = (shard.tensor("images").unwrap(), shard.tensor("labels").unwrap());
    assert_eq!((images.shape(), labels.shape()), (&[150, 1, 2, 2][..], &[150][..]));
    assert_eq!(images.data()[4 * 149 + 3], pixel(2149, 3));
    assert_eq!(labels.data()[8 * 149..][..8], 9_i64.to_le_bytes());

    let numbers = fs::read(folder.path().join("samples.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&numbers).unwrap();
    assert_eq!(settings(&header.metadata().as_ref().unwrap()["ddpm"])["files"], "tensors");
    let numbers = SafeTensors::deserialize(&numbers).unwrap();
    let samples = numbers.tensor("samples").unwrap();
    assert_eq!(samples.shape(), [NUM as usize, 1, 2, 2]);
    let last = samples.data()[4 * (4 * 2149 + 3)..].try_into().unwrap();
    assert_eq!(f32::from_le_bytes(last), f32::from(pixel(2149, 3)) / 255.0);

    let image = Picture::read_png(folder.path().join("images/002149.png")).unwrap();
    assert_eq!(image.pixels(), (0..4).map(|k| pixel(2149, k)).collect::<Vec<_>>());
    let grid = fs::File::open(folder.path().join("grid.png")).unwrap();
    let reader = png::Decoder::new(std::io::BufReader::new(grid)).read_info().unwrap();
    let text = &reader.info().uncompressed_latin1_text[0];
    assert_eq!((text.keyword.as_str(), &settings(&text.text)["batch_size"]), ("ddpm", &json!(BATCH)));

    let record = fs::read_to_string(folder.path().join("images/samples.json")).unwrap();
    let record = settings(&record);
    assert_eq!((&record["finished"], &record["complete"]), (&json!(NUM), &json!(true)));
}
