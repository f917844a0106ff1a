//! Pictures of every format and kind, compared with what Pillow makes of them (`golden/pictures.py`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ddpm_data::{DatasetName, ImageOptions, ImageSize, OnError, Resize, Source, load_with, stream};
use serde::Deserialize;
use tempfile::TempDir;

use crate::from_folder;

#[derive(Deserialize)]
struct Expected {
    size: [usize; 2],
    /// Interleaved, as hexadecimal digits.
    rgb: String,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pictures")
}

fn expected() -> BTreeMap<String, Expected> {
    serde_json::from_str(&fs::read_to_string(golden().join("expected.json")).unwrap()).unwrap()
}

/// A folder with copies of some golden pictures.
fn folder(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        fs::copy(golden().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// The planes of the first image of a folder, interleaved.
fn interleaved(folder: &Path, options: &ImageOptions) -> (Vec<u8>, [usize; 3]) {
    let train =
        load_with(DatasetName::ImageFolder, &Source::Folder(folder.into()), options).unwrap().dataset.train;
    let shape = train.shape();
    let plane = shape.height * shape.width;
    let pixels = (0..plane)
        .flat_map(|k| (0..shape.channels).map(move |c| (c, k)))
        .map(|(c, k)| train.pixels()[c * plane + k]);
    (pixels.collect(), [shape.channels, shape.height, shape.width])
}

fn assert_close(name: &str, found: &[u8], expected: &Expected, tolerance: u8) {
    let expected = (0..expected.rgb.len())
        .step_by(2)
        .map(|k| u8::from_str_radix(&expected.rgb[k..k + 2], 16).unwrap())
        .collect::<Vec<_>>();
    assert_eq!(found.len(), expected.len(), "{name}");
    let largest = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(largest <= tolerance, "{name}: differs by {largest} levels\n{found:?}\n{expected:?}");
}

const RGB: ImageOptions =
    ImageOptions { size: None, resize: Resize::None, channels: Some(3), on_error: OnError::Stop };

#[test]
fn every_format_and_kind_is_read_as_pillow_reads_it() {
    for (name, expected) in expected().iter().filter(|(name, _)| name.contains('.')) {
        let folder = folder(&[name.as_str()]);
        let (found, [_, height, width]) = interleaved(folder.path(), &RGB);
        assert_eq!([height, width], expected.size, "{name}");
        let tolerance = match name.rsplit('.').next().unwrap() {
            "jpg" | "jfif" => 3,
            // Decoders differ in the profile-free conversion of CMYK and in the upsampling of colours.
            "jpe" => 6,
            _ if name == "lossy.webp" => 12,
            _ => 1,
        };
        assert_close(name, &found, expected, tolerance);
    }
}

#[test]
fn resized_and_grey_images_are_those_of_pillow() {
    let (folder, expected) = (folder(&["colour.png"]), expected());
    let resized = |side, resize| ImageOptions { size: Some(ImageSize::Square(side)), resize, ..RGB };
    for (name, options) in [
        ("cropped", resized(5, Resize::CoverCrop)),
        ("padded", resized(6, Resize::FitPad)),
        ("grey", ImageOptions { channels: Some(1), ..RGB }),
    ] {
        let (mut found, [channels, height, width]) = interleaved(folder.path(), &options);
        assert_eq!([height, width], expected[name].size, "{name}");
        if channels == 1 {
            found = found.into_iter().flat_map(|value| [value; 3]).collect();
        }
        assert_close(name, &found, &expected[name], 1);
    }
}

/// Pictures of any size and kind make one set, the same in memory, streamed and in shards; without the options the first misfit is named.
#[test]
fn any_mixture_becomes_one_set_when_it_is_asked_for() {
    let names: Vec<String> = expected().into_keys().filter(|name| name.contains('.')).collect();
    let mixture = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let options = ImageOptions { size: Some(ImageSize::Rectangle([6, 5])), resize: Resize::CoverCrop, ..RGB };
    let source = Source::Folder(mixture.path().to_path_buf());
    let loaded = load_with(DatasetName::ImageFolder, &source, &options).unwrap();
    let train = loaded.dataset.train;
    assert_eq!((train.len(), train.shape().dimension()), (names.len(), 90));
    assert_eq!(loaded.unread.gif_files, 1);
    let streamed = stream::open(mixture.path(), &options).unwrap().train;
    assert_eq!(stream::resident(streamed.as_ref(), usize::MAX).unwrap(), train);

    let shards = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(fs::File::create(shards.path().join("a.tar")).unwrap());
    for (k, name) in names.iter().enumerate() {
        // Members of one key are one sample.
        let ending = Path::new(name).extension().unwrap().to_string_lossy();
        builder.append_path_with_name(mixture.path().join(name), format!("{k}.{ending}")).unwrap();
    }
    builder.finish().unwrap();
    let sharded =
        load_with(DatasetName::ImageFolder, &Source::Folder(shards.path().into()), &options).unwrap();
    assert_eq!(sharded.dataset.train.pixels(), train.pixels());

    let mixtures: [(&[&str], &[&str]); 5] = [
        (&["colour.png", "grey.jfif"], &["colour.png", "grey.jfif", "data.channels"]),
        (&["colour.png", "turned6.jpg"], &["colour.png", "turned6.jpg", "data.resize"]),
        (&["grey16.png"], &["grey16.png", "data.channels"]),
        (&["transparent.png"], &["transparent.png", "data.channels"]),
        (&["palette-transparent.png"], &["palette-transparent.png", "data.channels"]),
    ];
    for (names, words) in mixtures {
        let error = from_folder(DatasetName::ImageFolder, folder(names).path()).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{names:?}: {error}");
    }
}

/// A file that was cut is never an image, whatever a decoder makes of it; bytes after the end are no harm.
#[test]
fn a_picture_cut_anywhere_is_refused_by_name_in_every_format() {
    for name in expected().keys().filter(|name| name.contains('.')) {
        let whole = fs::read(golden().join(name)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            load_with(DatasetName::ImageFolder, &Source::Folder(folder.path().into()), &RGB)
        };
        for length in 0..whole.len() {
            let error = read(&whole[..length]).map(|_| "no error").unwrap_err().to_string();
            assert!(error.contains(name.as_str()), "{name} cut at {length} of {}: {error}", whole.len());
        }
        let longer = [whole.as_slice(), b"appended by a camera"].concat();
        assert_eq!(read(&longer).unwrap().dataset.train.len(), 1, "{name}");
    }
}

/// The size that a header claims is checked before memory is asked for.
#[test]
fn a_header_that_claims_too_much_is_refused_with_the_figure() {
    let png = |width: u32, height: u32| {
        let mut header = b"IHDR".to_vec();
        header.extend(width.to_be_bytes());
        header.extend(height.to_be_bytes());
        header.extend([8, 2, 0, 0, 0]);
        let mut crc = flate2::Crc::new();
        crc.update(&header);
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\r".to_vec();
        bytes.extend(&header);
        bytes.extend(crc.sum().to_be_bytes());
        bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
        bytes
    };
    let bmp = |width: u32, height: u32| {
        let mut bytes = fs::read(golden().join("colour.bmp")).unwrap();
        bytes[18..22].copy_from_slice(&width.to_le_bytes());
        bytes[22..26].copy_from_slice(&height.to_le_bytes());
        bytes
    };
    let jpeg = |width: u16, height: u16| {
        let mut bytes = fs::read(golden().join("colour.jpg")).unwrap();
        let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
        bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
        bytes
    };
    for (name, bytes, figures) in [
        ("huge.png", png(100_000, 100_000), "100000x100000 pixels (30.0 GB)"),
        ("huge.bmp", bmp(60_000, 60_000), "60000x60000 pixels (10.8 GB)"),
        ("huge.jpg", jpeg(65_000, 65_000), "65000x65000 pixels (12.7 GB)"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        let error = from_folder(DatasetName::ImageFolder, folder.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(figures), "{error}");
    }
}

/// With `on_error = "skip"` every kind of unreadable image is left out and named; the rest is the set, in memory as streamed.
#[test]
fn skipped_images_are_counted_and_named() {
    let folder = folder(&["colour.png", "colour.jpg", "lossless.webp"]);
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let good = fs::read(golden().join("colour.png")).unwrap();
    put("cut.png", &good[..good.len() - 20]);
    let mut flipped = good.clone();
    flipped[50] ^= 0xff;
    put("corrupt.png", &flipped);
    put("text.jpg", b"text");
    put("empty.bmp", b"");
    put("picture.avif", b"?");
    put("notes.txt", b"notes");
    put("README", b"read me");
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("device.png")).unwrap();
    std::os::unix::fs::symlink("nothing", folder.path().join("broken.png")).unwrap();

    let error = from_folder(DatasetName::ImageFolder, folder.path()).unwrap_err().to_string();
    assert!(error.contains("broken.png"), "{error}");
    let options = ImageOptions { on_error: OnError::Skip, ..RGB };
    let loaded =
        load_with(DatasetName::ImageFolder, &Source::Folder(folder.path().into()), &options).unwrap();
    assert_eq!(loaded.dataset.train.len(), 3);
    assert_eq!(loaded.unread.skipped_images, 7);
    let lines = loaded.unread.lines().join("\n");
    for words in [
        "7 images skipped",
        "broken.png",
        "and 2 more",
        "2 other files not read: 1 .txt, 1 without an extension",
    ] {
        assert!(lines.contains(words), "{lines}\nlacks {words}");
    }
    let streamed = stream::open(folder.path(), &options).unwrap();
    assert_eq!(streamed.unread, loaded.unread);
    assert_eq!(stream::resident(streamed.train.as_ref(), usize::MAX).unwrap(), loaded.dataset.train);

    // In shards as in folders.
    let shards = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(fs::File::create(shards.path().join("a.tar")).unwrap());
    for (key, name) in ["colour.png", "cut.png", "picture.avif", "notes.txt", "colour.jpg"].iter().enumerate()
    {
        let ending = name.rsplit('.').next().unwrap();
        builder.append_path_with_name(folder.path().join(name), format!("{key}.{ending}")).unwrap();
    }
    builder.finish().unwrap();
    let sharded = stream::open(shards.path(), &options).unwrap();
    assert_eq!((sharded.train.len(), sharded.unread.skipped_images), (2, 2), "{:?}", sharded.unread);

    let all_bad = tempfile::tempdir().unwrap();
    fs::write(all_bad.path().join("a.png"), "?").unwrap();
    let error = load_with(DatasetName::ImageFolder, &Source::Folder(all_bad.path().into()), &options);
    assert!(error.unwrap_err().to_string().contains("a.png"));
}
