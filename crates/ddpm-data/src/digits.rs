//! The UCI optical digits: 1,797 images of 8x8 pixels in 17 grey levels, part of the program itself.
//!
//! Alpaydin and Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998,
//! <https://doi.org/10.24432/C50P49>, CC BY 4.0. `datasets/README.md` has the attribution in full.

use std::path::Path;

use crate::error::{DataError, Place, Result};
use crate::format::gzip;
use crate::format::regular_file::{self, MOST_BYTES};
use crate::image_set::{Dataset, ImageSet, ImageShape};

/// 64 comma-separated grey levels and the digit, a line an image; gzip.
static ARCHIVE: &[u8] = include_bytes!("../../../datasets/digits/digits.csv.gz");

/// The name of the embedded file in error messages.
const EMBEDDED: &str = "datasets/digits/digits.csv.gz";

/// The file's name.
pub(crate) const FILE: &str = "digits.csv.gz";

/// The classes in the order of their labels.
pub(crate) const CLASS_NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// The shape of a digit.
pub const SHAPE: ImageShape = ImageShape::new(1, 8, 8);

/// Images in the file.
const COUNT: usize = 1_797;

/// Largest size of the uncompressed table: far above what 1,797 lines of 65 numbers need.
const MAX_BYTES: usize = 1 << 20;

/// The last images of the file are held out.
const HELD_OUT: usize = 297;

/// The largest grey level in the file: each pixel counts the dark ones in a 4x4 block.
const MAX_LEVEL: u8 = 16;

/// The digits from the copy in the program: 1,500 images to train on, 297 held out.
pub fn load() -> Result<Dataset> {
    parse(Path::new(EMBEDDED), ARCHIVE)
}

/// The digits from another copy of the same file.
pub(crate) fn load_file(path: &Path) -> Result<Dataset> {
    parse(path, &regular_file::read(path, MOST_BYTES)?)
}

/// Spreads a grey level `0..=16` over `0..=255`: `round(level * 255 / 16)`.
fn spread(level: u8) -> u8 {
    (f64::from(level) * 255.0 / f64::from(MAX_LEVEL)).round() as u8
}

/// Reads the gzipped table; `path` serves the error messages.
fn parse(path: &Path, archive: &[u8]) -> Result<Dataset> {
    let bytes = gzip::decompress(path, archive, MAX_BYTES)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| DataError::malformed(path, Place::WholeFile, "text", "bytes that are not UTF-8"))?;

    let mut pixels = Vec::with_capacity(COUNT * SHAPE.dimension());
    let mut labels = Vec::with_capacity(COUNT);
    for (number, line) in text.lines().enumerate() {
        let place = Place::Line(number as u64 + 1);
        let fields = line.split(',').count();
        if fields != SHAPE.dimension() + 1 {
            let expected = format!("{} comma-separated numbers", SHAPE.dimension() + 1);
            return Err(DataError::malformed(path, place, expected, fields));
        }
        for (column, field) in line.split(',').enumerate() {
            let (limit, what) =
                if column < SHAPE.dimension() { (MAX_LEVEL, "a grey level") } else { (9, "a digit") };
            match field.trim().parse::<u8>() {
                Ok(value) if value > limit => {
                    let expected = format!("{what} in 0..={limit} in column {}", column + 1);
                    return Err(DataError::malformed(path, place, expected, value));
                }
                Ok(level) if column < SHAPE.dimension() => pixels.push(spread(level)),
                Ok(digit) => labels.push(i64::from(digit)),
                Err(_) => {
                    let expected = format!("{what} in column {}", column + 1);
                    return Err(DataError::malformed(path, place, expected, format!("`{field}`")));
                }
            }
        }
    }
    if labels.len() != COUNT {
        let expected = format!("{COUNT} lines");
        return Err(DataError::malformed(path, Place::WholeFile, expected, labels.len()));
    }

    let held_out_pixels = pixels.split_off((COUNT - HELD_OUT) * SHAPE.dimension());
    let held_out_labels = labels.split_off(COUNT - HELD_OUT);
    Ok(Dataset {
        train: labelled(pixels, labels)?,
        held_out: Some(labelled(held_out_pixels, held_out_labels)?),
    })
}

fn labelled(pixels: Vec<u8>, labels: Vec<i64>) -> Result<ImageSet> {
    let names = CLASS_NAMES.map(str::to_string).to_vec();
    let levels = u16::from(MAX_LEVEL) + 1;
    Ok(ImageSet::new(SHAPE, pixels)?.with_labels(labels, names)?.with_grey_levels(levels))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_embedded_file_is_the_one_in_the_manifest() {
        let entry = crate::manifest::entry(crate::DatasetName::Digits).unwrap();
        assert_eq!(entry.files[0].name, FILE);
        assert_eq!(entry.files[0].size, ARCHIVE.len() as u64);
        assert_eq!(entry.files[0].sha256, crate::checksum::sha256_bytes(ARCHIVE));
    }

    #[test]
    fn splits_and_counts_match_the_source() {
        let Dataset { train, held_out } = load().unwrap();
        let held_out = held_out.unwrap();
        assert_eq!((train.len(), held_out.len()), (1500, 297));
        // Class counts of the UCI test file, from its documentation.
        let mut counts = [0; 10];
        for &label in train.labels().unwrap().iter().chain(held_out.labels().unwrap()) {
            counts[label as usize] += 1;
        }
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn the_first_image_is_the_zero_of_the_source() {
        let train = load().unwrap().train;
        let levels = [
            0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0, 0, 4, 12, 0, 0, 8,
            8, 0, 0, 5, 8, 0, 0, 9, 8, 0, 0, 4, 11, 0, 1, 12, 7, 0, 0, 2, 14, 5, 10, 12, 0, 0, 0, 0, 6, 13,
            10, 0, 0, 0,
        ];
        assert_eq!(train.image(0), levels.map(spread));
        assert_eq!(train.labels().unwrap()[0], 0);
    }

    #[test]
    fn grey_levels_span_the_byte() {
        let train = load().unwrap().train;
        let used: BTreeSet<u8> = train.pixels().iter().copied().collect();
        // round(level * 255 / 16) for level = 0..=16.
        let expected = [0, 16, 32, 48, 64, 80, 96, 112, 128, 143, 159, 175, 191, 207, 223, 239, 255];
        assert_eq!(used, BTreeSet::from(expected));
        assert_eq!(train.grey_levels(), 17);
    }

    #[test]
    fn a_bad_line_is_named() {
        let path = Path::new("d.csv.gz");
        let good = format!("{}7\n", "3,".repeat(64));
        let bad_level = gzip(&format!("{good}{}17,7\n", "3,".repeat(63)));
        assert_eq!(
            parse(path, &bad_level).unwrap_err().to_string(),
            "d.csv.gz: line 2: expected a grey level in 0..=16 in column 64, got 17"
        );
        let bad_label = gzip(&format!("{}10\n", "3,".repeat(64)));
        assert_eq!(
            parse(path, &bad_label).unwrap_err().to_string(),
            "d.csv.gz: line 1: expected a digit in 0..=9 in column 65, got 10"
        );
        let short_line = gzip("1,2,3\n");
        assert_eq!(
            parse(path, &short_line).unwrap_err().to_string(),
            "d.csv.gz: line 1: expected 65 comma-separated numbers, got 3"
        );
        assert_eq!(
            parse(path, &gzip(&good)).unwrap_err().to_string(),
            "d.csv.gz: whole file: expected 1797 lines, got 1"
        );
        let cut = &gzip(&good.repeat(50))[..40];
        assert!(parse(path, cut).unwrap_err().to_string().starts_with("cannot decompress d.csv.gz"));
    }
}
