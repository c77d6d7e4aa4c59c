//===- CpuBackend.h - Encoding kernels for a CPU ---------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_CPU_COMPILER_CPUBACKEND_H
#define GPTC_BACKENDS_CPU_COMPILER_CPUBACKEND_H

#include "gptc/backends/cpu/compiler/Emitter.h"
#include "gptc/runtime/base/Error.h"
#include "gptc/runtime/base/Progress.h"

#include <functional>

namespace gptc::cpu {

/// All kernels of a module for one instruction set.
struct EncodedModule {
  std::vector<char> sharedObject;     ///< ELF, exporting one symbol a kernel.
  std::vector<EncodedKernel> kernels; ///< In the module's order.
};

/// Receives what a kernel becomes: its name ("" for all), a file name
/// extension ("mlir", "ll", "s") and the text.
using KernelDump = std::function<void(llvm::StringRef kernel,
                                      llvm::StringRef kind, std::string text)>;

/// Generates code for every kernel of a module in phase `kernels` or
/// `program` and links it into a shared object. Equal modules give equal
/// bytes. A kernel that cannot be encoded is an error that names it. Progress
/// is told in kernels, before the code of all of them is optimized.
Expected<EncodedModule> encodeKernels(mlir::ModuleOp module,
                                      const CpuTarget &target,
                                      const KernelDump &dump = {},
                                      const Progress &progress = {});

/// Lowers a module of llvm.funcs over scf, arith, math and vector to an
/// object file for the target and links it.
Expected<std::vector<char>> generateCode(mlir::ModuleOp module,
                                         const CpuTarget &target,
                                         llvm::ArrayRef<std::string> exported,
                                         const KernelDump &dump);

} // namespace gptc::cpu

#endif // GPTC_BACKENDS_CPU_COMPILER_CPUBACKEND_H
