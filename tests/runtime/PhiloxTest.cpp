//===- PhiloxTest.cpp - Random words by their number ----------------------===//

#include "gptc/runtime/base/Philox.h"

#include <cmath>
#include <gtest/gtest.h>

namespace gptc {
namespace {

// The known answers of "philox2x32 7" in kat_vectors of Random123, which the
// paper's authors published.
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(Philox::at({0, 0}, 0), (Philox::Words{0x257A3673, 0xCD26BE2A}));
  EXPECT_EQ(Philox::at({0xFFFFFFFF, 0xFFFFFFFF}, 0xFFFFFFFF),
            (Philox::Words{0xAB302C4D, 0x3DC9D239}));
  EXPECT_EQ(Philox::at({0x243F6A88, 0x85A308D3}, 0x13198A2E),
            (Philox::Words{0xBEDBBE6B, 0xE4C770B3}));
}

TEST(Philox, IsEvenOverCountersAndKeys) {
  // A mean of n even numbers is off by 1 / sqrt(12 n); five times that.
  constexpr int n = 100000;
  double bound = 5 / std::sqrt(12.0 * n);
  double byIndex = 0, bySite = 0, byKey = 0, neighbours = 0;
  for (uint32_t i = 0; i < n; ++i) {
    auto fraction = [](Philox::Words words) {
      return words[0] * 0x1p-32 - 0.5;
    };
    double here = fraction(Philox::at({i, 7}, 3));
    byIndex += here;
    bySite += fraction(Philox::at({7, i}, 3));
    byKey += fraction(Philox::at({7, 3}, i));
    neighbours += 12 * here * fraction(Philox::at({i + 1, 7}, 3));
  }
  EXPECT_LT(std::abs(byIndex / n), bound);
  EXPECT_LT(std::abs(bySite / n), bound);
  EXPECT_LT(std::abs(byKey / n), bound);
  EXPECT_LT(std::abs(neighbours / n), 5 / std::sqrt(double(n)));
}

} // namespace
} // namespace gptc
