//===- MatrixProductTest.cpp - oneDNN's products of one panel -------------===//

#include "gptc/runtime/program/MatrixProduct.h"
#include "gptc/runtime/base/DataType.h"
#include "gptc/runtime/program/KernelLibrary.h"
#include "gptc/runtime/program/Memory.h"
#include "gptc/runtime/program/Threads.h"

#include <cmath>
#include <gmock/gmock.h>
#include <random>

namespace gptc {
namespace {

constexpr uint64_t panelWidth = 64;

float fromBf16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t(bits) << 16);
}

/// Whether oneDNN has no such product on this machine, which may only be where
/// the instructions for one are missing.
bool lacksInstructions(
    const Expected<std::unique_ptr<MatrixProduct>> &product) {
  if (product || product.error().code() != ErrorCode::Unsupported)
    return false;
  return !missingFeatures(std::vector<std::string>{"avx512_bf16"}).empty();
}

/// A multiple of 1/64 in [-1, 1), which bf16 holds exactly.
uint16_t draw(std::mt19937 &random) {
  float value = float(int(random() % 128) - 64) / 64;
  return uint16_t(std::bit_cast<uint32_t>(value) >> 16);
}

class MatrixProductShapes
    : public testing::TestWithParam<std::tuple<uint64_t, uint64_t, uint64_t>> {
};

TEST_P(MatrixProductShapes, IsTheProduct) {
  auto [rows, depth, gap] = GetParam();
  uint64_t stride = depth + gap, padded = (depth + 15) / 16 * 16;
  std::mt19937 random(7);
  std::vector<uint16_t> source(rows * stride, 0x7fc0); // NaN in the gaps
  std::vector<uint16_t> weights(padded * panelWidth);
  for (uint64_t r = 0; r < rows; ++r)
    for (uint64_t k = 0; k < depth; ++k)
      source[r * stride + k] = draw(random);
  auto weightAt = [&](uint64_t k, uint64_t n) -> uint16_t & {
    return weights[(k / 2 * panelWidth + n) * 2 + k % 2];
  };
  for (uint64_t k = 0; k < depth; ++k)
    for (uint64_t n = 0; n < panelWidth; ++n)
      weightAt(k, n) = draw(random);

  constexpr unsigned threads = 3;
  auto product = MatrixProduct::create(rows, depth, stride, threads);
  if (lacksInstructions(product))
    GTEST_SKIP() << product.error().message();
  ASSERT_TRUE(product) << product.error().message();
  auto team = ThreadTeam::create(threads);
  ASSERT_TRUE(team);
  // On all threads at once, each with sums and scratch of its own.
  uint64_t sumBytes = rows * panelWidth * sizeof(float);
  uint64_t each = (sumBytes + 63) / 64 * 64 + (*product)->scratchBytes() + 64;
  each = (each + 63) / 64 * 64;
  auto memory = Region::create(each * threads, "the test");
  ASSERT_TRUE(memory);
  (*team)->run([&](unsigned thread) {
    std::byte *sums = memory->data() + thread * each;
    (*product)->run(reinterpret_cast<const std::byte *>(source.data()),
                    reinterpret_cast<const std::byte *>(weights.data()), sums,
                    sums + (sumBytes + 63) / 64 * 64, thread);
  });
  for (unsigned thread = 0; thread < threads; ++thread) {
    const auto *sums =
        reinterpret_cast<const float *>(memory->data() + thread * each);
    for (uint64_t r = 0; r < rows; ++r)
      for (uint64_t n = 0; n < panelWidth; ++n) {
        double expected = 0;
        for (uint64_t k = 0; k < depth; ++k)
          expected += double(fromBf16(source[r * stride + k])) *
                      double(fromBf16(weightAt(k, n)));
        ASSERT_NEAR(sums[r * panelWidth + n], expected,
                    1e-6 * double(depth) + 1e-6)
            << "row " << r << ", column " << n << ", thread " << thread;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Odd, MatrixProductShapes,
    testing::Combine(testing::Values(1, 5, 7, 11, 13, 16, 96),
                     testing::Values(1, 2, 7, 13, 16, 100, 331),
                     testing::Values(0, 3)));

TEST(MatrixProduct, SaysWhoComputes) {
  auto product = MatrixProduct::create(16, 64, 64, 1);
  if (lacksInstructions(product)) {
    EXPECT_THAT(product.error().message(),
                testing::StartsWith("oneDNN has no product of 16 x 64 bf16"));
    return;
  }
  ASSERT_TRUE(product) << product.error().message();
  EXPECT_FALSE((*product)->implementation().empty());
  // What a machine with these instructions must not fall to.
  if (missingFeatures(std::vector<std::string>{"avx512_bf16"}).empty()) {
    EXPECT_FALSE((*product)->isReference()) << (*product)->implementation();
  }
  EXPECT_EQ((*product)->usesAmx(),
            missingFeatures(std::vector<std::string>{"amx_bf16"}).empty())
      << (*product)->implementation();
}

} // namespace
} // namespace gptc
