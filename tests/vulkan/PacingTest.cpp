//===- PacingTest.cpp - How work is cut, without a device -----------------===//

#include "gptc/backends/vulkan/runtime/Pacing.h"

#include "gptc/backends/vulkan/KernelInterface.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace gptc::vulkan {
namespace {

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

/// A device that takes so many seconds for each operation of a dispatch, and
/// some for each part.
struct Player {
  std::vector<double> operations, paces;
  std::vector<double> computed; ///< Shares; all of it where there are none.
  double eachPart = 0;
  Pacing pacing;
  bool changed = false;
  double longest = 0; ///< Part of the latest run.

  Player(std::vector<double> operations, std::vector<double> paces)
      : operations(std::move(operations)), paces(std::move(paces)) {
    for (double one : this->operations)
      pacing.add(10'000, one);
  }

  std::vector<Part> parts() const { return pacing.plan(0, operations.size()); }
  double share(size_t step) const {
    return computed.empty() ? 1 : computed[step];
  }

  /// Runs once; `late` is added to the first part's time.
  void run(double late = 0) {
    std::vector<Part> parts = this->parts();
    std::vector<double> seconds;
    for (const Part &part : parts) {
      seconds.push_back(eachPart);
      for (const Piece &piece : part)
        seconds.back() += operations[piece.step] * piece.share *
                          paces[piece.step] * share(piece.step);
    }
    seconds[0] += late;
    longest = *std::max_element(seconds.begin(), seconds.end());
    changed = pacing.learn(parts, seconds,
                           [this](size_t step) { return share(step); });
    EXPECT_EQ(changed, parts != this->parts());
  }
};

TEST(Pacing, PartsHoldAllDispatchesInTheirOrder) {
  Pacing pacing;
  for (double operations : {5e8, 1e7, 2.5e9, 0.0, 3e8})
    pacing.add(1000, operations);
  auto parts = pacing.plan(0, 5);
  // 0.05 and 0.001 s; 0.25 s in three; 0 and 0.03 s beside the last of them
  // would be too much.
  ASSERT_EQ(parts.size(), 5u);
  EXPECT_EQ(parts[0].size(), 2u);
  EXPECT_EQ(parts[4].size(), 1u);
  size_t step = 0;
  std::vector<double> shares(5);
  std::vector<uint32_t> tiles(5);
  for (const Part &part : parts)
    for (const Piece &piece : part) {
      step += piece.begins && piece.step != step ? 1 : 0;
      EXPECT_EQ(piece.step, step);
      shares[piece.step] += piece.share;
      tiles[piece.step] += piece.grid.width * piece.grid.height;
      EXPECT_EQ(piece.begins, piece.grid.x == 0);
      EXPECT_EQ(piece.ends, tiles[piece.step] == 1000);
    }
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_DOUBLE_EQ(shares[i], 1);
    EXPECT_EQ(tiles[i], 1000u);
  }
  // A part of them is numbered from 0.
  parts = pacing.plan(3, 5);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0][0].step, 0u);
  EXPECT_EQ(parts[0][1].step, 1u);
}

TEST(Pacing, ADiscreteGpuIsTakenToBeFasterThanOthers) {
  for (auto [kind, parts] : {std::pair(DeviceKind::Discrete, 3u),
                             std::pair(DeviceKind::Integrated, 30u),
                             std::pair(DeviceKind::Software, 30u)}) {
    Pacing pacing(guessedPace(kind));
    pacing.add(10'000, 2.99e10);
    EXPECT_EQ(pacing.plan(0, 1).size(), parts);
  }
}

TEST(Pacing, AFastDeviceIsHandedAllOfItAfterTwoRuns) {
  // 10 TFLOP/s.
  Player device({1e10, 2e9, 2e9, 4e9}, {1e-13, 1e-13, 1e-13, 1e-13});
  EXPECT_GE(device.parts().size(), 18u);
  device.run();
  EXPECT_FALSE(device.changed);
  device.run();
  EXPECT_TRUE(device.changed);
  EXPECT_EQ(device.parts().size(), 1u);
  for (int i = 0; i < 3; ++i) {
    device.run();
    EXPECT_FALSE(device.changed);
  }
  // What is more than 2e10 operations stays cut.
  Player large({6e10}, {1e-13});
  large.run();
  large.run();
  EXPECT_EQ(large.parts().size(), 3u);
}

TEST(Pacing, EveryDispatchHasAPaceOfItsOwn) {
  // 50 and 1 GFLOP/s, and one that nothing needs to be known of.
  Player device({4e10, 2e9, 1e3}, {2e-11, 1e-9, 1e-9});
  device.eachPart = 5e-5;
  device.run();
  EXPECT_GT(device.longest, 0.9); // The guess is 10 GFLOP/s.
  device.run();
  device.run();
  EXPECT_LT(device.longest, 1.1 * secondsOfPart);
  // 0.8 and 2 seconds.
  EXPECT_GE(device.parts().size(), 28u);
  EXPECT_LE(device.parts().size(), 31u);
}

TEST(Pacing, WhatTookLongTwiceIsCutFiner) {
  Player device({4e9}, {1e-11});
  device.run();
  device.run();
  ASSERT_EQ(device.parts().size(), 1u);
  // Another program takes the most of the device.
  device.paces = {5e-10};
  device.run();
  EXPECT_FALSE(device.changed);
  device.run();
  EXPECT_TRUE(device.changed);
  device.run();
  EXPECT_LT(device.longest, 1.1 * secondsOfPart);
  // That it is fast again changes nothing.
  size_t parts = device.parts().size();
  device.paces = {1e-11};
  for (int i = 0; i < 3; ++i)
    device.run();
  EXPECT_EQ(device.parts().size(), parts);
}

TEST(Pacing, OneLateRunTellsNothing) {
  Player device({4e9, 4e9}, {2e-11, 2e-11});
  // The driver compiles in the first run.
  device.run(30);
  device.run();
  EXPECT_EQ(device.parts().size(), 2u);
  for (int i = 0; i < 4; ++i) {
    device.run(i % 2 == 0 ? 3 : 0);
    EXPECT_FALSE(device.changed);
  }
  EXPECT_EQ(device.parts().size(), 2u);
}

TEST(Pacing, RowsThatAreLeftOutDoNotMakeADeviceFast) {
  // A prompt of 16 of 1024 rows at 5 GFLOP/s.
  Player device({1e10}, {2e-10});
  device.computed = {16. / 1024};
  device.run();
  device.run();
  device.computed.clear();
  device.run();
  EXPECT_LT(device.longest, 1.1 * secondsOfPart);
  // Of nothing, nothing is learned.
  Player idle({1e10}, {2e-10});
  idle.computed = {0};
  idle.eachPart = 1e-5;
  idle.run();
  idle.run();
  EXPECT_EQ(idle.parts().size(), 10u);
}

TEST(Pacing, ASingleWorkgroupIsNotCut) {
  Pacing pacing;
  pacing.add(1, 1e12);
  EXPECT_EQ(pacing.plan(0, 1).size(), 1u);
  std::vector<double> seconds{100};
  for (int i = 0; i < 4; ++i)
    EXPECT_FALSE(
        pacing.learn(pacing.plan(0, 1), seconds, [](size_t) { return 1.0; }));
}

TEST(Pacing, PartsDoNotBecomeEverSmaller) {
  Player device({1e9}, {1});
  for (int i = 0; i < 6; ++i)
    device.run();
  EXPECT_EQ(device.parts().size(), 100u);
}

} // namespace
} // namespace gptc::vulkan
