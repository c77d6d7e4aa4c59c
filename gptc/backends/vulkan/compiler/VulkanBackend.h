//===- VulkanBackend.h - Encoding kernels as SPIR-V ------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_COMPILER_VULKANBACKEND_H
#define GPTC_BACKENDS_VULKAN_COMPILER_VULKANBACKEND_H

#include "gptc/backends/vulkan/compiler/VulkanTarget.h"
#include "gptc/ir/Dialect.h"
#include "gptc/ir/FusionCapabilities.h"
#include "gptc/runtime/base/Error.h"
#include "gptc/runtime/base/Progress.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>

namespace mlir::spirv {
class ModuleOp;
} // namespace mlir::spirv

namespace gptc::vulkan {

/// A kernel's module, and what the runtime must know of it; see the artifact's
/// schema.
struct EncodedKernel {
  std::vector<uint32_t> spirv;
  uint32_t tiles = 1;
  uint32_t rowsPerBlock = 0;
  uint32_t innerTiles = 1;
};

/// Receives what a kernel becomes: its name, a file name extension ("mlir",
/// "spvasm") and the text.
using KernelDump = std::function<void(llvm::StringRef kernel,
                                      llvm::StringRef kind, std::string text)>;

/// What kernels may take in: a single row is cheap to make anew in every
/// workgroup of a product; appends run before attention, unless a workgroup
/// has all queries of a head.
ir::FusionCapabilities fusionCapabilities();

/// Makes a SPIR-V module of every kernel of a module in phase `kernels` or
/// `program`. Equal modules give equal words. A kernel that cannot be encoded
/// is an error that names it. They are in
/// the module's order. Progress is told in kernels. `others`, if not empty, are
/// those of the target's `otherwise`, and taken as they are where kernels are
/// not its own.
Expected<std::vector<EncodedKernel>>
encodeKernels(mlir::ModuleOp module, const VulkanTarget &target,
              const KernelDump &dump = {}, const Progress &progress = {},
              llvm::ArrayRef<EncodedKernel> others = {});

/// For each kernel of a module whether the target may have another one than its
/// `otherwise`: of matrices that subgroups multiply, or of elements of 16 bits;
/// all are its own where there is no `otherwise`.
std::vector<bool> ownKernels(mlir::ModuleOp module, const VulkanTarget &target);

/// Lowers the scf, arith and math inside of a spirv.module, serializes it and
/// validates the result for Vulkan 1.2, unless it has cooperative matrices,
/// which the SPIRV-Tools linked here do not know. Where drivers should not
/// unroll loops, the loops say so.
Expected<std::vector<uint32_t>> lowerToSpirv(mlir::spirv::ModuleOp module,
                                             bool unrollsLoops);

/// The text of a binary module.
std::string disassemble(const std::vector<uint32_t> &spirv);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_COMPILER_VULKANBACKEND_H
