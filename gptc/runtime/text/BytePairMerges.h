//===- BytePairMerges.h - Merges of adjacent tokens ------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_BYTEPAIRMERGES_H
#define GPTC_RUNTIME_TEXT_BYTEPAIRMERGES_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gptc {

/// The merges of a byte pair encoding by the ids of what they merge. Immutable
/// once filled.
class BytePairMerges {
public:
  explicit BytePairMerges(size_t count);

  /// Adds the merge of two adjacent ids. Lower ranks merge first; where a pair
  /// is added again, the later rank holds.
  void add(int32_t left, int32_t right, uint32_t rank, int32_t merged);

  /// Merges the symbols of a word, the lowest rank first and from left to
  /// right, until no merge applies. O(n log n) for long words.
  void apply(std::vector<int32_t> &symbols) const;

private:
  static constexpr uint32_t noRank = ~uint32_t(0);
  struct Merge {
    uint32_t rank = noRank;
    int32_t merged = -1;
  };
  struct Slot {
    uint64_t pair = ~uint64_t(0);
    Merge merge;
  };

  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
  }
  size_t home(uint64_t pair) const {
    return size_t(pair * 0x9e3779b97f4a7c15 >> shift_);
  }
  Merge find(int32_t left, int32_t right) const;
  void applyToShort(std::vector<int32_t> &symbols) const;
  void applyToLong(std::vector<int32_t> &symbols) const;

  /// Open addressing, a power of two.
  std::vector<Slot> slots_;
  unsigned shift_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_BYTEPAIRMERGES_H
