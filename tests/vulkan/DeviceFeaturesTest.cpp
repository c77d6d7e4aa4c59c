//===- DeviceFeaturesTest.cpp - What is found and switched on -------------===//

#include "gptc/backends/vulkan/runtime/DeviceFeatures.h"

#include "gptc/backends/vulkan/Features.h"
#include "gptc/backends/vulkan/KernelInterface.h"

#include <gmock/gmock.h>

namespace gptc::vulkan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StrEq;
using Type = MatrixProduct::Type;

MatrixProduct product(Type operands) {
  return {16, 16, 16, operands, operands, Type::F32, Type::F32, true};
}

/// All that kernels with matrices need, as an NVIDIA driver tells it, with
/// products beside ours.
MatrixSupport complete() {
  MatrixSupport support;
  support.multiplies = support.hasBf16 = support.hasMemoryModel = true;
  support.leastSubgroup = support.mostSubgroup = 32;
  MatrixProduct flat = product(Type::F16);
  flat.columns = 8;
  support.products = {flat, product(Type::F16), product(Type::BF16)};
  return support;
}

TEST(MatrixFeatures, AreThereWhereEveryPartIs) {
  EXPECT_THAT(matrixFeatures(complete()),
              ElementsAre(feature::subgroupsOf32, feature::memoryModel,
                          feature::matrixBf16, feature::matrixF16));
  EXPECT_THAT(matrixFeatures({}), IsEmpty());
}

TEST(MatrixFeatures, AskForTheVeryProduct) {
  using Change = void (*)(MatrixProduct &);
  const Change changes[] = {
      [](MatrixProduct &one) { one.rows = 8; },
      [](MatrixProduct &one) { one.columns = 8; },
      [](MatrixProduct &one) { one.depth = 32; },
      [](MatrixProduct &one) { one.left = Type::Other; },
      [](MatrixProduct &one) { one.right = Type::F32; },
      [](MatrixProduct &one) { one.addend = Type::F16; },
      [](MatrixProduct &one) { one.result = Type::F16; },
      [](MatrixProduct &one) { one.isOfSubgroup = false; }};
  for (Change change : changes) {
    MatrixSupport support = complete();
    for (MatrixProduct &one : support.products)
      change(one);
    EXPECT_THAT(matrixFeatures(support),
                ElementsAre(feature::subgroupsOf32, feature::memoryModel));
  }
  MatrixSupport f16 = complete();
  f16.products.pop_back();
  EXPECT_THAT(matrixFeatures(f16),
              ElementsAre(feature::subgroupsOf32, feature::memoryModel,
                          feature::matrixF16));
}

TEST(MatrixFeatures, AskForTheTypeTheStageAndTheSubgroup) {
  MatrixSupport support = complete();
  support.hasBf16 = false;
  EXPECT_THAT(matrixFeatures(support),
              ElementsAre(feature::subgroupsOf32, feature::memoryModel,
                          feature::matrixF16));
  support = complete();
  support.multiplies = false;
  EXPECT_THAT(matrixFeatures(support),
              ElementsAre(feature::subgroupsOf32, feature::memoryModel));
  // AMD's GPUs have a choice, and Intel's may end below.
  support = complete();
  support.mostSubgroup = 64;
  EXPECT_THAT(matrixFeatures(support), testing::Contains("subgroups-of-32"));
  support.leastSubgroup = 64;
  EXPECT_THAT(matrixFeatures(support),
              testing::Not(testing::Contains("subgroups-of-32")));
  support.leastSubgroup = 8;
  support.mostSubgroup = 16;
  EXPECT_THAT(matrixFeatures(support),
              testing::Not(testing::Contains("subgroups-of-32")));
}

/// The structure of a type on a chain; null where there is none.
template <typename T> const T *find(const void *chain, VkStructureType type) {
  auto *one = static_cast<const VkBaseInStructure *>(chain);
  while (one && one->sType != type)
    one = one->pNext;
  return reinterpret_cast<const T *>(one);
}

DeviceSnapshot deviceWith(std::vector<std::string> features) {
  DeviceSnapshot device;
  device.features = std::move(features);
  return device;
}

const std::vector<std::string> matrices = {
    feature::float16,     feature::int64,      feature::subgroupsOf32,
    feature::memoryModel, feature::matrixBf16, feature::matrixF16};

TEST(DeviceFeatures, OfMatricesAreOffUnlessTheyAreWanted) {
  DeviceFeatures plain(deviceWith(matrices), {feature::hardware});
  EXPECT_THAT(plain.extensions(), IsEmpty());
  EXPECT_FALSE(find<VkBaseInStructure>(
      plain.chain(),
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR));
  auto *core = find<VkPhysicalDeviceVulkan12Features>(
      plain.chain(), VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
  ASSERT_TRUE(core);
  EXPECT_TRUE(core->shaderFloat16);
  EXPECT_TRUE(core->bufferDeviceAddress);
  EXPECT_FALSE(core->vulkanMemoryModel);
}

TEST(DeviceFeatures, OfMatricesAreOnWhereTheyAreWanted) {
  DeviceFeatures wanted(deviceWith(matrices), matrices);
  EXPECT_THAT(wanted.extensions(),
              ElementsAre(StrEq("VK_EXT_subgroup_size_control"),
                          StrEq("VK_KHR_cooperative_matrix"),
                          StrEq("VK_KHR_shader_bfloat16")));
  auto *core = find<VkPhysicalDeviceVulkan12Features>(
      wanted.chain(), VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
  ASSERT_TRUE(core);
  EXPECT_TRUE(core->vulkanMemoryModel);
  EXPECT_TRUE(core->vulkanMemoryModelDeviceScope);
  auto *sizes = find<VkPhysicalDeviceSubgroupSizeControlFeaturesEXT>(
      wanted.chain(),
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT);
  ASSERT_TRUE(sizes);
  EXPECT_TRUE(sizes->subgroupSizeControl);
  EXPECT_TRUE(sizes->computeFullSubgroups);
  auto *products = find<VkPhysicalDeviceCooperativeMatrixFeaturesKHR>(
      wanted.chain(),
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR);
  ASSERT_TRUE(products);
  EXPECT_TRUE(products->cooperativeMatrix);
  EXPECT_FALSE(products->cooperativeMatrixRobustBufferAccess);
  auto *bf16 = find<VkPhysicalDeviceShaderBfloat16FeaturesKHR>(
      wanted.chain(),
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR);
  ASSERT_TRUE(bf16);
  EXPECT_TRUE(bf16->shaderBFloat16Type);
  EXPECT_TRUE(bf16->shaderBFloat16CooperativeMatrix);
}

TEST(DeviceFeatures, OfTypesThatAreNotUsedStayOff) {
  DeviceFeatures f16(deviceWith(matrices),
                     {feature::subgroupsOf32, feature::matrixF16});
  EXPECT_THAT(f16.extensions(),
              ElementsAre(StrEq("VK_EXT_subgroup_size_control"),
                          StrEq("VK_KHR_cooperative_matrix")));
  // Nothing is switched on that the device does not have.
  DeviceFeatures absent(deviceWith({}), matrices);
  EXPECT_THAT(absent.extensions(), IsEmpty());
}

TEST(KernelInterface, TellsWhichKernelsMultiplyMatrices) {
  constexpr uint32_t capability = 2 << 16 | 17, extension = 3 << 16 | 10;
  const std::vector<uint32_t> plain{0x07230203, 0x10500, 0,         9,    0,
                                    capability, 1,       extension, 6022, 0};
  EXPECT_FALSE(declaresMatrices(plain));
  const std::vector<uint32_t> with{
      0x07230203, 0x10500, 0, 9, 0, capability, 1, capability, 6022, extension};
  EXPECT_TRUE(declaresMatrices(with));
  EXPECT_FALSE(declaresMatrices({}));
  EXPECT_FALSE(declaresMatrices(std::span(with).first(8)));
}

TEST(Features, OfMatricesAreUnproven) {
  EXPECT_TRUE(feature::isUnproven(feature::matrixBf16));
  EXPECT_TRUE(feature::isUnproven(feature::matrixF16));
  EXPECT_FALSE(feature::isUnproven(feature::hardware));
  EXPECT_FALSE(feature::isUnproven("of another gptc"));
}

} // namespace
} // namespace gptc::vulkan
