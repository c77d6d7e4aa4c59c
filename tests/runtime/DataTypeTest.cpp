#include "gptc/runtime/base/DataType.h"

#include <cmath>
#include <gtest/gtest.h>

namespace gptc {
namespace {

TEST(DataType, NamesRoundTrip) {
  for (int i = 0; i <= int(DataType::U64); ++i) {
    auto type = DataType(i);
    EXPECT_EQ(parseDataType(toString(type)), type);
    EXPECT_GT(sizeOf(type), 0U);
  }
  EXPECT_FALSE(parseDataType("f31").has_value());
}

TEST(DataType, BF16RoundsToNearestEven) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    float value = fromBF16(uint16_t(bits));
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(fromBF16(toBF16(value))));
    else
      EXPECT_EQ(toBF16(value), bits);
  }
  EXPECT_EQ(toBF16(1.00390625F), 0x3f80); // Halfway, to even.
  EXPECT_EQ(toBF16(1.01171875F), 0x3f82); // Halfway, to even.
}

TEST(DataType, F16RoundTrips) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    float value = fromF16(uint16_t(bits));
    if (!std::isnan(value))
      EXPECT_EQ(toF16(value), bits);
  }
}

} // namespace
} // namespace gptc
