//===- DigestSet.h - Which documents were seen -----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_DIGESTSET_H
#define GPTC_RUNTIME_DATA_DIGESTSET_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gptc {

/// The first 128 bits of a SHA-256.
struct ShortDigest {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const ShortDigest &) const = default;
};

/// A set of digests in 18 to 30 bytes each, once there are some thousands. Not
/// for several threads at once.
class DigestSet {
public:
  /// Whether `digest` was not there before; it is afterwards.
  bool insert(ShortDigest digest);
  uint64_t size() const { return size_; }
  /// Bytes of the tables.
  size_t memory() const;

private:
  /// Open addressing; an empty slot is zero. Tables grow one by one, so that
  /// only a little of the set is ever there twice.
  struct Table {
    std::vector<ShortDigest> slots;
    size_t used = 0;
  };
  static bool place(std::vector<ShortDigest> &slots, ShortDigest digest);
  static void grow(Table &table);

  std::array<Table, 256> tables_;
  uint64_t size_ = 0;
};

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_DIGESTSET_H
