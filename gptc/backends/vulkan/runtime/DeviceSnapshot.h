//===- DeviceSnapshot.h - What a Vulkan device says of itself --*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_DEVICESNAPSHOT_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_DEVICESNAPSHOT_H

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gptc::vulkan {

enum class DeviceKind { Discrete, Integrated, Virtual, Software, Other };
/// "discrete GPU", ...
const char *toString(DeviceKind kind);

/// A product of matrices that the invocations of a scope compute together, as
/// VK_KHR_cooperative_matrix lists it.
struct MatrixProduct {
  enum class Type { F16, F32, BF16, Other };
  uint32_t rows = 0, columns = 0, depth = 0;
  Type left = Type::Other, right = Type::Other;
  Type addend = Type::Other, result = Type::Other;
  bool isOfSubgroup = false;
};

/// What a device says of products of matrices.
struct MatrixSupport {
  /// The feature, and the stage of compute shaders.
  bool multiplies = false;
  /// Whether bf16 is a type of shaders and of those products.
  bool hasBf16 = false;
  std::vector<MatrixProduct> products;
  /// Subgroups that a pipeline may ask for, full ones; 0 where it may not.
  uint32_t leastSubgroup = 0, mostSubgroup = 0;
  /// Vulkan's memory model with the scope of a device.
  bool hasMemoryModel = false;
};

/// A device as a driver describes it: plain values, so that whatever is
/// decided by them is decided without a device.
struct DeviceSnapshot {
  std::string name;
  DeviceKind kind = DeviceKind::Other;
  uint32_t vendor = 0;
  /// Of Vulkan, as VK_MAKE_API_VERSION packs it.
  uint32_t apiVersion = 0;
  /// VkDriverId, 0 where it is unknown.
  uint32_t driver = 0;
  std::string driverName, driverInfo;
  std::array<uint8_t, 16> deviceUuid{}, driverUuid{}, cacheUuid{};
  std::string pci; ///< "0000:65:00.0"; empty where it is unknown.

  bool bufferDeviceAddress = false;
  bool timelineSemaphore = false;
  /// Of Features.h.
  std::vector<std::string> features;

  uint32_t invocations = 0;     ///< Of a workgroup, at most.
  uint32_t workgroupSize = 0;   ///< In the first dimension, at most.
  uint64_t workgroupMemory = 0; ///< Bytes.
  uint32_t subgroupSize = 0;
  MatrixSupport matrices;
  /// Of one allocation, as far as the driver vouches for it: more may work.
  uint64_t allocationBytes = 0;
  uint64_t bufferBytes = 0; ///< Of one buffer, at most; 0 where it is unknown.
  /// Of the heap that activations and weights go to: its size, and what the
  /// driver says can be had now (its size where the driver does not say).
  uint64_t memoryBytes = 0, freeBytes = 0;
  /// A queue family that computes; timestamps of 0 bits are none.
  bool computes = false;
  uint32_t queueFamily = 0;
  uint32_t timestampBits = 0;
  double timestampNanoseconds = 1;
};

/// "1.3.204".
std::string versionText(uint32_t version);
/// "8d6e...": 32 hexadecimal digits.
std::string uuidText(const std::array<uint8_t, 16> &uuid);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_DEVICESNAPSHOT_H
