//===- MemoryAdviceTest.cpp - What is advised where memory is short -------===//

#include "gptc/runtime/program/MemoryAdvice.h"

#include <gmock/gmock.h>

namespace gptc {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr uint64_t mib = uint64_t(1) << 20;

MemoryNeed need(uint64_t weights, uint64_t caches, uint64_t activations) {
  MemoryNeed made;
  made.weights = weights * mib;
  made.caches = caches * mib;
  made.activations = activations * mib;
  made.batch = 8;
  made.context = 1024;
  return made;
}

TEST(MemoryAdvice, NamesTheBatchAndTheContextThatFit) {
  // 400 of 800 MiB beside the weights: half of the batch. Of the caches, 400 -
  // 80 of 720: 455 tokens, which is 448 in whole 16s.
  std::string text = whatWouldFit(need(1000, 720, 80), 1400 * mib);
  EXPECT_EQ(text, "compile with --batch 4, --context 448 or --dtype bf16");
}

TEST(MemoryAdvice, NamesOnlyWhatIsEnough) {
  MemoryNeed one = need(1000, 720, 80);
  one.batch = 1;
  one.isNarrow = true;
  EXPECT_EQ(whatWouldFit(one, 1400 * mib), "compile with --context 448");
  // Weights of half the size, and no cache to speak of.
  EXPECT_EQ(whatWouldFit(need(1000, 0, 8), 700 * mib),
            "compile with --dtype bf16");
  std::string none = whatWouldFit(need(4000, 80, 8), 700 * mib);
  EXPECT_THAT(none, HasSubstr("take 4000 MiB without caches"));
  EXPECT_THAT(none, HasSubstr("a smaller model"));
  one = need(4, 0, 5000);
  one.batch = 1;
  EXPECT_EQ(whatWouldFit(one, 700 * mib),
            "no --batch or --context of it would fit: take a smaller model");
}

TEST(MemoryAdvice, OfTrainingIsRecomputation) {
  MemoryNeed training = need(500, 0, 3000);
  training.optimizer = 1000 * mib;
  std::string text = whatWouldFit(training, 2250 * mib);
  EXPECT_THAT(text, HasSubstr("--batch 2"));
  // 750 of 3000 MiB: a quarter of the tokens.
  EXPECT_THAT(text, HasSubstr("--context 256"));
  EXPECT_THAT(text, HasSubstr("--memory 2250MiB"));
  // Moments stay in f32.
  EXPECT_THAT(text, Not(HasSubstr("bf16")));
  training.optimizer = 4000 * mib;
  EXPECT_THAT(whatWouldFit(training, 2250 * mib), HasSubstr("smaller model"));
}

TEST(MemoryAdvice, OfWhatAllButFitsIsLessThanWasCompiled) {
  std::string text = whatWouldFit(need(1000, 720, 80), 1800 * mib - 1);
  EXPECT_THAT(text, HasSubstr("--batch 7"));
  EXPECT_THAT(text, HasSubstr("--context 1008"));
}

} // namespace
} // namespace gptc
