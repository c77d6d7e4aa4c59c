//===- DeviceFeatures.cpp -------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/DeviceFeatures.h"

#include "gptc/backends/vulkan/Features.h"
#include "gptc/backends/vulkan/KernelInterface.h"
#include "gptc/backends/vulkan/runtime/StructureChain.h"

#include <algorithm>

namespace gptc::vulkan {

namespace {

using Type = MatrixProduct::Type;

bool contains(const std::vector<std::string> &names, const char *name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Whether kernels are made for that product, with operands of the type.
bool isOurs(const MatrixProduct &product, Type operands) {
  return product.isOfSubgroup && product.rows == matrixExtent &&
         product.columns == matrixExtent && product.depth == matrixExtent &&
         product.left == operands && product.right == operands &&
         product.addend == Type::F32 && product.result == Type::F32;
}

} // namespace

std::vector<std::string> matrixFeatures(const MatrixSupport &support) {
  std::vector<std::string> features;
  if (support.leastSubgroup <= matrixInvocations &&
      matrixInvocations <= support.mostSubgroup)
    features.emplace_back(feature::subgroupsOf32);
  if (support.hasMemoryModel)
    features.emplace_back(feature::memoryModel);
  auto multiplies = [&](Type operands) {
    return support.multiplies &&
           std::any_of(
               support.products.begin(), support.products.end(),
               [&](const MatrixProduct &one) { return isOurs(one, operands); });
  };
  if (support.hasBf16 && multiplies(Type::BF16))
    features.emplace_back(feature::matrixBf16);
  if (multiplies(Type::F16))
    features.emplace_back(feature::matrixF16);
  return features;
}

DeviceFeatures::DeviceFeatures(const DeviceSnapshot &device,
                               const std::vector<std::string> &wanted) {
  auto has = [&](const char *name) -> VkBool32 {
    return contains(device.features, name);
  };
  auto asked = [&](const char *name) -> VkBool32 {
    return contains(wanted, name) && has(name);
  };
  features_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
  features_.features.shaderInt16 = has(feature::int16);
  features_.features.shaderInt64 = has(feature::int64);
  features11_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
  features11_.storageBuffer16BitAccess = has(feature::storage16);
  features11_.storagePushConstant16 = has(feature::storage16);
  features12_.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
  features12_.bufferDeviceAddress = VK_TRUE;
  features12_.timelineSemaphore = VK_TRUE;
  features12_.storageBuffer8BitAccess = has(feature::storage8);
  features12_.shaderInt8 = has(feature::int8);
  features12_.shaderFloat16 = has(feature::float16);
  features12_.vulkanMemoryModel = asked(feature::memoryModel);
  features12_.vulkanMemoryModelDeviceScope = asked(feature::memoryModel);
  StructureChain chain(features_);
  chain.add(features11_);
  chain.add(features12_);
  if (asked(feature::subgroupsOf32)) {
    subgroups_.sType =
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT;
    subgroups_.subgroupSizeControl = VK_TRUE;
    subgroups_.computeFullSubgroups = VK_TRUE;
    chain.add(subgroups_);
    extensions_.push_back(VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
  }
  if (asked(feature::matrixBf16) || asked(feature::matrixF16)) {
    matrices_.sType =
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR;
    matrices_.cooperativeMatrix = VK_TRUE;
    chain.add(matrices_);
    extensions_.push_back(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  }
  if (asked(feature::matrixBf16)) {
    bf16_.sType =
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR;
    bf16_.shaderBFloat16Type = VK_TRUE;
    bf16_.shaderBFloat16CooperativeMatrix = VK_TRUE;
    chain.add(bf16_);
    extensions_.push_back(VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME);
  }
}

} // namespace gptc::vulkan
