// Thin entry points to libtorch functions that tch does not bind. Each returns null on success, or a heap-allocated copy of the
// exception's text that the caller frees with ddpm_free_text: no C++ exception may cross into Rust.

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdlib>
#include <memory>

#include "guarded.h"
#include "tensors.h"

using ddpm::guarded;
using ddpm::list;

extern "C" {

void ddpm_free_text(char *text) { std::free(text); }

char *ddpm_channels_last(at::Tensor *input, at::Tensor *output) {
  return guarded([&] { *output = input->contiguous(at::MemoryFormat::ChannelsLast); });
}

char *ddpm_set_autocast(int device_type, bool enabled) {
  return guarded([&] {
    const auto device = static_cast<at::DeviceType>(device_type);
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::set_autocast_enabled(device, enabled);
    at::autocast::set_autocast_cache_enabled(true);
    // The cache holds the cast weights of one step; keeping it would keep stale weights.
    if (!enabled) at::autocast::clear_cache();
  });
}

char *ddpm_allow_tf32(bool on) {
  return guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(on);
    at::globalContext().setAllowTF32CuDNN(on);
  });
}

char *ddpm_tf32_allowed(bool *products, bool *convolutions) {
  return guarded([&] {
    *products = at::globalContext().allowTF32CuBLAS();
    *convolutions = at::globalContext().allowTF32CuDNN();
  });
}

char *ddpm_set_deterministic(bool on) {
  return guarded([&] {
    auto &context = at::globalContext();
    // cuBLAS reads the variable when its handle is made; its other workspaces sum in an order that varies.
    if (on && std::getenv("CUBLAS_WORKSPACE_CONFIG") == nullptr) setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
    context.setDeterministicAlgorithms(on, /*warn_only=*/false);
    // Uninitialized memory is never read here; filling it would only cost time.
    context.setDeterministicFillUninitializedMemory(false);
    context.setDeterministicCuDNN(on);
    context.setBenchmarkCuDNN(!on);
  });
}

char *ddpm_fused_adam(at::Tensor **params, at::Tensor **grads, at::Tensor **exp_avgs, at::Tensor **exp_avg_sqs,
                      at::Tensor **steps, size_t count, double lr, double beta1, double beta2, double eps,
                      double weight_decay, bool decoupled, at::Tensor *skip) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    const auto found_inf = skip == nullptr ? std::optional<at::Tensor>() : std::optional<at::Tensor>(*skip);
    const auto p = list(params, count), g = list(grads, count), m = list(exp_avgs, count),
               v = list(exp_avg_sqs, count), s = list(steps, count);
    if (decoupled) {
      at::_fused_adamw_(p, g, m, v, {}, s, lr, beta1, beta2, weight_decay, eps, false, false, {}, found_inf);
    } else {
      at::_fused_adam_(p, g, m, v, {}, s, lr, beta1, beta2, weight_decay, eps, false, false, {}, found_inf);
    }
  });
}

char *ddpm_foreach_zero(at::Tensor **tensors, size_t count) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    at::_foreach_zero_(list(tensors, count));
  });
}

char *ddpm_foreach_lerp(at::Tensor **into, at::Tensor **towards, size_t count, double weight) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    at::_foreach_lerp_(list(into, count), list(towards, count), weight);
  });
}

char *ddpm_foreach_scale(at::Tensor **tensors, size_t count, at::Tensor *factor) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    at::_foreach_mul_(list(tensors, count), *factor);
  });
}

char *ddpm_foreach_norms(at::Tensor **tensors, size_t count, at::Tensor *output) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    *output = at::stack(at::_foreach_norm(list(tensors, count), 2.0));
  });
}

// A copy in memory that a GPU reads and writes without the processor.
char *ddpm_pinned(at::Tensor *input, at::Tensor *output) {
  return guarded([&] { *output = input->pin_memory(); });
}

// Most bytes of a CUDA device that tensors have held since the last reset.
char *ddpm_memory_peak(int device, int64_t *bytes) {
  return guarded([&] {
    auto *allocator = c10::getDeviceAllocator(c10::DeviceType::CUDA);
    const auto stats = allocator->getDeviceStats(static_cast<c10::DeviceIndex>(device));
    *bytes = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  });
}

char *ddpm_memory_reset_peak(int device) {
  return guarded([&] {
    c10::getDeviceAllocator(c10::DeviceType::CUDA)->resetPeakStats(static_cast<c10::DeviceIndex>(device));
  });
}

// A place after everything that was asked of a CUDA device's current stream.
char *ddpm_event_record(int device, c10::Event **output) {
  return guarded([&] {
    const c10::Device cuda(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device));
    auto event = std::make_unique<c10::Event>(c10::DeviceType::CUDA);
    event->record(c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getStream(cuda));
    *output = event.release();
  });
}

char *ddpm_event_wait(c10::Event *event) {
  return guarded([&] { event->synchronize(); });
}

void ddpm_event_free(c10::Event *event) {
  try {
    delete event;
  } catch (...) {
  }
}
}
