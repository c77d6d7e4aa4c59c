//===- Philox.h - Random words by their number -----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_BASE_PHILOX_H
#define GPTC_RUNTIME_BASE_PHILOX_H

#include <array>
#include <cstdint>

namespace gptc {

/// The counter-based generator Philox2x32 with 7 rounds, the fewest that pass
/// BigCrush: two random words, a function of a counter and a key. Source:
/// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
struct Philox {
  using Words = std::array<uint32_t, 2>;
  static constexpr int rounds = 7;
  static constexpr uint32_t multiplier = 0xD256D193;
  static constexpr uint32_t weyl = 0x9E3779B9;

  static constexpr Words at(Words counter, uint32_t key) {
    for (int round = 0; round < rounds; ++round, key += weyl) {
      uint64_t product = uint64_t(multiplier) * counter[0];
      counter = {uint32_t(product >> 32) ^ key ^ counter[1], uint32_t(product)};
    }
    return counter;
  }
};

} // namespace gptc

#endif // GPTC_RUNTIME_BASE_PHILOX_H
