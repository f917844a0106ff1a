//! Streamed data sets: folders and tar shards.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ddpm_data::stream::{self, Prefetch, StreamedDataset};
use ddpm_data::{DatasetName, ImageOptions, ImageShape, Result, Shard, ShuffledOrder};
use tempfile::TempDir;

use crate::{from_folder, planes, write_png};

const SHAPE: ImageShape = ImageShape::new(3, 4, 6);

fn open(folder: &TempDir) -> Result<StreamedDataset> {
    stream::open(folder.path(), &ImageOptions::default())
}

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

fn png(k: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.png");
    write_png(&path, SHAPE, k);
    fs::read(path).unwrap()
}

fn write_shard(path: &Path, members: &[(&str, &[u8])]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.finish().unwrap();
}

/// Five training images in two shards, one held-out image.
fn shards() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<Vec<u8>> = (0..6).map(png).collect();
    let long = format!("{}/4.jpeg.note", "deep".repeat(40));
    write_shard(
        &folder.path().join("train/b.tar"),
        &[
            ("x/3.png", &images[3]),
            ("x/3.json", br#"{"width": 6, "label": 1}"#),
            ("4.cls", b"0"),
            ("4.png", &images[4]),
            (&long, b"?"),
        ],
    );
    write_shard(
        &folder.path().join("train/a.tar"),
        &[
            ("0.cls", b"2\n"),
            ("0.png", &images[0]),
            ("1.png", &images[1]),
            ("1.cls", b"0"),
            ("2.png", &images[2]),
            ("2.cls", b"1"),
        ],
    );
    write_shard(&folder.path().join("test/a.tar"), &[("0.png", &images[5]), ("0.cls", b"1")]);
    folder
}

#[test]
fn shards_are_read_in_order_with_labels_from_either_member() {
    let folder = shards();
    let streamed = open(&folder).unwrap();
    assert_eq!((streamed.train.len(), streamed.train.shape()), (5, SHAPE));
    assert_eq!(streamed.train.labels(), Some(&[2_i64, 0, 1, 1, 0][..]));
    assert_eq!(streamed.train.class_names(), ["0", "1", "2"]);
    let mut image = vec![0; SHAPE.dimension()];
    for k in [4, 0, 2, 1, 3] {
        streamed.train.read(k, &mut image).unwrap();
        assert_eq!(image, planes(SHAPE, k), "image {k}");
    }
    assert!(streamed.train.read(5, &mut image).is_err());
    let held_out = streamed.held_out.unwrap();
    assert_eq!((held_out.len(), held_out.labels()), (1, Some(&[1_i64][..])));
    assert_eq!(held_out.class_names().len(), 3, "those of the training images");

    // The same in memory, and evenly thinned out.
    let dataset = from_folder(DatasetName::ImageFolder, folder.path()).unwrap();
    assert_eq!(dataset.train.labels(), streamed.train.labels());
    assert_eq!(dataset.train.image(3), planes(SHAPE, 3));
    let some = stream::resident(streamed.train.as_ref(), 2).unwrap();
    assert_eq!((some.image(0), some.image(1)), (&planes(SHAPE, 0)[..], &planes(SHAPE, 2)[..]));
    assert_eq!(some.labels(), Some(&[2_i64, 1][..]));
}

#[test]
fn a_folder_streams_what_it_loads() {
    let folder = tempfile::tempdir().unwrap();
    for (k, path) in ["train/b/2.png", "train/a/10.png", "train/a/9.png", "test/b/x.png"].iter().enumerate() {
        write_png(&folder.path().join(path), SHAPE, k);
    }
    let loaded = from_folder(DatasetName::ImageFolder, folder.path()).unwrap();
    let streamed = open(&folder).unwrap();
    assert_eq!(stream::resident(streamed.train.as_ref(), usize::MAX).unwrap(), loaded.train);
    assert_eq!(stream::resident(streamed.held_out.unwrap().as_ref(), 9).unwrap(), loaded.held_out.unwrap());
}

#[test]
fn blocks_follow_the_order_wherever_they_are_asked_for() {
    let folder = shards();
    let source = open(&folder).unwrap().train;
    let order = ShuffledOrder::new(3, source.len()).unwrap();
    let mut reader = Prefetch::new(Arc::clone(&source), order).unwrap();
    let part = |k: usize| Shard::parts(0, 1, 2, 2).unwrap()[k];
    // The next block, the same again, an earlier one, a later one, another division of the batch.
    let asked = [
        (7, part(0)),
        (7, part(1)),
        (8, part(0)),
        (8, part(0)),
        (8, part(1)),
        (2, part(1)),
        (40, Shard::single(3).unwrap()),
        (41, Shard::single(3).unwrap()),
    ];
    for (step, shard) in asked {
        let block = reader.block(step, &shard).unwrap();
        let batch = order.batch(step, &shard);
        let expected: Vec<u8> = batch.indices.iter().flat_map(|&k| planes(SHAPE, k)).collect();
        let labels: Vec<i64> = batch.indices.iter().map(|&k| source.labels().unwrap()[k]).collect();
        assert_eq!(block.batch, batch);
        assert!(block.pixels == expected && block.labels == Some(labels), "step {step}");
    }
}

#[test]
fn what_is_wrong_with_a_shard_is_named() {
    let folder = shards();
    let train = folder.path().join("train");
    let refused = || refusal(open(&folder));
    let good = png(1);
    let write = |members: &[(&str, &[u8])]| write_shard(&train.join("c.tar"), members);
    write(&[("7.png", &good)]);
    assert!(
        refused().contains("c.tar/7.png: whole file: expected a .cls or .json beside every image"),
        "{}",
        refused()
    );
    write(&[("7.png", &good), ("7.cls", b"1"), ("8.avif", b"?")]);
    assert!(refused().contains("c.tar/8.avif: whole file: expected PNG, JPEG"), "{}", refused());
    write(&[("7.png", &good), ("7.cls", b"cat")]);
    assert!(
        refused()
            .contains("c.tar/7.cls: whole file: expected a class, a whole number from 0 to 999999, got cat"),
        "{}",
        refused()
    );
    write(&[("7.png", &good), ("7.cls", b"1000000000000")]);
    assert!(refused().contains("from 0 to 999999, got 1000000000000"), "{}", refused());
    write(&[("7.png", &good), ("7.jpg", &good), ("7.cls", b"1")]);
    assert!(refused().contains("one image a key"), "{}", refused());
    fs::remove_file(train.join("c.tar")).unwrap();

    let compressed = train.join("c.tar.gz");
    fs::write(&compressed, b"?").unwrap();
    assert!(refused().contains("c.tar.gz: whole file: expected an uncompressed tar file"), "{}", refused());
    fs::remove_file(compressed).unwrap();

    write_png(&folder.path().join("wide.png"), ImageShape::new(3, 4, 7), 0);
    let wide = fs::read(folder.path().join("wide.png")).unwrap();
    write(&[("7.png", &wide), ("7.cls", b"1")]);
    assert!(
        ["a.tar/0.png", "c.tar/7.png", "data.resize", "7x4"].iter().all(|word| refused().contains(word)),
        "{}",
        refused()
    );

    // What only decoding finds is handed on by a reader instead of a batch.
    let mut corrupt = good.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 0xff;
    write(&[("7.png", &corrupt), ("7.cls", b"1")]);
    let source = open(&folder).unwrap().train;
    let error = refusal(source.read(5, &mut vec![0; SHAPE.dimension()]));
    assert!(error.contains("c.tar/7.png"), "{error}");
    let order = ShuffledOrder::new(0, source.len()).unwrap();
    let mut reader = Prefetch::new(source, order).unwrap();
    assert!(refusal(reader.block(0, &Shard::single(6).unwrap())).contains("c.tar/7.png"));
}

/// A label, or a size that a header claims, is checked before memory is asked for.
#[test]
fn a_member_that_claims_too_much_is_refused_with_the_figure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train/a.tar");
    for (name, size, figure) in [
        ("0.png", 1_000_000_000_000_000, "1.0 PB"),
        ("0.txt", 1 << 62, "4.6 EB"),
        ("0.cls", 1 << 50, "1.1 PB"),
    ] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_size(size);
        header.set_cksum();
        fs::write(&path, [header.as_bytes(), &[0; 1536][..]].concat()).unwrap();
        let error = refusal(open(&folder));
        assert!(error.contains(&format!("a.tar/{name}")) && error.contains(figure), "{error}");
    }
    fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(refusal(open(&folder)).contains("a.tar: whole file: expected a regular file"));
}

/// A cut between two members leaves whole members, and only the missing end-of-archive marker tells.
#[test]
fn a_shard_that_was_cut_anywhere_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train/a.tar");
    let images: Vec<Vec<u8>> = (0..3).map(png).collect();
    write_shard(&path, &[("0.png", &images[0]), ("1.png", &images[1]), ("2.png", &images[2])]);
    let whole = fs::read(&path).unwrap();
    // A header and a padded image for each member, and two blocks of zeros.
    let members: usize = images.iter().map(|image| 512 + image.len().next_multiple_of(512)).sum();
    assert_eq!(whole.len(), members + 1024);
    for length in (512..members + 512).step_by(512).chain([members + 511, members - 100]) {
        fs::write(&path, &whole[..length]).unwrap();
        let error = refusal(open(&folder));
        assert!(error.contains("a.tar"), "cut at {length}: {error}");
    }
    fs::write(&path, &whole[..members + 512]).unwrap();
    assert_eq!(open(&folder).unwrap().train.len(), 3);
}

/// Bytes after the end-of-archive marker may be a second archive, whose images would be passed over.
#[test]
fn a_shard_with_trailing_bytes_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train/a.tar");
    let image = png(0);
    write_shard(&path, &[("0.png", &image)]);
    let whole = fs::read(&path).unwrap();
    for garbage in [b"x".to_vec(), [vec![0; 100_000], vec![1]].concat(), whole.clone()] {
        fs::write(&path, [whole.clone(), garbage].concat()).unwrap();
        let error = refusal(open(&folder));
        assert!(error.contains("a.tar: byte ") && error.contains("nothing but zeros"), "{error}");
    }
    fs::write(&path, [whole, vec![0; 10_240]].concat()).unwrap();
    assert_eq!(open(&folder).unwrap().train.len(), 1);
}

/// The kind of the whole set counts, not that of its first image.
#[test]
fn a_set_of_grey_and_colour_images_is_refused_with_both_names_or_converted() {
    let folder = tempfile::tempdir().unwrap();
    let (grey, path) = (ImageShape::new(1, 4, 6), folder.path().join("grey.png"));
    write_png(&path, grey, 0);
    let first = fs::read(&path).unwrap();
    write_shard(&folder.path().join("train/a.tar"), &[("0.png", &first), ("1.png", &png(1))]);
    let error = refusal(open(&folder));
    assert!(
        ["a.tar/0.png", "a.tar/1.png", "data.channels"].iter().all(|word| error.contains(word)),
        "{error}"
    );
    let options = ImageOptions { channels: Some(3), ..ImageOptions::default() };
    let source = stream::open(folder.path(), &options).unwrap().train;
    let mut image = vec![0; SHAPE.dimension()];
    source.read(0, &mut image).unwrap();
    assert_eq!(image, planes(grey, 0).repeat(3));
    source.read(1, &mut image).unwrap();
    assert_eq!(image, planes(SHAPE, 1));
}
