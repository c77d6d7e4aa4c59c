//===- KernelInterface.h - How SPIR-V kernels are called -------*- C++ -*-===//
//
// A kernel is a SPIR-V 1.5 module for Vulkan 1.2 with physical 64-bit
// addressing, the entry point "main", no descriptor sets and a literal
// workgroup size of at most 256. One workgroup computes one tile,
//   tile = WorkgroupId.y * tilesPerRow + WorkgroupId.x,
// and leaves at once where there is no such tile or where none of the tile's
// rows is valid (see rows_per_block in Artifact.fbs). A module that declares
// CooperativeMatrixKHR is run in full subgroups of matrixInvocations.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_VULKAN_KERNELINTERFACE_H
#define GPTC_BACKENDS_VULKAN_KERNELINTERFACE_H

#include <cstddef>
#include <cstdint>
#include <span>

namespace gptc::vulkan {

/// Workgroups in the first dimension of a dispatch of many tiles.
inline constexpr uint32_t tilesPerRow = 32768;
/// Buffers of a dispatch at most, so that all fits into the 128 bytes of push
/// constants that every device has.
inline constexpr uint32_t maxBuffers = 13;
/// Buffers and variables begin at multiples of these.
inline constexpr uint64_t bufferAlignment = 256;

/// Matrices that a subgroup multiplies at once are of this many rows, columns
/// and steps of k; the subgroup is of that many invocations.
inline constexpr uint32_t matrixExtent = 16;
inline constexpr uint32_t matrixInvocations = 32;

/// Whether a SPIR-V module declares a capability; they come first in it.
constexpr bool declaresCapability(std::span<const uint32_t> module,
                                  uint32_t capability) {
  constexpr uint32_t headerWords = 5, opCapability = 17;
  constexpr uint32_t declaration = 2 << 16 | opCapability;
  for (size_t i = headerWords;
       i + 1 < module.size() && module[i] == declaration; i += 2)
    if (module[i + 1] == capability)
      return true;
  return false;
}

/// The same of CooperativeMatrixKHR.
constexpr bool declaresMatrices(std::span<const uint32_t> module) {
  return declaresCapability(module, 6022);
}

/// The same of StorageBuffer16BitAccess.
constexpr bool declaresNarrowStorage(std::span<const uint32_t> module) {
  return declaresCapability(module, 4433);
}

/// The push constants of a kernel, packed as here.
struct KernelConstants {
  /// Address of the dispatch's scalars, 64 bits each, an f32 or i32 in the low
  /// half, in the order of the scalar inputs.
  uint64_t scalars;
  /// Address of the valid rows of each sequence, i32; any valid address where
  /// rowsPerSequence is 0.
  uint64_t lengths;
  /// 0: every row is computed.
  uint32_t rowsPerSequence;
  uint32_t sequences;
  /// Addresses: inputs, then outputs.
  uint64_t buffers[maxBuffers];
};
static_assert(sizeof(KernelConstants) == 128);
static_assert(offsetof(KernelConstants, buffers) == 24);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_KERNELINTERFACE_H
