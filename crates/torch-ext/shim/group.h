// A group of processes, shared by the shims of its backends.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

namespace ddpm {

struct Group {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  // The backend for tensors on CUDA, where there is one.
  c10::intrusive_ptr<c10d::Backend> gpus;
  std::chrono::milliseconds timeout;
};

}  // namespace ddpm
