//===- Fuzz.h - What every fuzz target needs -------------------*- C++ -*-===//

#ifndef GPTC_TESTS_FUZZ_FUZZ_H
#define GPTC_TESTS_FUZZ_FUZZ_H

#include "gptc/runtime/base/Error.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace gptc {

/// Stops the fuzzer when something that must hold does not.
inline void require(bool condition) {
  if (!condition)
    std::abort();
}

/// Every error has a sentence and blames the input.
inline void requireSentence(const Error &error) {
  require(!error.message().empty());
  require(error.code() == ErrorCode::Corrupt ||
          error.code() == ErrorCode::Unsupported);
}

/// Reads each byte, so that the sanitizer sees those that are not there.
inline void touch(std::span<const std::byte> bytes) {
  [[maybe_unused]] static volatile unsigned char sink;
  for (std::byte byte : bytes)
    sink = static_cast<unsigned char>(byte);
}

} // namespace gptc

#endif // GPTC_TESTS_FUZZ_FUZZ_H
