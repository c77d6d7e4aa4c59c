//===- VulkanTarget.h - Devices to generate for ----------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_COMPILER_VULKANTARGET_H
#define GPTC_BACKENDS_VULKAN_COMPILER_VULKANTARGET_H

#include "gptc/runtime/base/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace gptc::vulkan {

/// The tile of a product of many rows: what a workgroup computes, in pieces of
/// `depth` steps of k, and what each invocation computes of it.
struct MatrixTile {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t depth = 0;
  int64_t rowsEach = 0;
  int64_t columnsEach = 0;
  /// Invocations that share out the steps of a piece for the same elements.
  int64_t shares = 1;

  int64_t invocations() const {
    return rows / rowsEach * (columns / columnsEach) * shares;
  }
};

/// A sort of device, as data.
struct VulkanTarget {
  std::string name; ///< "hardware".
  /// What the device must have; see vulkan/Features.h.
  std::vector<std::string> required;
  /// Whether products of many rows go through workgroup memory. A processor
  /// that plays device has caches instead, and copies for nothing.
  bool usesWorkgroupMemory = false;
  /// Whether a driver may unroll loops. One that compiles for a processor takes
  /// seconds over what it has unrolled.
  bool unrollsLoops = true;
  /// Whether vectors of buffers that are only read are loaded as halves of 64
  /// bits: a driver that plays device with a processor's gathers takes a load
  /// for each of them, however wide.
  bool loadsHalves = false;
  /// Whether single elements of 16 bits are loaded and stored as such, of
  /// buffers that nothing accesses in words. Else storing one changes its part
  /// of a word by atomic operations.
  bool storesNarrow = false;
  /// Whether invocations of a subgroup, of which the first four are active,
  /// hand each other what one of them has loaded.
  bool broadcasts = false;
  /// Whether what all invocations of a workgroup have is combined in subgroups
  /// first, by subgroup arithmetic, whatever their size.
  bool reducesInSubgroups = false;
  /// A product takes the one that promises the least time.
  std::vector<MatrixTile> tiles;
  /// Processors that run workgroups side by side, and what one of them could
  /// compute, in operations, while it waits for a piece of the operands. By
  /// these, tiles are compared.
  int64_t processors = 1;
  int64_t operationsPerWait = 0;
  /// The same while it fetches a byte of them, when all do.
  int64_t operationsPerByte = 0;
  /// Loads that an invocation has under way at once where it reads a lot.
  int64_t loadsAtOnce = 1;
  /// The type of operands, "bf16" or "f16", of which subgroups multiply
  /// matrices (KernelInterface.h) in products of many rows; empty: none.
  std::string matrixType = {};
  /// For those products: `rowsEach` and `columnsEach` are of a subgroup.
  std::vector<MatrixTile> matrixTiles = {};
  /// Whether matrices are multiplied element by element, as they are defined:
  /// for tests, on devices that have none.
  bool matricesByDefinition = false;
  /// The target, behind this one, whose kernels are the same where they have no
  /// such product and, for one that stores narrow elements, no such buffers.
  std::string otherwise = {};
};

/// What every target keeps to, so that any device of Vulkan 1.2 runs it.
inline constexpr int64_t mostInvocations = 256;
inline constexpr int64_t workgroupMemoryBytes = 32768;

/// The targets of an artifact, best first; those that share another's kernels
/// are in it where some are their own.
const std::vector<VulkanTarget> &vulkanTargets();

/// Those of a profile: "gpu", "software", a variant's name, or "" for all.
/// Unsupported for any other name.
Expected<std::vector<VulkanTarget>> targetsOf(const std::string &profile);

/// The features that variants may ask for and the variants, as the page of
/// documentation that a test compares.
std::string describeTargets();

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_COMPILER_VULKANTARGET_H
