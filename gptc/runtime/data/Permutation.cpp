//===- Permutation.cpp ----------------------------------------------------===//

#include "gptc/runtime/data/Permutation.h"

#include <algorithm>
#include <bit>

namespace gptc {

Permutation::Permutation(uint64_t size, uint64_t seed) : size_(size) {
  unsigned bits = unsigned(std::bit_width(size - 1));
  halfBits_ = std::max(1U, (bits + 1) / 2);
  for (unsigned round = 0; round < rounds; ++round)
    keys_[round] = mixBits(mixBits(seed) + round);
}

uint64_t Permutation::encrypt(uint64_t value) const {
  uint64_t mask = (uint64_t(1) << halfBits_) - 1;
  uint64_t left = value >> halfBits_, right = value & mask;
  for (uint64_t key : keys_) {
    uint64_t next = left ^ (mixBits(key ^ right) & mask);
    left = right;
    right = next;
  }
  return left << halfBits_ | right;
}

uint64_t Permutation::operator()(uint64_t index) const {
  // The network maps what lies beyond the size onto itself in a cycle with
  // what does not, so that the walk comes back below it.
  do
    index = encrypt(index);
  while (index >= size_);
  return index;
}

} // namespace gptc
