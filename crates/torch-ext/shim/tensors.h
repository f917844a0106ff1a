// Lists of tensors as tch hands them out.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace ddpm {

inline std::vector<at::Tensor> list(at::Tensor **tensors, size_t count) {
  std::vector<at::Tensor> values;
  values.reserve(count);
  for (size_t i = 0; i < count; ++i) values.push_back(*tensors[i]);
  return values;
}

}  // namespace ddpm
