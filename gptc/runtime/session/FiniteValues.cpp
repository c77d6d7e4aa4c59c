//===- FiniteValues.cpp ---------------------------------------------------===//

#include "gptc/runtime/session/FiniteValues.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace gptc {

namespace {

/// Whether one of the values has all bits of the exponent, without a branch for
/// each, so that it takes the time of reading them.
template <typename T>
bool holdsExponent(std::span<const std::byte> bytes, T exponent) {
  bool found = false;
  for (size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
    T bits;
    std::memcpy(&bits, bytes.data() + i, sizeof(T));
    found |= (bits & exponent) == exponent;
  }
  return found;
}

} // namespace

bool areFinite(std::span<const std::byte> bytes, DataType type) {
  switch (type) {
  case DataType::F32:
    return !holdsExponent<uint32_t>(bytes, 0x7f800000);
  case DataType::BF16:
    return !holdsExponent<uint16_t>(bytes, 0x7f80);
  case DataType::F16:
    return !holdsExponent<uint16_t>(bytes, 0x7c00);
  case DataType::F64:
    return !holdsExponent<uint64_t>(bytes, 0x7ff0000000000000);
  default:
    return true;
  }
}

Status checkFinite(std::span<const float> values, const char *what,
                   uint64_t position) {
  if (areFinite(std::as_bytes(values), DataType::F32))
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
