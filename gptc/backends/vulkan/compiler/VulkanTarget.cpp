//===- VulkanTarget.cpp ---------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/VulkanTarget.h"

#include "gptc/backends/vulkan/Features.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace gptc::vulkan {

const std::vector<VulkanTarget> &vulkanTargets() {
  static const std::vector<VulkanTarget> targets{
      {"hardware",
       {feature::hardware},
       /*usesWorkgroupMemory=*/true,
       /*unrollsLoops=*/true,
       /*loadsHalves=*/false,
       /*broadcasts=*/false,
       /*reducesInSubgroups=*/false,
       {{128, 128, 16, 8, 8, 1},
        {64, 64, 32, 8, 8, 4},
        {32, 64, 64, 4, 8, 4},
        {32, 32, 64, 4, 4, 4},
        {16, 32, 64, 4, 4, 8},
        {16, 16, 128, 4, 4, 16}},
       /*processors=*/128,
       /*operationsPerWait=*/500000,
       /*operationsPerByte=*/10,
       /*loadsAtOnce=*/8},
      {"software-wide",
       {feature::int64, feature::subgroupBroadcast,
        feature::subgroupArithmetic},
       /*usesWorkgroupMemory=*/false,
       /*unrollsLoops=*/false,
       /*loadsHalves=*/true,
       /*broadcasts=*/true,
       /*reducesInSubgroups=*/true,
       {{32, 64, 4, 32, 4, 1}, {16, 128, 4, 16, 8, 1}, {8, 32, 4, 4, 4, 1}},
       /*processors=*/4,
       /*operationsPerWait=*/0,
       /*operationsPerByte=*/0,
       /*loadsAtOnce=*/2},
      {"software",
       {},
       /*usesWorkgroupMemory=*/false,
       /*unrollsLoops=*/false,
       /*loadsHalves=*/false,
       /*broadcasts=*/false,
       /*reducesInSubgroups=*/false,
       {{8, 128, 4, 8, 16, 1}, {8, 32, 4, 4, 4, 1}},
       /*processors=*/4,
       /*operationsPerWait=*/0,
       /*operationsPerByte=*/0,
       /*loadsAtOnce=*/2}};
  return targets;
}

std::string describeTargets() {
  std::string text =
      "# Vulkan features and variants\n\n"
      "A test compares this page with gptc/backends/vulkan; "
      "`GPTC_UPDATE_DOCS=1 build/release/bin/vulkan-target-tests` writes "
      "it.\n\n"
      "Every device that is used has Vulkan 1.2 with buffer device addresses "
      "and timeline semaphores, and workgroups of " +
      fmt::format("{} invocations and {} KiB of memory", mostInvocations,
                  workgroupMemoryBytes / 1024) +
      ". Beyond that `gptc devices` lists\n\n"
      "| feature | Vulkan's name | meaning | asked for by |\n"
      "|---|---|---|---|\n";
  for (const feature::Description &one : feature::all) {
    std::vector<std::string> variants;
    for (const VulkanTarget &target : vulkanTargets())
      if (std::find(target.required.begin(), target.required.end(), one.name) !=
          target.required.end())
        variants.push_back(target.name);
    text += fmt::format(
        "| `{}` | {} | {} | {} |\n", one.name, one.vulkan, one.meaning,
        variants.empty() ? "no variant yet"
                         : fmt::format("{}", fmt::join(variants, ", ")));
  }
  text +=
      "\nAn artifact holds these variants of its kernels, the best first. A "
      "product of many rows is computed in tiles, of\nwhich the one that "
      "promises the least time is taken: rows x columns, in pieces of that "
      "many steps of k, by\ninvocations of so many rows and columns each, "
      "that many of them sharing out the steps.\n\n"
      "| variant | asks for | operands of products | loops | tiles |\n"
      "|---|---|---|---|---|\n";
  for (const VulkanTarget &target : vulkanTargets()) {
    std::vector<std::string> tiles;
    for (const MatrixTile &tile : target.tiles)
      tiles.push_back(fmt::format(
          "{}x{} by {}, {}x{} each{}", tile.rows, tile.columns, tile.depth,
          tile.rowsEach, tile.columnsEach,
          tile.shares == 1 ? "" : fmt::format(", {} share", tile.shares)));
    text += fmt::format(
        "| `{}` | {} | {} | {} | {} |\n", target.name,
        target.required.empty()
            ? "nothing"
            : fmt::format("`{}`", fmt::join(target.required, "`, `")),
        target.usesWorkgroupMemory ? "through workgroup memory"
                                   : "where they are",
        target.unrollsLoops ? "may be unrolled" : "stay loops",
        fmt::join(tiles, "; "));
  }
  return text;
}

} // namespace gptc::vulkan
