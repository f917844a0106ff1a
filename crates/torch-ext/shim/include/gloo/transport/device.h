// Declarations of gloo that ProcessGroupGloo.hpp names by pointer; libtorch contains gloo itself but not its headers.
#pragma once
namespace gloo {
namespace transport {
class Device;
}
}  // namespace gloo
