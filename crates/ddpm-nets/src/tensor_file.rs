//! Reading and writing of safetensors files.

use crate::NetsError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tch::{Kind, Tensor};

/// The tensors of a file by name, on the CPU.
pub type TensorMap = BTreeMap<String, Tensor>;

/// Reads all tensors of a safetensors file.
pub fn read(path: &Path) -> Result<TensorMap, NetsError> {
    let bytes = read_regular(path)?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|e| NetsError::format(path, format!("not a complete safetensors file ({e})")))?;
    let mut tensors = TensorMap::new();
    for (name, view) in file.iter() {
        let kind = kind_of(view.dtype()).ok_or_else(|| {
            NetsError::format(path, format!("tensor {name} has unsupported type {:?}", view.dtype()))
        })?;
        let shape: Vec<i64> = view.shape().iter().map(|&d| d as i64).collect();
        let tensor =
            Tensor::f_from_data_size(view.data(), &shape, kind).map_err(torch_ext::TorchError::from)?;
        tensors.insert(name.to_string(), tensor);
    }
    Ok(tensors)
}

/// The metadata of a safetensors file.
pub fn metadata(path: &Path) -> Result<HashMap<String, String>, NetsError> {
    let bytes = read_regular(path)?;
    let (_, header) = SafeTensors::read_metadata(&bytes)
        .map_err(|e| NetsError::format(path, format!("not a complete safetensors file ({e})")))?;
    Ok(header.metadata().clone().unwrap_or_default())
}

/// The content of a regular file: opening a pipe waits for a writer, and a device has no end.
pub(crate) fn read_regular(path: &Path) -> Result<Vec<u8>, NetsError> {
    let found = std::fs::metadata(path).map_err(NetsError::io(path))?;
    if !found.is_file() {
        return Err(NetsError::format(path, "expected a regular file"));
    }
    std::fs::read(path).map_err(NetsError::io(path))
}

/// Writes tensors in the order given, with the `{"format": "pt"}` that PyTorch's readers expect, under a temporary name first.
pub fn write<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
) -> Result<(), NetsError> {
    write_with(path, tensors, &[])
}

/// [`write()`] with further metadata.
pub fn write_with<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    metadata: &[(&str, &str)],
) -> Result<(), NetsError> {
    let mut payload = Vec::new();
    for (name, tensor) in tensors {
        let (dtype, bytes) = bytes_of(tensor).ok_or_else(|| {
            NetsError::format(path, format!("tensor {name} of kind {:?} cannot be stored", tensor.kind()))
        })?;
        let shape: Vec<usize> = tensor.size().iter().map(|&d| d as usize).collect();
        payload.push((name, dtype, shape, bytes));
    }
    let views = payload
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            TensorView::new(*dtype, shape.clone(), bytes).map(|view| (*name, view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| NetsError::format(path, e.to_string()))?;
    let texts = [("format", "pt")].iter().chain(metadata);
    let metadata: HashMap<String, String> =
        texts.map(|(key, text)| ((*key).into(), (*text).into())).collect();
    let bytes =
        safetensors::serialize(views, Some(metadata)).map_err(|e| NetsError::format(path, e.to_string()))?;
    write_atomically(path, &bytes)
}

/// Writes a whole file under a temporary name in the same folder, flushes it to disk and renames it. The folder must exist.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), NetsError> {
    // A rename would replace the device, the pipe or the link that the path names.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let mut file = std::fs::File::options().write(true).open(path).map_err(NetsError::io(path))?;
        return file.write_all(bytes).map_err(NetsError::io(path));
    }
    let behind_link = if path.is_symlink() { std::fs::canonicalize(path).ok() } else { None };
    let path = behind_link.as_deref().unwrap_or(path);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Temporary files are private to their owner by default; results follow the user's umask.
    let mode = std::fs::Permissions::from_mode(0o666);
    let mut file =
        tempfile::Builder::new().permissions(mode).tempfile_in(folder).map_err(NetsError::io(path))?;
    // Through the wrapper, an error would name the temporary file as well.
    file.as_file_mut().write_all(bytes).map_err(NetsError::io(path))?;
    file.as_file().sync_all().map_err(NetsError::io(path))?;
    file.persist(path).map_err(|e| NetsError::Io { path: path.to_path_buf(), source: e.error })?;
    Ok(())
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::BOOL => Kind::Bool,
        Dtype::U8 => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        _ => return None,
    })
}

fn bytes_of(tensor: &Tensor) -> Option<(Dtype, Vec<u8>)> {
    let flat = tensor.detach().to_device(tch::Device::Cpu).contiguous().reshape([-1]);
    fn copied<T: Copy + Default + bytemuck::Pod + tch::kind::Element>(flat: &Tensor) -> Vec<u8> {
        let mut values = vec![T::default(); flat.numel()];
        flat.copy_data(&mut values, flat.numel());
        bytemuck::cast_slice(&values).to_vec()
    }
    Some(match tensor.kind() {
        Kind::Float => (Dtype::F32, copied::<f32>(&flat)),
        Kind::Double => (Dtype::F64, copied::<f64>(&flat)),
        Kind::Int64 => (Dtype::I64, copied::<i64>(&flat)),
        Kind::Int => (Dtype::I32, copied::<i32>(&flat)),
        Kind::Uint8 => (Dtype::U8, copied::<u8>(&flat)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn tensors_survive_a_file_and_a_cut_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let a = Tensor::arange(12, (Kind::Float, Device::Cpu)).reshape([3, 4]).transpose(0, 1);
        let b = Tensor::from_slice(&[1i64, -2]);
        let c = Tensor::from_slice(&[0.1f64]);
        write(&path, [("a", &a), ("b", &b), ("c", &c)]).unwrap();
        let back = read(&path).unwrap();
        assert!(back["a"].equal(&a) && back["b"].equal(&b) && back["c"].equal(&c));

        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(
            error.contains("x.safetensors") && error.contains("not a complete safetensors file"),
            "{error}"
        );
    }

    #[test]
    fn nothing_appears_where_nothing_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("x.safetensors");
        assert!(matches!(write(&path, []), Err(NetsError::Io { .. })));
        assert!(!path.exists());
    }
}
