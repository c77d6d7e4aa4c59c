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

TEST(CutGrid, OnePartIsTheWholeGrid) {
  auto grid = cutGrid(70'000, 1);
  ASSERT_EQ(grid.size(), 1u);
  EXPECT_EQ(grid[0].width, tilesPerRow);
  EXPECT_EQ(grid[0].height, 3u);
  EXPECT_EQ(cutGrid(5, 1)[0].width, 5u);
}

TEST(CutGrid, PartsCoverEachTileOnce) {
  for (uint32_t tiles : {1u, 7u, 32768u, 32769u, 70'000u})
    for (uint64_t parts : {2u, 3u, 1000u, 100'000u}) {
      std::vector<int> seen(tiles);
      for (const GridPart &part : cutGrid(tiles, parts))
        for (uint32_t y = part.y; y < part.y + part.height; ++y)
          for (uint32_t x = part.x; x < part.x + part.width; ++x)
            ++seen.at(y * tilesPerRow + x);
      EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), int64_t(tiles))
          << tiles << " " << parts;
    }
}

} // namespace
} // namespace gptc::vulkan
