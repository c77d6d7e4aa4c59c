//===- MemoryTypes.cpp ----------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/MemoryTypes.h"

#include <tuple>

namespace gptc::vulkan {

namespace {

constexpr VkMemoryPropertyFlags shared =
    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
    VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

/// How well a type serves; larger is better, nothing where it does not.
std::optional<std::tuple<bool, uint64_t, bool>>
worthOf(const VkPhysicalDeviceMemoryProperties &memory, uint32_t type,
        MemoryUse use) {
  VkMemoryPropertyFlags flags = memory.memoryTypes[type].propertyFlags;
  uint64_t heap = memory.memoryHeaps[memory.memoryTypes[type].heapIndex].size;
  // Lazily allocated, protected and vendors' uncached memory are for others.
  if (flags & ~shared)
    return std::nullopt;
  bool local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  bool cached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  if (use == MemoryUse::Device) {
    if (!local)
      return std::nullopt;
    return std::tuple(true, heap, flags == shared);
  }
  constexpr VkMemoryPropertyFlags needed = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                           VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  if ((flags & needed) != needed)
    return std::nullopt;
  return std::tuple(cached, heap, !local);
}

} // namespace

std::optional<uint32_t>
chooseMemoryType(const VkPhysicalDeviceMemoryProperties &memory,
                 uint32_t allowed, MemoryUse use) {
  std::optional<uint32_t> best;
  std::optional<std::tuple<bool, uint64_t, bool>> most;
  for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    if (!(allowed & (uint32_t(1) << i)))
      continue;
    auto worth = worthOf(memory, i, use);
    if (worth && (!most || *worth > *most)) {
      best = i;
      most = worth;
    }
  }
  return best;
}

bool isShared(const VkPhysicalDeviceMemoryProperties &memory, uint32_t type) {
  return memory.memoryTypes[type].propertyFlags == shared;
}

tl::expected<SplitPlan, size_t> splitParts(std::span<const uint64_t> parts,
                                           uint64_t alignment, uint64_t limit) {
  SplitPlan plan;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] > limit)
      return tl::unexpected(i);
    uint64_t offset = 0;
    if (!plan.allocations.empty())
      offset =
          (plan.allocations.back() + alignment - 1) / alignment * alignment;
    if (plan.allocations.empty() || offset > limit ||
        parts[i] > limit - offset) {
      plan.allocations.push_back(0);
      offset = 0;
    }
    plan.placements.push_back({plan.allocations.size() - 1, offset});
    plan.allocations.back() = offset + parts[i];
  }
  return plan;
}

} // namespace gptc::vulkan
