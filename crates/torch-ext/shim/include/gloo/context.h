// Declarations of gloo that ProcessGroupGloo.hpp names by pointer; libtorch contains gloo itself but not its headers.
#pragma once
#include <chrono>
namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};
namespace transport {
class UnboundBuffer;
}
}  // namespace gloo
