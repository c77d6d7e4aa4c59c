#include "gptc/runtime/data/Permutation.h"
#include "gptc/runtime/data/DigestSet.h"

#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace gptc {
namespace {

std::vector<uint64_t> table(uint64_t size, uint64_t seed) {
  Permutation permutation(size, seed);
  std::vector<uint64_t> result;
  for (uint64_t i = 0; i < size; ++i)
    result.push_back(permutation(i));
  return result;
}

TEST(Permutation, IsOneForEverySize) {
  for (uint64_t size : {1,  2,  3,  4,  5,   7,   8,   11,   13,   15,  16,
                        17, 31, 64, 97, 255, 256, 257, 1009, 4096, 9973})
    for (uint64_t seed : {0, 1, 77}) {
      std::vector<bool> seen(size);
      for (uint64_t value : table(size, seed)) {
        ASSERT_LT(value, size);
        ASSERT_FALSE(seen[value]) << size << " with seed " << seed;
        seen[value] = true;
      }
    }
}

TEST(Permutation, DependsOnTheSeedAlone) {
  for (uint64_t size : {5, 97, 4096}) {
    std::set<std::vector<uint64_t>> different;
    for (uint64_t seed = 0; seed < 8; ++seed) {
      EXPECT_EQ(table(size, seed), table(size, seed));
      different.insert(table(size, seed));
    }
    // Of five things there are 120 orders; two seeds may share one.
    EXPECT_GE(different.size(), size == 5 ? 6U : 8U) << size;
  }
  // Data that is read anew must come in the same order on every machine.
  EXPECT_EQ(table(7, 1), (std::vector<uint64_t>{1, 0, 4, 2, 6, 5, 3}));
}

TEST(Permutation, HasNoPattern) {
  // Places of neighbours, which in order are 1 apart, are a third of the size
  // apart on average; so is what stays in its half.
  constexpr uint64_t size = 10'007;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    auto order = table(size, seed);
    double distance = 0;
    size_t fixed = 0, sameHalf = 0;
    for (uint64_t i = 0; i < size; ++i) {
      fixed += order[i] == i;
      sameHalf += (order[i] < size / 2) == (i < size / 2);
      if (i > 0)
        distance += std::abs(double(order[i]) - double(order[i - 1])) / size;
    }
    EXPECT_NEAR(distance / size, 1.0 / 3, 0.02);
    EXPECT_NEAR(double(sameHalf) / size, 0.5, 0.02);
    EXPECT_LE(fixed, 8U);
  }
}

TEST(Permutation, TakesSizesBeyondMemory) {
  for (uint64_t size :
       {uint64_t(1) << 40, (uint64_t(1) << 40) + 1, ~uint64_t(0)}) {
    Permutation permutation(size, 3);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < 1000; ++i) {
      EXPECT_LT(permutation(i), size);
      seen.insert(permutation(i));
    }
    EXPECT_EQ(seen.size(), 1000U);
  }
}

TEST(DigestSet, FindsWhatWasThereInLittleMemory) {
  DigestSet set;
  constexpr uint64_t count = 300'000;
  auto digest = [](uint64_t i) { return ShortDigest{mixBits(i), mixBits(~i)}; };
  for (uint64_t i = 0; i < count; ++i) {
    ASSERT_TRUE(set.insert(digest(i)));
    if (i > 20'000 && i % 1000 == 0)
      EXPECT_LE(set.memory(), 32 * i) << i;
  }
  for (uint64_t i = 0; i < count; i += 7)
    ASSERT_FALSE(set.insert(digest(i)));
  EXPECT_EQ(set.size(), count);
  EXPECT_TRUE(set.insert({}));
  EXPECT_FALSE(set.insert({}));
  // Digests of which only one half differs.
  EXPECT_TRUE(set.insert({5, 1}));
  EXPECT_TRUE(set.insert({5, 2}));
  EXPECT_TRUE(set.insert({6, 1}));
  EXPECT_FALSE(set.insert({5, 2}));
}

} // namespace
} // namespace gptc
