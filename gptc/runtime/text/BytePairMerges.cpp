//===- BytePairMerges.cpp -------------------------------------------------===//

#include "gptc/runtime/text/BytePairMerges.h"

#include <array>
#include <bit>
#include <queue>

namespace gptc {

namespace {

/// Up to here looking through all pairs beats a heap.
constexpr size_t shortWord = 48;

} // namespace

BytePairMerges::BytePairMerges(size_t count) {
  unsigned bits = unsigned(std::bit_width(count * 2 + 1));
  slots_.resize(size_t(1) << bits);
  shift_ = 64 - bits;
}

void BytePairMerges::add(int32_t left, int32_t right, uint32_t rank,
                         int32_t merged) {
  uint64_t pair = key(left, right);
  size_t slot = home(pair);
  while (slots_[slot].merge.rank != noRank && slots_[slot].pair != pair)
    slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = {pair, {rank, merged}};
}

BytePairMerges::Merge BytePairMerges::find(int32_t left, int32_t right) const {
  uint64_t pair = key(left, right);
  size_t slot = home(pair);
  while (slots_[slot].merge.rank != noRank) {
    if (slots_[slot].pair == pair)
      return slots_[slot].merge;
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return {};
}

void BytePairMerges::apply(std::vector<int32_t> &symbols) const {
  if (symbols.size() <= shortWord)
    applyToShort(symbols);
  else
    applyToLong(symbols);
}

void BytePairMerges::applyToShort(std::vector<int32_t> &symbols) const {
  size_t count = symbols.size();
  if (count < 2)
    return;
  /// The merge of each symbol with the next.
  std::array<Merge, shortWord> merges;
  for (size_t i = 0; i + 1 < count; ++i)
    merges[i] = find(symbols[i], symbols[i + 1]);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i)
      if (merges[i].rank < merges[best].rank)
        best = i;
    if (merges[best].rank == noRank)
      break;
    symbols[best] = merges[best].merged;
    --count;
    for (size_t i = best + 1; i < count; ++i) {
      symbols[i] = symbols[i + 1];
      merges[i] = merges[i + 1];
    }
    if (best + 1 < count)
      merges[best] = find(symbols[best], symbols[best + 1]);
    if (best > 0)
      merges[best - 1] = find(symbols[best - 1], symbols[best]);
  }
  symbols.resize(count);
}

void BytePairMerges::applyToLong(std::vector<int32_t> &symbols) const {
  struct Candidate {
    uint32_t rank;
    uint32_t position;
    int32_t left, right;
    bool operator>(const Candidate &other) const {
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  struct Link {
    uint32_t previous, next;
  };
  constexpr int32_t gone = -1;
  constexpr uint32_t end = ~uint32_t(0);
  auto count = uint32_t(symbols.size());
  std::vector<Link> links(count);
  std::vector<Candidate> candidates;
  candidates.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    links[i] = {i == 0 ? end : i - 1, i + 1 == count ? end : i + 1};
    if (i + 1 == count)
      break;
    Merge merge = find(symbols[i], symbols[i + 1]);
    if (merge.rank != noRank)
      candidates.push_back({merge.rank, i, symbols[i], symbols[i + 1]});
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(
      std::greater<>(), std::move(candidates));
  auto consider = [&](uint32_t left, uint32_t right) {
    if (left == end || right == end)
      return;
    Merge merge = find(symbols[left], symbols[right]);
    if (merge.rank != noRank)
      queue.push({merge.rank, left, symbols[left], symbols[right]});
  };
  while (!queue.empty()) {
    Candidate top = queue.top();
    queue.pop();
    uint32_t right = links[top.position].next;
    // The pair may have been merged with a neighbour since.
    if (symbols[top.position] != top.left || right == end ||
        symbols[right] != top.right)
      continue;
    symbols[top.position] = find(top.left, top.right).merged;
    symbols[right] = gone;
    links[top.position].next = links[right].next;
    if (links[right].next != end)
      links[links[right].next].previous = top.position;
    consider(links[top.position].previous, top.position);
    consider(top.position, links[top.position].next);
  }
  std::erase(symbols, gone);
}

} // namespace gptc
