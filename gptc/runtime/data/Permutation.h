//===- Permutation.h - A seeded order without a table ----------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_PERMUTATION_H
#define GPTC_RUNTIME_DATA_PERMUTATION_H

#include <cstdint>

namespace gptc {

/// SplitMix64's finalizer: every bit of the result depends on every bit of `x`.
///
/// Source: G. Steele et al., "Fast Splittable Pseudorandom Number Generators",
/// 2014.
constexpr uint64_t mixBits(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// A permutation of 0 to size - 1 as a function of the seed: a Feistel network
/// over the next power of four, walked along its cycles until it is below the
/// size. Takes no memory and constant time on average. The same on every
/// machine. Immutable, safe to share between threads.
///
/// Source: J. Black, P. Rogaway, "Ciphers with Arbitrary Finite Domains", 2002.
class Permutation {
public:
  /// `size` is at least 1.
  Permutation(uint64_t size, uint64_t seed);

  uint64_t size() const { return size_; }
  /// Where `index`, which is below the size, goes.
  uint64_t operator()(uint64_t index) const;

private:
  static constexpr unsigned rounds = 8;
  uint64_t encrypt(uint64_t value) const;

  uint64_t size_;
  /// Bits of half a value, at least 1, at most 32.
  unsigned halfBits_ = 1;
  uint64_t keys_[rounds];
};

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_PERMUTATION_H
