//===- VulkanTarget.cpp ---------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/VulkanTarget.h"

#include "gptc/backends/vulkan/Features.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace gptc::vulkan {

namespace {

/// A target whose subgroups multiply matrices of a type, and that is as `like`
/// elsewhere.
VulkanTarget withMatrices(VulkanTarget like, const std::string &type,
                          const std::vector<std::string> &features) {
  like.otherwise = like.name;
  like.name = "matrix-" + type;
  like.required.insert(like.required.end(),
                       {feature::subgroupsOf32, feature::memoryModel});
  like.required.insert(like.required.end(), features.begin(), features.end());
  like.matrixType = type;
  like.matrixTiles = {{128, 64, 32, 32, 32, 1},
                      {64, 64, 64, 32, 32, 1},
                      {32, 32, 128, 32, 32, 4},
                      {16, 32, 128, 16, 32, 4},
                      {16, 16, 256, 16, 16, 8}};
  return like;
}

VulkanTarget withNarrowStorage(VulkanTarget like) {
  like.otherwise = like.name;
  like.name += "-16bit";
  like.required.emplace_back(feature::storage16);
  like.storesNarrow = true;
  return like;
}

/// Adds what is made of the first target by features that not all devices have.
std::vector<VulkanTarget> withOthers(std::vector<VulkanTarget> targets) {
  const VulkanTarget narrow = withNarrowStorage(targets.front());
  targets.insert(
      targets.begin(),
      {withMatrices(narrow, "bf16", {feature::matrixBf16}),
       withMatrices(narrow, "f16", {feature::float16, feature::matrixF16}),
       narrow});
  return targets;
}

} // namespace

const std::vector<VulkanTarget> &vulkanTargets() {
  static const std::vector<VulkanTarget> targets = withOthers(
      {{"hardware",
        {feature::hardware},
        /*usesWorkgroupMemory=*/true,
        /*unrollsLoops=*/true,
        /*loadsHalves=*/false,
        /*storesNarrow=*/false,
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
        {feature::int64, feature::storage16, feature::subgroupBroadcast,
         feature::subgroupArithmetic},
        /*usesWorkgroupMemory=*/false,
        /*unrollsLoops=*/false,
        /*loadsHalves=*/true,
        /*storesNarrow=*/true,
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
        /*storesNarrow=*/false,
        /*broadcasts=*/false,
        /*reducesInSubgroups=*/false,
        {{8, 128, 4, 8, 16, 1}, {8, 32, 4, 4, 4, 1}},
        /*processors=*/4,
        /*operationsPerWait=*/0,
        /*operationsPerByte=*/0,
        /*loadsAtOnce=*/2}});
  return targets;
}

Expected<std::vector<VulkanTarget>> targetsOf(const std::string &profile) {
  auto isForGpus = [](const VulkanTarget &target) {
    return std::find(target.required.begin(), target.required.end(),
                     feature::hardware) != target.required.end();
  };
  std::vector<VulkanTarget> chosen;
  for (const VulkanTarget &target : vulkanTargets())
    if (profile.empty() || profile == target.name ||
        (profile == "gpu" && isForGpus(target)) ||
        (profile == "software" && !isForGpus(target)))
      chosen.push_back(target);
  if (chosen.empty()) {
    std::vector<std::string> names;
    for (const VulkanTarget &target : vulkanTargets())
      names.push_back(target.name);
    return failure(ErrorCode::Unsupported,
                   "Vulkan has no profile '{}'; choose gpu, software, or a "
                   "variant: {}",
                   profile, fmt::join(names, ", "));
  }
  // A variant whose kernels nobody shares has all of them for itself.
  for (VulkanTarget &target : chosen)
    if (std::none_of(chosen.begin(), chosen.end(),
                     [&](const VulkanTarget &other) {
                       return other.name == target.otherwise;
                     }))
      target.otherwise.clear();
  return chosen;
}

namespace {

std::string describeTiles(const std::vector<MatrixTile> &tiles) {
  std::vector<std::string> described;
  for (const MatrixTile &tile : tiles)
    described.push_back(fmt::format(
        "{}x{} by {}, {}x{} each{}", tile.rows, tile.columns, tile.depth,
        tile.rowsEach, tile.columnsEach,
        tile.shares == 1 ? "" : fmt::format(", {} share", tile.shares)));
  return fmt::format("{}", fmt::join(described, "; "));
}

bool isUnproven(const VulkanTarget &target) {
  return std::any_of(
      target.required.begin(), target.required.end(),
      [](const std::string &one) { return feature::isUnproven(one); });
}

} // namespace

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
      "| variant | asks for | operands of products | single elements of 16 "
      "bits | "
      "loops | tiles |\n"
      "|---|---|---|---|---|---|\n";
  for (const VulkanTarget &target : vulkanTargets()) {
    std::string tiles = describeTiles(target.tiles);
    if (!target.matrixType.empty())
      tiles = fmt::format("of {} in matrices of 16x16: {}; others as `{}`",
                          target.matrixType, describeTiles(target.matrixTiles),
                          target.otherwise);
    else if (!target.otherwise.empty())
      tiles = fmt::format("as `{}`", target.otherwise);
    text += fmt::format(
        "| `{}`{} | {} | {} | {} | {} | {} |\n", target.name,
        isUnproven(target) ? ", unproven" : "",
        target.required.empty()
            ? "nothing"
            : fmt::format("`{}`", fmt::join(target.required, "`, `")),
        target.usesWorkgroupMemory ? "through workgroup memory"
                                   : "where they are",
        target.storesNarrow ? "by themselves" : "in words",
        target.unrollsLoops ? "may be unrolled" : "stay loops", tiles);
  }
  text +=
      "\n`--target vulkan:PROFILE` chooses what an artifact holds: `gpu` are "
      "those that ask for `hardware`, `software` the others,\nand the name of "
      "a "
      "variant is that one alone.\n"
      "\n`hardware-16bit` is in an artifact only where there are elements of "
      "16 bits, a variant with cooperative matrices only\nwhere there are "
      "products of many rows whose operands are of its type; both share all "
      "other kernels with the variant\nthat they name.\n\n"
      "In the tiles of matrices `each` is what a subgroup of 32 computes. "
      "Those variants are unproven: no device that gptc\nis tested on has such "
      "matrices. Their modules are validated, and all around the matrices is "
      "tested with them multiplied\nelement by element; whether a driver "
      "multiplies them right, only `gptc devices --check` can tell on that "
      "device. Until it\nhas found everything right there, such a variant is "
      "used only where `--backend vulkan:NAME` names it.\n";
  return text;
}

} // namespace gptc::vulkan
