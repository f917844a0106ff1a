//! Averaging of gradients over the processes of a group, bucket by bucket while the backward pass goes on.

use super::Workers;
use super::ffi::{self, RawReducer};
use crate::{TorchError, shim};
use tch::Tensor;

/// The averaging of the gradients of a list of weights, by the engine behind PyTorch's DistributedDataParallel (`c10d::Reducer`).
///
/// After the backward pass of a loss that [`DataParallel::prepare`] was called for, the gradients on every process are the average of
/// all processes' gradients. Without the call a backward pass only adds to the process's own gradients, so that a batch may be computed in several parts.
///
/// The gradients become views of the buckets: they must be zeroed in place, not replaced.
#[derive(Debug)]
pub struct DataParallel {
    /// `None` where there is one process.
    reducer: Option<RawReducer>,
    /// The group outlives the averaging.
    _workers: Workers,
}

impl DataParallel {
    /// Averaging of the gradients of `weights`, which have the same shapes in every process.
    pub fn new(workers: &Workers, weights: &[Tensor]) -> Result<Self, TorchError> {
        let mut reducer = std::ptr::null_mut();
        let Some(group) = workers.raw() else {
            return Ok(DataParallel { reducer: None, _workers: workers.clone() });
        };
        let list = shim::pointers(weights);
        // SAFETY: a live group, an array of live tensors, and a place for the result.
        let answer = unsafe { ffi::ddpm_dist_reducer(group, list.as_ptr(), list.len(), &raw mut reducer) };
        workers.checked(answer)?;
        let averaging = DataParallel { reducer: Some(reducer), _workers: workers.clone() };
        averaging.fix_buckets(weights)?;
        Ok(averaging)
    }

    /// Settles the division of the gradients into buckets before the first step.
    ///
    /// The Reducer divides them anew after its first backward pass, by the order in which they came, and the rounding of a sum over three or more
    /// processes depends on the division. A pass whose gradients are zero, and come in the reverse order of the weights, makes the division the
    /// same for a run that begins and one that resumes.
    fn fix_buckets(&self, weights: &[Tensor]) -> Result<(), TorchError> {
        let Some(first) = weights.first() else { return Ok(()) };
        self.prepare()?;
        crate::fence(|| {
            let nothing: Vec<Tensor> = weights.iter().map(|weight| (weight * 0.0).sum(None)).collect();
            let chain =
                nothing.iter().fold(Tensor::from(0f32).to_device(first.device()), |sum, term| sum + term);
            chain.backward();
        })
        .map_err(|error| TorchError::collective(&error.to_string()))
    }

    /// The next backward pass ends with averaged gradients. To be called before its forward pass.
    pub fn prepare(&self) -> Result<(), TorchError> {
        match self.reducer {
            // SAFETY: the reducer lives as long as this value.
            Some(reducer) => shim::check(unsafe { ffi::ddpm_dist_reducer_prepare(reducer) }),
            None => Ok(()),
        }
    }
}

impl Drop for DataParallel {
    fn drop(&mut self) {
        if let Some(reducer) = self.reducer {
            // SAFETY: made by the shim, and freed once.
            unsafe { ffi::ddpm_dist_reducer_free(reducer) };
        }
    }
}
