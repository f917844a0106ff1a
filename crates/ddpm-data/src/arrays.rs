//! Arrays of numbers in the files that other programs write: .npy (numpy), .safetensors, .csv.

use crate::error::{DataError, Result};
use npyz::{DType, NpyFile, TypeChar};
use safetensors::{Dtype, SafeTensors};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// More numbers than this are refused before memory is asked for: 8 GB.
const MOST_NUMBERS: u64 = 1_000_000_000;

/// Numbers in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers, all finite.
    pub values: Vec<f64>,
}

/// Reads an array of f32 or f64 from a file by its name: `.npy`, `.safetensors` (its `tensor`, or the only one) or `.csv` (rows of numbers, after a line
/// of names or not).
pub fn read_array(path: &Path, tensor: Option<&str>) -> Result<Array> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if let (Some(name), false) = (tensor, extension == "safetensors") {
        return Err(wrong(path, "no name of a tensor for a file that holds one array", name));
    }
    let array = match extension {
        "npy" => npy(path)?,
        "safetensors" => tensors(path, tensor)?,
        "csv" => csv(path)?,
        _ => return Err(wrong(path, "a name that ends in .npy, .safetensors or .csv", extension)),
    };
    if let Some(index) = array.values.iter().position(|value| !value.is_finite()) {
        let got = format!("{} at place {index}", array.values[index]);
        return Err(wrong(path, "finite numbers", &got));
    }
    Ok(array)
}

fn wrong(path: &Path, expected: &str, got: &str) -> DataError {
    DataError::mismatch(path.display(), expected, got)
}

fn check_size(path: &Path, shape: &[u64]) -> Result<()> {
    let count = shape.iter().try_fold(1u64, |product, side| product.checked_mul(*side));
    match count {
        Some(count) if count <= MOST_NUMBERS => Ok(()),
        _ => Err(wrong(path, &format!("at most {MOST_NUMBERS} numbers"), &format!("{shape:?}"))),
    }
}

fn npy(path: &Path) -> Result<Array> {
    let file = File::open(path).map_err(DataError::io("read", path))?;
    let damaged = |cause: std::io::Error| wrong(path, "a .npy file as numpy writes it", &cause.to_string());
    let npy = NpyFile::new(BufReader::new(file)).map_err(damaged)?;
    let shape = npy.shape().to_vec();
    check_size(path, &shape)?;
    let rows = npy.order() == npyz::Order::C || shape.len() < 2;
    if !rows {
        return Err(wrong(path, "an array in C order (numpy.ascontiguousarray)", "Fortran order"));
    }
    let kind = npy.dtype();
    let values = match &kind {
        DType::Plain(plain) if plain.type_char() == TypeChar::Float && plain.size_field() == 4 => {
            npy.into_vec::<f32>().map_err(damaged)?.into_iter().map(f64::from).collect()
        }
        DType::Plain(plain) if plain.type_char() == TypeChar::Float && plain.size_field() == 8 => {
            npy.into_vec::<f64>().map_err(damaged)?
        }
        other => return Err(wrong(path, "float32 or float64", &other.descr())),
    };
    Ok(Array { shape: shape.iter().map(|&side| side as usize).collect(), values })
}

fn tensors(path: &Path, tensor: Option<&str>) -> Result<Array> {
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| wrong(path, "a safetensors file", &error.to_string()))?;
    let mut names = file.names();
    names.sort_unstable();
    let name = match (tensor, &names[..]) {
        (Some(name), _) if names.contains(&name) => name,
        (Some(name), _) => return Err(wrong(path, &format!("a tensor of {}", names.join(", ")), name)),
        (None, [only]) => only,
        (None, _) => {
            return Err(wrong(path, "one tensor, or the name of one (tensor)", &names.join(", ")));
        }
    };
    let view = file.tensor(name).map_err(|error| wrong(path, "a safetensors file", &error.to_string()))?;
    let values = match view.dtype() {
        Dtype::F32 => {
            view.data().as_chunks().0.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect()
        }
        Dtype::F64 => view.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
        other => return Err(wrong(path, &format!("f32 or f64 in {name}"), &format!("{other:?}"))),
    };
    Ok(Array { shape: view.shape().to_vec(), values })
}

fn csv(path: &Path) -> Result<Array> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| wrong(path, "a file of rows", &error.to_string()))?;
    let (mut values, mut columns, mut rows) = (Vec::new(), 0, 0);
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| wrong(path, "rows of one length", &error.to_string()))?;
        let numbers: Result<Vec<f64>, _> = record.iter().map(str::parse::<f64>).collect();
        match numbers {
            Ok(numbers) => {
                columns = numbers.len();
                rows += 1;
                values.extend(numbers);
            }
            // A first line of names.
            Err(_) if index == 0 => {}
            Err(_) => {
                let place = format!("{}, line {}", path.display(), index + 1);
                let got = record.iter().collect::<Vec<_>>().join(",");
                return Err(DataError::mismatch(place, "numbers", got));
            }
        }
    }
    if rows == 0 {
        return Err(wrong(path, "rows of numbers", "none"));
    }
    Ok(Array { shape: vec![rows, columns], values })
}
