//! Target files: a closed-form distribution as JSON, and its moments as tensors.

use crate::serde_text;
use crate::text_file;
use anyhow::{Context, Result, anyhow, bail, ensure};
use ddpm_core::targets::{Covariance, Empirical, Gaussian};
use ddpm_core::{Target, TargetSpec};
use ddpm_data::{Array, read_array};
use ddpm_nets::tensor_file;
use std::path::Path;
use tch::{Kind, Tensor};

/// Tensors of a file with a Gaussian's moments: `mean` [d] and `cov` [d, d], both f64.
const MEAN: &str = "mean";
const COVARIANCE: &str = "cov";

/// Reads a closed-form target. Moments that it keeps in another file are looked for beside it.
pub(crate) fn read(path: &Path) -> Result<Target> {
    let name = path.display();
    let text = text_file::read(path)?;
    let spec: TargetSpec =
        serde_json::from_str(&text).map_err(|error| anyhow!("{name}: {}", serde_text::plain(&error)))?;
    build(&spec, path).with_context(|| name.to_string())
}

fn build(spec: &TargetSpec, path: &Path) -> Result<Target> {
    if let TargetSpec::Gaussian { mean: Some(mean), .. } = spec {
        ensure!(!mean.is_empty(), "mean must have at least 1 entry, got 0");
    }
    if let TargetSpec::Empirical { file, tensor, scale } = spec {
        let folder = path.parent().unwrap_or(Path::new("."));
        return read_points(&folder.join(file), tensor.as_deref(), scale.unwrap_or(1.0));
    }
    if let TargetSpec::Gaussian { mean: None, cov: None, var: None, file: Some(file) } = spec {
        let folder = path.parent().unwrap_or(Path::new("."));
        return Ok(Target::Gaussian(read_moments(&folder.join(file))?));
    }
    if let TargetSpec::Gaussian { mean: Some(mean), cov: None, var: Some(var), file: None } = spec
        && var.len() == mean.len()
        && var.iter().all(|&v| v >= 0.0 && v.is_finite())
    {
        // The spectrum of real data has directions without spread: as from a fitted file, a variance may be 0.
        let values = var.iter().map(|v| v.abs()).collect();
        return Ok(Target::Gaussian(Gaussian::new(mean.clone(), Covariance::Diagonal(values))?));
    }
    if let TargetSpec::Gaussian { mean: Some(mean), cov: Some(rows), var: None, file: None } = spec {
        return spec.build().or_else(|error| semidefinite(mean, rows).ok_or(error.into()));
    }
    Ok(spec.build()?)
}

/// A Gaussian whose covariance, like a fitted one's, has directions without spread; none for a matrix that is no covariance.
fn semidefinite(mean: &[f64], rows: &[Vec<f64>]) -> Option<Target> {
    let d = mean.len();
    let square = rows.len() == d && rows.iter().all(|row| row.len() == d);
    let symmetric = square && (0..d).all(|i| (0..i).all(|j| rows[i][j] == rows[j][i]));
    if !symmetric {
        return None;
    }
    Gaussian::from_moments(mean.to_vec(), &rows.concat()).ok().map(Target::Gaussian)
}

/// The points [n, d] of an array file (numbers [n] are points of one dimension), each divided by `scale`, with equal probabilities.
pub(crate) fn read_points(path: &Path, tensor: Option<&str>, scale: f64) -> Result<Target> {
    let name = path.display();
    ensure!(scale > 0.0 && scale.is_finite(), "scale must be positive, got {scale}");
    let Array { shape, values } = read_array(path, tensor)?;
    let dim = match shape[..] {
        [_] => 1,
        [_, dim] if dim > 0 => dim,
        _ => bail!("{name}: expected points [n, d], got {shape:?}"),
    };
    ensure!(values.len() >= 2 * dim, "{name}: expected at least 2 points, got {}", values.len() / dim);
    let points = values.into_iter().map(|value| value / scale).collect();
    Ok(Target::Empirical(Empirical::new(dim, points)?))
}

/// Reads a Gaussian's moments.
pub(crate) fn read_moments(path: &Path) -> Result<Gaussian> {
    let name = path.display();
    let mut tensors = tensor_file::read(path)?;
    let mut take = |key: &str| -> Result<Tensor> {
        let tensor = tensors.remove(key).with_context(|| format!("{name}: tensor {key} is missing"))?;
        ensure!(tensor.kind() == Kind::Double, "{name}: {key} must be f64, got {:?}", tensor.kind());
        Ok(tensor)
    };
    let (mean, covariance) = (take(MEAN)?, take(COVARIANCE)?);
    let [d] = mean.size()[..] else { bail!("{name}: {MEAN} must be [d], got {:?}", mean.size()) };
    ensure!(
        covariance.size() == [d, d],
        "{name}: {COVARIANCE} must be [{d}, {d}] like {MEAN}, got {:?}",
        covariance.size()
    );
    let values = |tensor: &Tensor| Vec::<f64>::try_from(tensor.contiguous().reshape([-1]));
    let law = Gaussian::from_moments(values(&mean)?, &values(&covariance)?);
    law.with_context(|| name.to_string())
}

/// Writes a Gaussian's moments: a mean `[d]` and a covariance [d, d], row after row.
pub(crate) fn write_moments(path: &Path, mean: &[f64], covariance: &[f64]) -> Result<()> {
    let d = mean.len() as i64;
    let covariance = Tensor::from_slice(covariance).reshape([d, d]);
    Ok(tensor_file::write(path, [(MEAN, &Tensor::from_slice(mean)), (COVARIANCE, &covariance)])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_a_file_and_lie_beside_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let (mean, covariance) = ([0.5, -1.0], [2.0, 0.6, 0.6, 1.0]);
        write_moments(&folder.path().join("m.safetensors"), &mean, &covariance).unwrap();
        let path = folder.path().join("g.json");
        std::fs::write(&path, r#"{"kind":"gaussian","file":"m.safetensors"}"#).unwrap();
        let Target::Gaussian(law) = read(&path).unwrap() else { panic!("not a Gaussian") };
        assert_eq!(law.mean(), mean);
        let matrix = law.covariance().map(|value| value);
        for (got, expected) in matrix.iter().zip(covariance) {
            assert!((got - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn a_diagonal_may_have_directions_without_spread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.json");
        std::fs::write(&path, r#"{"kind":"gaussian","mean":[0,0],"var":[-0.0,2]}"#).unwrap();
        let Target::Gaussian(law) = read(&path).unwrap() else { panic!("not a Gaussian") };
        assert_eq!(law.covariance().eigenvalues(), [0.0, 2.0]);
        std::fs::write(&path, r#"{"kind":"gaussian","mean":[0,0],"var":[-0.1,2]}"#).unwrap();
        let text = format!("{:#}", read(&path).unwrap_err());
        assert!(text.contains("var[0] must be symmetric and positive definite"), "{text}");
    }
}
