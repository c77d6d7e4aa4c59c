//===- MemoryTypes.h - Which memory a buffer goes to -----------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_MEMORYTYPES_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_MEMORYTYPES_H

#include "gptc/runtime/base/Error.h"

#include <optional>
#include <span>
#include <vector>
#include <vulkan/vulkan_core.h>

namespace gptc::vulkan {

enum class MemoryUse {
  Device, ///< What kernels read and write.
  Host,   ///< What the host fills or reads, and copies go from or to.
};

/// The index of the memory type to use among those that `allowed` has a bit
/// for; nothing where none serves. For the device: of the largest device-local
/// heap, with memory that the host reads at full speed as well where there is
/// any. For the host: coherent, cached where there is any, and not the
/// device's own where there is other memory.
std::optional<uint32_t>
chooseMemoryType(const VkPhysicalDeviceMemoryProperties &memory,
                 uint32_t allowed, MemoryUse use);

/// Whether the host reads and writes memory of that type as its own: then
/// nothing needs to be copied.
bool isShared(const VkPhysicalDeviceMemoryProperties &memory, uint32_t type);

/// Where a part of a large memory lies that is split over allocations.
struct Placement {
  size_t allocation = 0;
  uint64_t offset = 0;
};
struct SplitPlan {
  std::vector<uint64_t> allocations; ///< Bytes of each.
  std::vector<Placement> placements; ///< Of each part.
};

/// Lays parts one after the other, each at a multiple of `alignment`, into
/// allocations of at most `limit` bytes; no part spans two of them. Fails with
/// the index of a part that is larger than the limit.
tl::expected<SplitPlan, size_t> splitParts(std::span<const uint64_t> parts,
                                           uint64_t alignment, uint64_t limit);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_MEMORYTYPES_H
