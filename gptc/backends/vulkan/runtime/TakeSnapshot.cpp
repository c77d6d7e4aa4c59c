//===- TakeSnapshot.cpp ---------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/TakeSnapshot.h"

#include "gptc/backends/vulkan/Features.h"
#include "gptc/backends/vulkan/KernelInterface.h"
#include "gptc/backends/vulkan/runtime/DeviceFeatures.h"
#include "gptc/backends/vulkan/runtime/MemoryTypes.h"
#include "gptc/backends/vulkan/runtime/StructureChain.h"
#include "gptc/runtime/program/Memory.h"

#include <algorithm>
#include <cstring>

namespace gptc::vulkan {

namespace {

DeviceKind kindOf(VkPhysicalDeviceType type) {
  switch (type) {
  case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    return DeviceKind::Discrete;
  case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
    return DeviceKind::Integrated;
  case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
    return DeviceKind::Virtual;
  case VK_PHYSICAL_DEVICE_TYPE_CPU:
    return DeviceKind::Software;
  default:
    return DeviceKind::Other;
  }
}

bool has(const std::vector<std::string> &extensions, const char *name) {
  return std::find(extensions.begin(), extensions.end(), name) !=
         extensions.end();
}

void addProperties(const Api &api, VkPhysicalDevice device,
                   const std::vector<std::string> &extensions,
                   DeviceSnapshot &snapshot) {
  VkPhysicalDeviceProperties2 properties{};
  properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
  // NOLINTNEXTLINE(bugprone-invalid-enum-default-initialization): the driver's.
  VkPhysicalDeviceDriverProperties driver{};
  driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
  VkPhysicalDeviceIDProperties id{};
  id.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
  VkPhysicalDeviceSubgroupProperties subgroup{};
  subgroup.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES;
  VkPhysicalDeviceMaintenance3Properties allocations{};
  allocations.sType =
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES;
  VkPhysicalDeviceMaintenance4Properties buffers{};
  buffers.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES;
  VkPhysicalDevicePCIBusInfoPropertiesEXT pci{};
  pci.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT;
  StructureChain chain(properties);
  chain.add(driver);
  chain.add(id);
  chain.add(subgroup);
  chain.add(allocations);
  if (has(extensions, VK_KHR_MAINTENANCE_4_EXTENSION_NAME))
    chain.add(buffers);
  if (has(extensions, VK_EXT_PCI_BUS_INFO_EXTENSION_NAME))
    chain.add(pci);
  api.vkGetPhysicalDeviceProperties2(device, &properties);

  snapshot.driver = driver.driverID;
  snapshot.driverName = driver.driverName;
  snapshot.driverInfo = driver.driverInfo;
  std::copy_n(id.deviceUUID, VK_UUID_SIZE, snapshot.deviceUuid.begin());
  std::copy_n(id.driverUUID, VK_UUID_SIZE, snapshot.driverUuid.begin());
  std::copy_n(properties.properties.pipelineCacheUUID, VK_UUID_SIZE,
              snapshot.cacheUuid.begin());
  if (has(extensions, VK_EXT_PCI_BUS_INFO_EXTENSION_NAME))
    snapshot.pci = fmt::format("{:04x}:{:02x}:{:02x}.{}", pci.pciDomain,
                               pci.pciBus, pci.pciDevice, pci.pciFunction);
  const VkPhysicalDeviceLimits &limits = properties.properties.limits;
  snapshot.invocations = limits.maxComputeWorkGroupInvocations;
  snapshot.workgroupSize = limits.maxComputeWorkGroupSize[0];
  snapshot.workgroupMemory = limits.maxComputeSharedMemorySize;
  snapshot.timestampNanoseconds = double(limits.timestampPeriod);
  snapshot.subgroupSize = subgroup.subgroupSize;
  snapshot.allocationBytes = allocations.maxMemoryAllocationSize;
  snapshot.bufferBytes = buffers.maxBufferSize;
  if (snapshot.bufferBytes > 0)
    snapshot.allocationBytes =
        std::min(snapshot.allocationBytes, snapshot.bufferBytes);
  if (snapshot.kind != DeviceKind::Software)
    snapshot.features.emplace_back(feature::hardware);
  if (!(subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT))
    return;
  if (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT)
    snapshot.features.emplace_back(feature::subgroupArithmetic);
  if ((subgroup.supportedOperations & VK_SUBGROUP_FEATURE_BALLOT_BIT) &&
      subgroup.subgroupSize >= 4)
    snapshot.features.emplace_back(feature::subgroupBroadcast);
}

void addFeatures(const Api &api, VkPhysicalDevice device,
                 DeviceSnapshot &snapshot) {
  VkPhysicalDeviceFeatures2 features{};
  features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
  VkPhysicalDeviceVulkan11Features features11{};
  features11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
  VkPhysicalDeviceVulkan12Features features12{};
  features12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
  StructureChain chain(features);
  chain.add(features11);
  chain.add(features12);
  api.vkGetPhysicalDeviceFeatures2(device, &features);
  snapshot.bufferDeviceAddress = features12.bufferDeviceAddress;
  snapshot.timelineSemaphore = features12.timelineSemaphore;
  snapshot.matrices.hasMemoryModel =
      features12.vulkanMemoryModel && features12.vulkanMemoryModelDeviceScope;
  auto add = [&](VkBool32 there, const char *name) {
    if (there)
      snapshot.features.emplace_back(name);
  };
  add(features11.storageBuffer16BitAccess && features11.storagePushConstant16,
      feature::storage16);
  add(features12.storageBuffer8BitAccess, feature::storage8);
  add(features.features.shaderInt16, feature::int16);
  add(features12.shaderInt8, feature::int8);
  add(features.features.shaderInt64, feature::int64);
  add(features12.shaderFloat16, feature::float16);
}

MatrixProduct::Type typeOf(VkComponentTypeKHR type) {
  if (type == VK_COMPONENT_TYPE_FLOAT16_KHR)
    return MatrixProduct::Type::F16;
  if (type == VK_COMPONENT_TYPE_FLOAT32_KHR)
    return MatrixProduct::Type::F32;
  return type == VK_COMPONENT_TYPE_BFLOAT16_KHR ? MatrixProduct::Type::BF16
                                                : MatrixProduct::Type::Other;
}

Status addMatrixProducts(const Api &api, VkPhysicalDevice device,
                         MatrixSupport &support) {
  const char *action = "list a Vulkan device's products of matrices";
  uint32_t count = 0;
  GPTC_VULKAN(api.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(
                  device, &count, nullptr),
              "{}", action);
  // NOLINTNEXTLINE(bugprone-invalid-enum-default-initialization): the driver's.
  VkCooperativeMatrixPropertiesKHR empty{};
  empty.sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
  std::vector<VkCooperativeMatrixPropertiesKHR> properties(count, empty);
  GPTC_VULKAN(api.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(
                  device, &count, properties.data()),
              "{}", action);
  properties.resize(count);
  for (const VkCooperativeMatrixPropertiesKHR &one : properties)
    support.products.push_back({one.MSize, one.NSize, one.KSize,
                                typeOf(one.AType), typeOf(one.BType),
                                typeOf(one.CType), typeOf(one.ResultType),
                                one.scope == VK_SCOPE_SUBGROUP_KHR});
  return {};
}

/// What there is of cooperative matrices, and of the subgroups that they are
/// made for.
Status addMatrices(const Api &api, VkPhysicalDevice device,
                   const std::vector<std::string> &extensions,
                   DeviceSnapshot &snapshot) {
  MatrixSupport &support = snapshot.matrices;
  bool sizes = has(extensions, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
  bool matrices = has(extensions, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME) &&
                  api.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR;
  VkPhysicalDeviceSubgroupSizeControlFeaturesEXT control{};
  control.sType =
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT;
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR multiplies{};
  multiplies.sType =
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR;
  VkPhysicalDeviceShaderBfloat16FeaturesKHR bf16{};
  bf16.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR;
  VkPhysicalDeviceFeatures2 features{};
  features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
  VkPhysicalDeviceSubgroupSizeControlPropertiesEXT range{};
  range.sType =
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT;
  VkPhysicalDeviceCooperativeMatrixPropertiesKHR stages{};
  stages.sType =
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
  VkPhysicalDeviceProperties2 properties{};
  properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
  StructureChain featureChain(features);
  StructureChain propertyChain(properties);
  if (sizes) {
    featureChain.add(control);
    propertyChain.add(range);
  }
  if (matrices) {
    featureChain.add(multiplies);
    propertyChain.add(stages);
    if (has(extensions, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME))
      featureChain.add(bf16);
  }
  api.vkGetPhysicalDeviceFeatures2(device, &features);
  api.vkGetPhysicalDeviceProperties2(device, &properties);
  constexpr uint32_t invocations = 256; // Of a workgroup, at most.
  if (control.subgroupSizeControl && control.computeFullSubgroups &&
      (range.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
      range.maxComputeWorkgroupSubgroups >= invocations / matrixInvocations) {
    support.leastSubgroup = range.minSubgroupSize;
    support.mostSubgroup = range.maxSubgroupSize;
  }
  support.multiplies =
      multiplies.cooperativeMatrix &&
      (stages.cooperativeMatrixSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT);
  support.hasBf16 =
      bf16.shaderBFloat16Type && bf16.shaderBFloat16CooperativeMatrix;
  if (support.multiplies)
    GPTC_CHECK(addMatrixProducts(api, device, support));
  for (std::string &name : matrixFeatures(support))
    snapshot.features.push_back(std::move(name));
  return {};
}

void addQueue(const Api &api, VkPhysicalDevice device,
              DeviceSnapshot &snapshot) {
  uint32_t count = 0;
  api.vkGetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  api.vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
  bool dedicated = false;
  for (uint32_t i = 0; i < count; ++i) {
    if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT))
      continue;
    // Long work beside the queue that draws keeps a desktop alive.
    bool better = !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT) &&
                  families[i].timestampValidBits > 0;
    if (snapshot.computes && (dedicated || !better))
      continue;
    snapshot.computes = true;
    snapshot.queueFamily = i;
    snapshot.timestampBits = families[i].timestampValidBits;
    dedicated = better;
  }
}

} // namespace

Expected<std::vector<std::string>> extensionsOf(const Api &api,
                                                VkPhysicalDevice device) {
  const char *action = "list the extensions of a Vulkan device";
  uint32_t count = 0;
  GPTC_VULKAN(api.vkEnumerateDeviceExtensionProperties(device, nullptr, &count,
                                                       nullptr),
              "{}", action);
  std::vector<VkExtensionProperties> properties(count);
  GPTC_VULKAN(api.vkEnumerateDeviceExtensionProperties(device, nullptr, &count,
                                                       properties.data()),
              "{}", action);
  std::vector<std::string> names;
  for (uint32_t i = 0; i < count; ++i)
    names.emplace_back(properties[i].extensionName);
  return names;
}

std::vector<uint64_t> freeHeapBytes(const Api &api, VkPhysicalDevice device,
                                    bool hasBudgets) {
  VkPhysicalDeviceMemoryProperties2 memory{};
  memory.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{};
  budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
  if (hasBudgets)
    memory.pNext = &budget;
  api.vkGetPhysicalDeviceMemoryProperties2(device, &memory);
  const VkPhysicalDeviceMemoryProperties &properties = memory.memoryProperties;
  std::vector<uint64_t> bytes(properties.memoryHeapCount);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = properties.memoryHeaps[i].size;
    if (hasBudgets)
      bytes[i] = std::min(bytes[i],
                          budget.heapBudget[i] - std::min(budget.heapBudget[i],
                                                          budget.heapUsage[i]));
  }
  return bytes;
}

Expected<DeviceSnapshot> takeSnapshot(const Api &api, VkPhysicalDevice device) {
  DeviceSnapshot snapshot;
  VkPhysicalDeviceProperties properties{};
  api.vkGetPhysicalDeviceProperties(device, &properties);
  snapshot.name = properties.deviceName;
  snapshot.kind = kindOf(properties.deviceType);
  snapshot.vendor = properties.vendorID;
  snapshot.apiVersion = properties.apiVersion;
  if (snapshot.apiVersion < VK_API_VERSION_1_2)
    return snapshot;
  GPTC_TRY(auto extensions, extensionsOf(api, device));
  addProperties(api, device, extensions, snapshot);
  addFeatures(api, device, snapshot);
  GPTC_CHECK(addMatrices(api, device, extensions, snapshot));
  addQueue(api, device, snapshot);

  VkPhysicalDeviceMemoryProperties2 memory{};
  memory.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
  api.vkGetPhysicalDeviceMemoryProperties2(device, &memory);
  auto type = chooseMemoryType(memory.memoryProperties, ~uint32_t(0),
                               MemoryUse::Device);
  if (!type)
    return snapshot;
  uint32_t heap = memory.memoryProperties.memoryTypes[*type].heapIndex;
  bool budgets = has(extensions, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  snapshot.memoryBytes = memory.memoryProperties.memoryHeaps[heap].size;
  snapshot.freeBytes = freeHeapBytes(api, device, budgets)[heap];
  // A software device's memory is the machine's.
  if (uint64_t available = availableMemory();
      snapshot.kind == DeviceKind::Software && available > 0)
    snapshot.freeBytes = std::min(snapshot.freeBytes, available);
  return snapshot;
}

} // namespace gptc::vulkan
