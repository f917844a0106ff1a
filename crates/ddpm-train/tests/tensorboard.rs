//! Event files as TensorBoard's own reader sees them.
//!
//! `DDPM_PYTHON` names a Python with the `tensorboard` package (see `ddpm_testkit::python`).

#![allow(clippy::unwrap_used)] // Helpers of tests fail by panicking, as tests do.

use std::{path::Path, process::Command};

use ddpm_train::tensorboard::EventWriter;

/// Prints what the reader holds: `scalar TAG STEP VALUE` and `image TAG STEP WIDTH HEIGHT BYTES`, a line each.
const READ: &str = r#"
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
reader = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
reader.Reload()
for tag in reader.Tags()["scalars"]:
    for event in reader.Scalars(tag):
        print("scalar", tag, event.step, repr(event.value))
for tag in reader.Tags()["images"]:
    for event in reader.Images(tag):
        print("image", tag, event.step, event.width, event.height, len(event.encoded_image_string))
"#;

fn read_with_tensorboard(dir: &Path) -> Option<Vec<String>> {
    let python = ddpm_testkit::python("reading event files with TensorBoard")?;
    let output = Command::new(&python).arg("-c").arg(READ).arg(dir).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} failed:\n{errors}", python.display());
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn tensorboard_reads_what_was_written_and_forgets_superseded_steps() {
    let dir = tempfile::tempdir().unwrap();
    // A run that died after step 9, with its last checkpoint at step 5.
    let mut writer = EventWriter::create(dir.path(), 0).unwrap();
    for step in 0..10_u32 {
        writer.scalars(u64::from(step), &[("loss/train", f64::from(step) + 0.25)]).unwrap();
    }
    let png = include_bytes!("data/2x1.png");
    writer.image_png(3, "samples", 2, 1, 3, png).unwrap();
    writer.image_png(8, "samples", 2, 1, 3, png).unwrap();
    drop(writer);
    // The run resumed from step 5: step 6 comes first, and the run ends before it reaches step 9 again.
    let mut writer = EventWriter::create(dir.path(), 6).unwrap();
    for step in 6..8_u32 {
        writer.scalars(u64::from(step), &[("loss/train", f64::from(step) + 0.75), ("lr", 2e-4)]).unwrap();
    }
    writer.flush().unwrap();

    let Some(lines) = read_with_tensorboard(dir.path()) else { return };
    let loss: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("scalar loss/train ")).collect();
    let expected = ["0 0.25", "1 1.25", "2 2.25", "3 3.25", "4 4.25", "5 5.25", "6 6.75", "7 7.75"];
    assert_eq!(loss, expected);
    let rate: Vec<(u64, f64)> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("scalar lr "))
        .filter_map(|line| line.split_once(' '))
        .map(|(step, value)| (step.parse().unwrap(), value.parse().unwrap()))
        .collect();
    assert_eq!(rate, [(6, f64::from(2e-4_f32)), (7, f64::from(2e-4_f32))]);
    let images: Vec<&String> = lines.iter().filter(|line| line.starts_with("image ")).collect();
    assert_eq!(images, [&format!("image samples 3 2 1 {}", png.len())]);
}
