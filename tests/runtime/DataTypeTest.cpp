#include "gptc/runtime/base/DataType.h"

#include <bit>
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

/// All f32 but for a factor of a prime, as the compiler's own type rounds.
TEST(DataType, F16RoundsToNearestEven) {
  uint64_t different = 0;
  for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += 6007) {
    auto value = std::bit_cast<float>(uint32_t(bits));
    auto expected = std::bit_cast<uint16_t>(static_cast<_Float16>(value));
    if (std::isnan(value))
      different += !std::isnan(fromF16(toF16(value)));
    else
      different += toF16(value) != expected;
  }
  EXPECT_EQ(different, 0U);
  EXPECT_EQ(toF16(65519.996F), 0x7bff);
  EXPECT_EQ(toF16(-65520.0F), 0xfc00); // Halfway to what f16 has not.
  EXPECT_EQ(toF16(0x1p-25F), 0);       // Halfway, to even.
  EXPECT_EQ(toF16(0x1.8p-24F), 2);     // Halfway, to even.
}

} // namespace
} // namespace gptc
