// Process groups of libtorch's c10d: rendezvous through a TCPStore, collectives, and the Reducer behind DistributedDataParallel.
// Every function returns null or the text of an exception, as in shim.cpp.

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <c10/util/Flags.h>
#include <c10/util/Logging.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "group.h"
#include "guarded.h"
#include "tensors.h"

C10_DECLARE_int(caffe2_log_level);

using ddpm::guarded;
using ddpm::Group;
using ddpm::list;

namespace {

// The processes that are still connected.
c10d::ProcessGroup &connected(Group *group) {
  TORCH_CHECK(group->group.defined(), "this process has left its group");
  return *group->group;
}

// The first bucket is small so that its reduction starts early in the backward pass; both are PyTorch's defaults.
constexpr int64_t kFirstBucketBytes = 1024 * 1024;
constexpr int64_t kBucketBytes = 25 * 1024 * 1024;

struct DataParallel {
  std::shared_ptr<c10d::Reducer> reducer;
};

}  // namespace

extern "C" {

// `serve`: this process opens the store's port. `prefix` separates the keys of one attempt from those of earlier ones.
char *ddpm_dist_connect(const char *host, uint16_t port, bool serve, const char *prefix, int rank, int world,
                        int64_t timeout_ms, Group **output) {
  return guarded([&] {
    // A peer that is gone becomes an error of one line; c10d would also print its own call stack.
    if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = c10::GLOG_ERROR;
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serve;
    options.timeout = std::chrono::milliseconds(timeout_ms);
    options.waitWorkers = false;
    auto group = std::make_unique<Group>();
    group->timeout = options.timeout;
    auto tcp = c10::make_intrusive<c10d::TCPStore>(std::string(host), options);
    group->store = c10::make_intrusive<c10d::PrefixStore>(std::string(prefix), tcp);
    group->store->setTimeout(options.timeout);
    group->group = c10::make_intrusive<c10d::ProcessGroup>(group->store, rank, world);
    *output = group.release();
  });
}

// Rendezvous of all ranks and their connections on the CPU.
char *ddpm_dist_gloo(Group *group) {
  return guarded([&] {
    auto options = c10d::ProcessGroupGloo::Options::create(group->timeout);
    options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
    auto store = c10::make_intrusive<c10d::PrefixStore>("gloo", group->store);
    auto backend = c10::make_intrusive<c10d::ProcessGroupGloo>(store, group->group->getRank(), group->group->getSize(),
                                                               options);
    group->group->setBackend(c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::GLOO, backend);
    group->group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
  });
}

// Closes the connections to the other ranks, whose exchanges then fail at once; the store stays.
char *ddpm_dist_leave(Group *group) {
  return guarded([&] {
    // NCCL's kernels wait for the other ranks as long as their connections stand.
    if (group->gpus.defined()) group->gpus->abort();
    group->gpus.reset();
    group->group.reset();
  });
}

void ddpm_dist_free(Group *group) {
  // A peer that is gone must not end this process in a destructor.
  try {
    delete group;
  } catch (...) {
  }
}

char *ddpm_dist_set(Group *group, const char *key, const char *value) {
  return guarded([&] {
    const std::string text(value);
    group->store->set(key, std::vector<uint8_t>(text.begin(), text.end()));
  });
}

// The value of a key, or null where it is not set now; freed with ddpm_free_text.
char *ddpm_dist_get(Group *group, const char *key, char **value) {
  *value = nullptr;
  return guarded([&] {
    if (!group->store->check({std::string(key)})) return;
    const auto bytes = group->store->get(key);
    *value = ddpm::copy_text(std::string(bytes.begin(), bytes.end()).c_str());
  });
}

// Adds to a counter in the store and returns its new value.
char *ddpm_dist_count(Group *group, const char *key, int64_t amount, int64_t *value) {
  return guarded([&] { *value = group->store->add(key, amount); });
}

char *ddpm_dist_all_reduce(Group *group, at::Tensor *tensor) {
  return guarded([&] {
    std::vector<at::Tensor> tensors{*tensor};
    c10d::AllreduceOptions options;
    options.reduceOp = c10d::ReduceOp::SUM;
    options.timeout = group->timeout;
    connected(group).allreduce(tensors, options)->wait();
  });
}

char *ddpm_dist_broadcast(Group *group, at::Tensor *tensor, int root) {
  return guarded([&] {
    std::vector<at::Tensor> tensors{*tensor};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    options.timeout = group->timeout;
    connected(group).broadcast(tensors, options)->wait();
  });
}

// `outputs` are as many tensors of the input's shape as there are ranks.
char *ddpm_dist_all_gather(Group *group, at::Tensor *input, at::Tensor **outputs, size_t count) {
  return guarded([&] {
    std::vector<std::vector<at::Tensor>> gathered{list(outputs, count)};
    std::vector<at::Tensor> inputs{*input};
    c10d::AllgatherOptions options;
    options.timeout = group->timeout;
    connected(group).allgather(gathered, inputs, options)->wait();
  });
}

// Buckets are made in reverse order of the parameters, which is about the order in which their gradients are ready.
char *ddpm_dist_reducer(Group *group, at::Tensor **tensors, size_t count, DataParallel **output) {
  return guarded([&] {
    connected(group);
    auto parameters = list(tensors, count);
    c10d::verify_params_across_processes(group->group, parameters, {});
    const std::vector<bool> sparse(count, false);
    auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
        parameters, {static_cast<size_t>(kFirstBucketBytes), static_cast<size_t>(kBucketBytes)}, sparse);
    std::vector<std::vector<size_t>> reversed(buckets.rbegin(), buckets.rend());
    auto wrapped = std::make_unique<DataParallel>();
    wrapped->reducer = std::make_shared<c10d::Reducer>(
        parameters, reversed, group->group, sparse, kBucketBytes,
        /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true,
        std::unordered_map<size_t, std::string>(), kFirstBucketBytes,
        /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false, std::vector<int64_t>());
    *output = wrapped.release();
  });
}

// Before the forward pass whose backward pass is to end with averaged gradients.
char *ddpm_dist_reducer_prepare(DataParallel *wrapped) {
  return guarded([&] {
    wrapped->reducer->prepare_for_forward();
    if (wrapped->reducer->should_rebuild_buckets()) wrapped->reducer->rebuild_buckets();
    wrapped->reducer->prepare_for_backward({});
  });
}

void ddpm_dist_reducer_free(DataParallel *wrapped) {
  try {
    delete wrapped;
  } catch (...) {
  }
}
}
