//! Numbers that several processes computed, each for a part of the data.

use crate::EvalError;
use tch::Tensor;
use torch_ext::TorchError;
use torch_ext::dist::Workers;

/// The columns of numbers of all processes, each column one after another by rank. Where a process was interrupted, all are.
pub(crate) fn gather(
    workers: &Workers,
    own: Result<Vec<Vec<f64>>, EvalError>,
) -> Result<Vec<Vec<f64>>, EvalError> {
    let own = finished(workers, own)?;
    if workers.world() == 1 {
        return Ok(own);
    }
    own.into_iter()
        .map(|column| {
            let all = workers.gather(&Tensor::from_slice(&column))?;
            Ok(Vec::<f64>::try_from(all).map_err(TorchError::from)?)
        })
        .collect()
}

/// What this process computed, once no process was interrupted.
pub(crate) fn finished<T>(workers: &Workers, own: Result<T, EvalError>) -> Result<T, EvalError> {
    match own {
        Ok(own) => {
            if workers.any(false)? {
                return Err(EvalError::Interrupted);
            }
            Ok(own)
        }
        Err(EvalError::Interrupted) => {
            workers.any(true)?;
            Err(EvalError::Interrupted)
        }
        Err(error) => Err(error),
    }
}
