//===- FiniteValues.cpp ---------------------------------------------------===//

#include "gptc/runtime/session/FiniteValues.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace gptc {

Status checkFinite(std::span<const float> values, const char *what,
                   uint64_t position) {
  // Without a branch for each, so that it takes a few microseconds.
  constexpr uint32_t exponent = 0x7f800000;
  uint32_t found = 0;
  for (float x : values)
    found |= uint32_t((std::bit_cast<uint32_t>(x) & exponent) == exponent);
  if (!found)
    return {};
  auto place = std::find_if_not(values.begin(), values.end(),
                                [](float x) { return std::isfinite(x); });
  return failure(ErrorCode::Corrupt,
                 "the {} after {} tokens has {} in the place of a number, at "
                 "{}; the weights hold such values or the arithmetic "
                 "overflowed (f16 ends at 65504): check the checkpoint, or "
                 "look with 'gptc compare' where it begins",
                 what, position, std::isnan(*place) ? "NaN" : "infinity",
                 place - values.begin());
}

} // namespace gptc
