//===- CommandsTest.cpp - What is recorded, without a device --------------===//

#include "gptc/backends/vulkan/runtime/Commands.h"

#include <gtest/gtest.h>

namespace gptc::vulkan {
namespace {

using Ranges = std::vector<Range>;

TEST(Hazards, OnlyWhatTouchesTheSameBytesWaits) {
  Hazards hazards;
  EXPECT_FALSE(hazards.mustWait(Ranges{{0, 64}}, Ranges{{64, 128}}));
  EXPECT_FALSE(hazards.mustWait(Ranges{{0, 64}}, Ranges{{128, 192}}));
  // Reads what the first wrote.
  EXPECT_TRUE(hazards.mustWait(Ranges{{100, 110}}, Ranges{{256, 320}}));
  // The first one is long done.
  EXPECT_FALSE(hazards.mustWait(Ranges{{64, 90}}, Ranges{{512, 576}}));
  // Writes what one that may still run reads.
  EXPECT_TRUE(hazards.mustWait(Ranges{}, Ranges{{80, 90}}));
  // Writes what one that may still run writes.
  EXPECT_TRUE(hazards.mustWait(Ranges{}, Ranges{{0, 1000}}));
}

} // namespace
} // namespace gptc::vulkan
