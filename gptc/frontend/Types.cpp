//===- Types.cpp ----------------------------------------------------------===//

#include "gptc/frontend/Types.h"

#include <fmt/ranges.h>
#include <limits>

namespace gptc {

int64_t TensorType::elements() const {
  int64_t count = 1;
  for (int64_t extent : shape)
    if (__builtin_mul_overflow(count, extent, &count))
      return std::numeric_limits<int64_t>::max();
  return count;
}

std::string toString(const Shape &shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string TensorType::toString() const {
  return std::string(gptc::toString(element)) + gptc::toString(shape);
}

} // namespace gptc
