#include "gptc/runtime/training/StepSizes.h"

#include <gtest/gtest.h>

namespace gptc {
namespace {

/// GPT-3's growth of its smallest model, in steps of half a million tokens.
constexpr BatchGrowth published{32'000, 4'000'000'000};

TEST(StepSizes, AreOneSizeWithoutGrowth) {
  StepSizes sizes({}, 3, 62);
  for (uint64_t step = 0; step < 5; ++step, sizes.advance()) {
    EXPECT_EQ(sizes.batches(), 3U);
    EXPECT_EQ(sizes.batchesBefore(), 3 * step);
  }
  EXPECT_EQ(sizes.stepsWithin(3 * 62 * 7 + 1), 7U);
}

TEST(StepSizes, GrowLinearlyWithTheTokensSeen) {
  StepSizes sizes(published, 256, 2048);
  EXPECT_EQ(sizes.batches(), 15U); // Of 15.6.
  uint64_t before = sizes.batches(), tokens = 0, steps = 0;
  while (sizes.tokensBefore() < 2'000'000'000) {
    EXPECT_GE(sizes.batches(), before);
    before = sizes.batches();
    tokens += before * 2048;
    sizes.advance();
    EXPECT_EQ(sizes.tokensBefore(), tokens);
    ++steps;
  }
  EXPECT_EQ(sizes.batches(), 135U); // Of (15.6 + 256) / 2.
  // Whole steps from the end of the growth on, and not before.
  uint64_t whole = sizes.stepsWithin(2'100'000'000);
  sizes.advance(whole);
  EXPECT_EQ(sizes.batches(), 256U);
  EXPECT_EQ(StepSizes(published, 256, 2048).stepsWithin(tokens), steps);
}

TEST(StepSizes, ManyStepsAreTheSameAsOneByOne) {
  for (uint64_t most : {1, 2, 7, 256})
    for (uint64_t tokens : {1, 31, 2048, 500'000}) {
      StepSizes single(published, most, tokens), many = single;
      for (uint64_t count : {0, 1, 2, 1000, 12'345, 3}) {
        for (uint64_t i = 0; i < count; ++i)
          single.advance();
        many.advance(count);
        ASSERT_EQ(single.batchesBefore(), many.batchesBefore())
            << most << " of " << tokens;
      }
    }
}

TEST(StepSizes, HaveAtLeastOneBatchAndAtMostAll) {
  StepSizes small({1, 1000}, 4, 100), large({1'000'000, 1000}, 4, 100);
  EXPECT_EQ(small.batches(), 1U);
  EXPECT_EQ(large.batches(), 4U);
  // No number of steps is too many.
  small.advance(UINT64_MAX);
  EXPECT_EQ(small.batches(), 4U);
  EXPECT_EQ(StepSizes({0, UINT64_MAX}, UINT64_MAX, 1).stepsWithin(5), 3U);
}

} // namespace
} // namespace gptc
