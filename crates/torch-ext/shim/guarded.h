// C++ exceptions as text: none may cross into Rust.
#pragma once

#include <c10/util/Exception.h>

#include <cstdlib>
#include <cstring>
#include <exception>

namespace ddpm {

inline char *copy_text(const char *text) {
  char *copy = static_cast<char *>(std::malloc(std::strlen(text) + 1));
  if (copy != nullptr) std::strcpy(copy, text);
  return copy;
}

// Null on success, or a heap-allocated copy of the exception's text that the caller frees.
template <typename Body>
char *guarded(Body body) {
  try {
    body();
    return nullptr;
  } catch (const c10::Error &error) {
    return copy_text(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return copy_text(error.what());
  } catch (...) {
    return copy_text("unknown C++ exception");
  }
}

}  // namespace ddpm
