// NCCL as a backend of a process group. A shared object of its own, which is loaded once libtorch_cuda is: it names symbols of CUDA.

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <c10/cuda/CUDAFunctions.h>

#include <string>

#include "group.h"
#include "guarded.h"

using ddpm::Group;
using ddpm::guarded;

extern "C" {

// Rendezvous of all ranks and their connections between GPUs; `device` is this rank's. Tensors on CUDA are exchanged by NCCL from now on.
char *ddpm_nccl_connect(Group *group, int device) {
  return guarded([&] {
    TORCH_CHECK(group->group.defined(), "this process has left its group");
    c10::cuda::set_device(static_cast<c10::DeviceIndex>(device));
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = group->timeout;
    auto store = c10::make_intrusive<c10d::PrefixStore>("nccl", group->store);
    auto backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, group->group->getRank(),
                                                               group->group->getSize(), options);
    group->group->setBackend(c10::DeviceType::CUDA, c10d::ProcessGroup::BackendType::NCCL, backend);
    // Without this the connections would be made by the first exchange, inside of a backward pass.
    backend->eagerConnectSingleDevice(at::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device)));
    group->gpus = backend;
  });
}

// The version of NCCL, such as 2.29.7; freed with ddpm_free_text.
char *ddpm_nccl_version(char **version) {
  return guarded([&] { *version = ddpm::copy_text(c10d::getNcclVersion().c_str()); });
}
}
