//===- KernelAbi.h - How compiled kernels are called -----------*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_KERNELABI_H
#define GPTC_RUNTIME_PROGRAM_KERNELABI_H

#include <cstdint>

namespace gptc {

/// A scalar of a dispatch: 64 bits, an f32 or i32 in the low half.
using Scalars = uint64_t;

/// One tile of a kernel. `buffers` are the tensor inputs in order, then the
/// outputs, each 64-byte aligned; `scalars` are the scalar inputs in order;
/// `scratch` is 64-byte aligned memory of this thread alone. Tiles of a
/// dispatch may run at once, in any order, on any thread.
using KernelFunction = void (*)(void *const *buffers, const Scalars *scalars,
                                uint32_t tile, void *scratch);

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_KERNELABI_H
