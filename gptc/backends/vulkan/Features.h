//===- Features.h - What a variant may ask of a device ---------*- C++ -*-===//
//
// Names shared by the compiler, which writes them into an artifact's variants,
// and the runtime, which holds them against a device and lists them. Whatever
// is not named here, every device that is used at all has: Vulkan 1.2 with
// buffer device addresses and timeline semaphores, 256 invocations and 32 KiB
// of memory to a workgroup.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_VULKAN_FEATURES_H
#define GPTC_BACKENDS_VULKAN_FEATURES_H

#include <string_view>

namespace gptc::vulkan::feature {

/// Not a software device: what it runs is worth tiles for a GPU's memories.
inline constexpr const char *hardware = "hardware";
/// storageBuffer16BitAccess, storagePushConstant16: 16-bit values in buffers,
/// and what validators ask for where push constants hold pointers to them.
inline constexpr const char *storage16 = "storage16";
/// storageBuffer8BitAccess: 8-bit values in buffers.
inline constexpr const char *storage8 = "storage8";
/// shaderInt16: 16-bit integer arithmetic.
inline constexpr const char *int16 = "int16";
/// shaderInt8: 8-bit integer arithmetic.
inline constexpr const char *int8 = "int8";
/// shaderFloat16: arithmetic in f16.
inline constexpr const char *float16 = "float16";
/// shaderInt64: 64-bit integer arithmetic.
inline constexpr const char *int64 = "int64";
/// Broadcasts within subgroups of 4 or more in compute shaders.
inline constexpr const char *subgroupBroadcast = "subgroup-broadcast";
/// Arithmetic over subgroups in compute shaders.
inline constexpr const char *subgroupArithmetic = "subgroup-arithmetic";
/// Compute pipelines in full subgroups of KernelInterface.h's
/// matrixInvocations, where they ask for it.
inline constexpr const char *subgroupsOf32 = "subgroups-of-32";
/// Vulkan's memory model, with the scope of a device.
inline constexpr const char *memoryModel = "memory-model";
/// Products of matrices that a subgroup has together, with operands in bf16 or
/// in f16 and sums in f32, of the extents of KernelInterface.h.
inline constexpr const char *matrixBf16 = "cooperative-matrix-bf16";
inline constexpr const char *matrixF16 = "cooperative-matrix-f16";

/// A feature as documentation tells it.
struct Description {
  const char *name;
  const char *vulkan; ///< What a driver calls it.
  const char *meaning;
  /// No device that gptc is tested on has it: what asks for it is unproven, and
  /// off until a check has found it right on the device at hand.
  bool isUnproven = false;
};
inline constexpr Description all[] = {
    {hardware, "a device type other than CPU",
     "not a software device: worth tiles for a GPU's memories"},
    {storage16, "storageBuffer16BitAccess, storagePushConstant16",
     "16-bit values in buffers"},
    {storage8, "storageBuffer8BitAccess", "8-bit values in buffers"},
    {int16, "shaderInt16", "16-bit integer arithmetic"},
    {int8, "shaderInt8", "8-bit integer arithmetic"},
    {int64, "shaderInt64", "64-bit integer arithmetic"},
    {float16, "shaderFloat16", "arithmetic in f16"},
    {subgroupBroadcast, "VK_SUBGROUP_FEATURE_BALLOT_BIT",
     "broadcasts within subgroups of 4 or more in compute shaders"},
    {subgroupArithmetic, "VK_SUBGROUP_FEATURE_ARITHMETIC_BIT",
     "arithmetic over subgroups in compute shaders"},
    {subgroupsOf32, "subgroupSizeControl, computeFullSubgroups",
     "full subgroups of 32 where a kernel asks for them"},
    {memoryModel, "vulkanMemoryModel, vulkanMemoryModelDeviceScope",
     "Vulkan's memory model"},
    {matrixBf16, "VK_KHR_cooperative_matrix, shaderBFloat16CooperativeMatrix",
     "products of 16x16 by 16x16 in bf16 that a subgroup computes at once, "
     "with sums in f32",
     true},
    {matrixF16, "VK_KHR_cooperative_matrix", "the same in f16", true}};

/// Whether a variant that asks for the feature is unproven.
constexpr bool isUnproven(std::string_view name) {
  for (const Description &one : all)
    if (name == one.name)
      return one.isUnproven;
  return false;
}

} // namespace gptc::vulkan::feature

#endif // GPTC_BACKENDS_VULKAN_FEATURES_H
