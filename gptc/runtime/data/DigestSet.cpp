//===- DigestSet.cpp ------------------------------------------------------===//

#include "gptc/runtime/data/DigestSet.h"

#include <utility>

namespace gptc {

static constexpr ShortDigest emptySlot{};

bool DigestSet::place(std::vector<ShortDigest> &slots, ShortDigest digest) {
  // The high bits of a product spread evenly over any number of slots.
  auto wide = static_cast<unsigned __int128>(digest.high) * slots.size();
  auto at = size_t(wide >> 64);
  while (slots[at] != emptySlot) {
    if (slots[at] == digest)
      return false;
    at = at + 1 == slots.size() ? 0 : at + 1;
  }
  slots[at] = digest;
  return true;
}

void DigestSet::grow(Table &table) {
  std::vector<ShortDigest> slots(table.slots.size() * 3 / 2 + 8);
  for (ShortDigest digest : table.slots)
    if (digest != emptySlot)
      place(slots, digest);
  table.slots = std::move(slots);
}

bool DigestSet::insert(ShortDigest digest) {
  if (digest == emptySlot)
    digest.low = 1;
  Table &table = tables_[digest.low & 255];
  if (table.used * 8 >= table.slots.size() * 7)
    grow(table);
  if (!place(table.slots, digest))
    return false;
  ++table.used;
  ++size_;
  return true;
}

size_t DigestSet::memory() const {
  size_t bytes = 0;
  for (const Table &table : tables_)
    bytes += table.slots.capacity() * sizeof(ShortDigest);
  return bytes;
}

} // namespace gptc
