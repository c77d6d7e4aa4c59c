//===- MemoryTypesTest.cpp - Which memory is taken, without a device ------===//

#include "gptc/backends/vulkan/runtime/MemoryTypes.h"

#include <gmock/gmock.h>

namespace gptc::vulkan {
namespace {

constexpr VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT,
                                coherent = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                                cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
constexpr uint64_t mebibyte = uint64_t(1) << 20;

struct Type {
  VkMemoryPropertyFlags flags;
  uint32_t heap;
};

VkPhysicalDeviceMemoryProperties memory(std::vector<uint64_t> heaps,
                                        std::vector<Type> types) {
  VkPhysicalDeviceMemoryProperties properties{};
  properties.memoryHeapCount = uint32_t(heaps.size());
  for (size_t i = 0; i < heaps.size(); ++i)
    properties.memoryHeaps[i].size = heaps[i];
  properties.memoryTypeCount = uint32_t(types.size());
  for (size_t i = 0; i < types.size(); ++i)
    properties.memoryTypes[i] = {types[i].flags, types[i].heap};
  return properties;
}

constexpr uint32_t all = ~uint32_t(0);

TEST(MemoryTypes, TheLargestHeapOfADiscreteGpu) {
  // The window through which the host sees 256 MiB comes first.
  auto properties = memory({256 * mebibyte, 32768 * mebibyte, 24576 * mebibyte},
                           {{local | visible | coherent, 0},
                            {visible | coherent, 1},
                            {visible | coherent | cached, 1},
                            {local, 2}});
  auto device = chooseMemoryType(properties, all, MemoryUse::Device);
  ASSERT_EQ(device, 3u);
  EXPECT_FALSE(isShared(properties, device.value_or(0)));
  EXPECT_EQ(chooseMemoryType(properties, all, MemoryUse::Host), 2u);
  EXPECT_EQ(chooseMemoryType(properties, 0b0011, MemoryUse::Host), 1u);
  EXPECT_EQ(chooseMemoryType(properties, 0b0110, MemoryUse::Device),
            std::nullopt);
}

TEST(MemoryTypes, MemoryThatTheHostSharesWhereThereIs) {
  auto properties =
      memory({16384 * mebibyte}, {{local, 0},
                                  {local | visible | coherent, 0},
                                  {local | visible | coherent | cached, 0}});
  auto device = chooseMemoryType(properties, all, MemoryUse::Device);
  ASSERT_EQ(device, 2u);
  EXPECT_TRUE(isShared(properties, device.value_or(0)));
}

TEST(MemoryTypes, NoneOfSpecialKinds) {
  auto properties = memory(
      {1024 * mebibyte},
      {{local | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT, 0},
       {local | VK_MEMORY_PROPERTY_PROTECTED_BIT, 0},
       {local | visible | coherent | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD,
        0},
       {local, 0}});
  EXPECT_EQ(chooseMemoryType(properties, all, MemoryUse::Device), 3u);
  EXPECT_EQ(chooseMemoryType(properties, all, MemoryUse::Host), std::nullopt);
}

TEST(SplitParts, NoPartSpansAllocations) {
  std::vector<uint64_t> parts{100, 5000, 0, 4096, 9000};
  auto plan = splitParts(parts, 4096, 10000);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->allocations, testing::ElementsAre(9096, 4096, 9000));
  std::vector<std::pair<size_t, uint64_t>> places;
  for (const Placement &at : plan->placements)
    places.emplace_back(at.allocation, at.offset);
  // The empty part's place would be behind the first allocation's limit.
  EXPECT_THAT(places, testing::ElementsAre(std::pair(0, 0), std::pair(0, 4096),
                                           std::pair(1, 0), std::pair(1, 0),
                                           std::pair(2, 0)));
}

TEST(SplitParts, NamesThePartThatIsTooLarge) {
  std::vector<uint64_t> parts{100, 200};
  auto plan = splitParts(parts, 4096, 150);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error(), 1u);
  EXPECT_TRUE(splitParts({}, 4096, 1)->allocations.empty());
}

} // namespace
} // namespace gptc::vulkan
