//! Several processes that compute one thing, on c10d, the engine of PyTorch's distributed training.
//!
//! A launcher (torchrun, srun, mpirun) starts the processes and tells each its [`Rendezvous`] in environment variables. They find each other
//! through a TCPStore and exchange tensors with Gloo, and those of GPUs with NCCL once [`Workers::connect_gpus`] has connected them. [`Workers`] is the group as a value: a program that runs alone has
//! [`Workers::alone`], whose operations do nothing. [`DataParallel`] averages gradients during the backward pass.

mod data_parallel;
mod ffi;
mod nccl;
mod rendezvous;
mod workers;

pub use data_parallel::DataParallel;
pub use nccl::nccl_version;
pub use rendezvous::Rendezvous;
pub use workers::Workers;
