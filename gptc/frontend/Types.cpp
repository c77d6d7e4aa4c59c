//===- Types.cpp ----------------------------------------------------------===//

#include "gptc/frontend/Types.h"

#include <fmt/ranges.h>

namespace gptc {

int64_t TensorType::elements() const {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

std::string toString(const Shape &shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string TensorType::toString() const {
  return std::string(gptc::toString(element)) + gptc::toString(shape);
}

} // namespace gptc
