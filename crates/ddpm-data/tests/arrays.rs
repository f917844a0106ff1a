//! Arrays that numpy, pandas and safetensors wrote (`golden/arrays/generate.py`), and broken ones.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use ddpm_data::read_array;
use std::fs;
use std::path::{Path, PathBuf};

const POINTS: [f64; 6] = [0.5, -1.25, 2.0, 3.5, -0.125, 1e-3];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/arrays").join(name)
}

#[test]
fn arrays_of_other_programs_are_read() {
    for (name, tensor) in [
        ("double.npy", None),
        ("single.npy", None),
        ("big_endian.npy", None),
        ("pandas.csv", None),
        ("numpy.csv", None),
        ("one.safetensors", None),
        ("two.safetensors", Some("points")),
    ] {
        let array = read_array(&golden(name), tensor).unwrap();
        assert_eq!(array.shape, [3, 2], "{name}");
        for (got, expected) in array.values.iter().zip(POINTS) {
            assert!((got - expected).abs() < 1e-7 * (1.0 + expected.abs()), "{name}");
        }
    }
    assert_eq!(read_array(&golden("line.npy"), None).unwrap().shape, [3]);
}

#[test]
fn what_is_no_array_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let npy = fs::read(golden("double.npy")).unwrap();
    let tensors = fs::read(golden("one.safetensors")).unwrap();
    for (path, tensor, text) in [
        (golden("integers.npy"), None, "expected float32 or float64"),
        (golden("fortran.npy"), None, "expected an array in C order"),
        (
            golden("two.safetensors"),
            None,
            "expected one tensor, or the name of one (tensor), got other, points",
        ),
        (golden("two.safetensors"), Some("third"), "expected a tensor of other, points, got third"),
        (golden("double.npy"), Some("points"), "expected no name of a tensor"),
        (write("cut.npy", &npy[..npy.len() - 5]), None, "expected a .npy file as numpy writes it"),
        (write("text.npy", b"hello"), None, "expected a .npy file as numpy writes it"),
        (write("cut.safetensors", &tensors[..tensors.len() - 5]), None, "expected a safetensors file"),
        (write("ragged.csv", b"1,2\n3\n"), None, "expected rows of one length"),
        (write("words.csv", b"a,b\n1,2\n3,x\n"), None, "line 3: expected numbers, got 3,x"),
        (write("empty.csv", b"a,b\n"), None, "expected rows of numbers, got none"),
        (write("nan.csv", b"1,2\n3,nan\n"), None, "expected finite numbers, got NaN at place 3"),
        (write("data.txt", b"1 2"), None, "expected a name that ends in .npy, .safetensors or .csv"),
        (folder.path().join("none.npy"), None, "cannot read"),
        (folder.path().join("none.csv"), None, "none.csv"),
    ] {
        let error = read_array(&path, tensor).unwrap_err().to_string();
        assert!(error.contains(text) && !error.contains('\n'), "{text}: {error}");
    }
}
