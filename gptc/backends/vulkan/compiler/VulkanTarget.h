//===- VulkanTarget.h - Devices to generate for ----------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_COMPILER_VULKANTARGET_H
#define GPTC_BACKENDS_VULKAN_COMPILER_VULKANTARGET_H

#include <cstdint>
#include <string>
#include <vector>

namespace gptc::vulkan {

/// The tile of a product of many rows: what a workgroup computes, in steps of
/// k, and what each invocation computes of it.
struct MatrixTile {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t depth = 0;
  int64_t rowsEach = 0;
  int64_t columnsEach = 0;
};

/// A sort of device, as data.
struct VulkanTarget {
  std::string name; ///< "hardware".
  /// What the device must have; see vulkan/Features.h.
  std::vector<std::string> required;
  /// Whether products of many rows go through workgroup memory. A processor
  /// that plays device has caches instead, and copies for nothing.
  bool usesWorkgroupMemory = false;
  /// Largest first: a product takes the first that gives enough workgroups.
  std::vector<MatrixTile> tiles;
  /// Workgroups that keep the device busy.
  int64_t workgroups = 1;
};

/// What every target keeps to, so that any device of Vulkan 1.2 runs it.
inline constexpr int64_t mostInvocations = 256;
inline constexpr int64_t workgroupMemoryBytes = 32768;

/// The targets of an artifact, best first.
const std::vector<VulkanTarget> &vulkanTargets();

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_COMPILER_VULKANTARGET_H
