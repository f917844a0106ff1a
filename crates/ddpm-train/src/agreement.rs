//! A check that all processes of a run have the same weights, bit by bit.

use crate::TrainError;
use tch::{Kind, Tensor};
use torch_ext::dist::Workers;

/// Compares digests of lists of tensors (weights, their published average) over all processes.
///
/// # Errors
/// The digests of the first process and of the first one that differs. Every process has the same error.
pub(crate) fn check(workers: &Workers, step: u64, lists: [&[Tensor]; 2]) -> Result<(), TrainError> {
    if workers.world() == 1 {
        return Ok(());
    }
    let own = Tensor::from_slice(&[digest(lists[0])?, digest(lists[1])?]);
    let all = workers.all_gather(&own)?;
    let words = |tensor: &Tensor| [tensor.int64_value(&[0]), tensor.int64_value(&[1])];
    let first = words(&all[0]);
    match all.iter().map(words).enumerate().find(|(_, other)| *other != first) {
        None => Ok(()),
        Some((rank, other)) => Err(TrainError::Disagreement {
            step,
            rank,
            first: format!("{:016x} {:016x}", first[0], first[1]),
            other: format!("{:016x} {:016x}", other[0], other[1]),
        }),
    }
}

/// A number that changes with every bit of the tensors and with their places: for each tensor the sum of its words, each times an odd number of
/// its place, modulo 2^64. It is computed on their device.
fn digest(tensors: &[Tensor]) -> Result<i64, TrainError> {
    let sums = torch_ext::fence(|| {
        let of_one = |tensor: &Tensor| {
            let words = tensor.detach().contiguous().view([-1]).view_dtype(Kind::Int).to_kind(Kind::Int64);
            let odd = Tensor::arange(words.size()[0], (Kind::Int64, words.device())) * 2 + 1;
            (words * odd).sum(Kind::Int64)
        };
        let sums: Vec<Tensor> = tch::no_grad(|| tensors.iter().map(of_one).collect());
        Vec::<i64>::try_from(Tensor::stack(&sums, 0).to_device(tch::Device::Cpu))
    })?
    .map_err(torch_ext::TorchError::from)?;
    // FNV's prime mixes the tensors' sums in their order.
    Ok(sums.iter().fold(0i64, |digest, sum| (digest ^ sum).wrapping_mul(0x100_0000_01b3)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_sees_a_bit_and_an_exchange() {
        let tensors = |values: [f32; 3]| [Tensor::from_slice(&values), Tensor::from_slice(&[4f32])];
        let base = digest(&tensors([1.0, 2.0, 3.0])).unwrap();
        assert_eq!(digest(&tensors([1.0, 2.0, 3.0])).unwrap(), base);
        for other in [[1.0, 2.0, 3.000_000_2], [2.0, 1.0, 3.0], [-1.0, 2.0, 3.0]] {
            assert_ne!(digest(&tensors(other)).unwrap(), base);
        }
        let [a, b] = tensors([1.0, 2.0, 3.0]);
        assert_ne!(digest(&[b, a]).unwrap(), base);
    }
}
