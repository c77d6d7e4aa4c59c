//===- Counted.h - Numbers of things in sentences --------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_BASE_COUNTED_H
#define GPTC_RUNTIME_BASE_COUNTED_H

#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <string_view>

namespace gptc {

/// "1 step", "2 steps".
inline std::string counted(uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

} // namespace gptc

#endif // GPTC_RUNTIME_BASE_COUNTED_H
