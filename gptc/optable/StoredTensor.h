//===- StoredTensor.h - Between the interpreter and a target ---*- C++ -*-===//

#ifndef GPTC_OPTABLE_STOREDTENSOR_H
#define GPTC_OPTABLE_STOREDTENSOR_H

#include "gptc/backends/reference/compiler/Interpreter.h"
#include "gptc/runtime/artifact/Artifact.h"

namespace gptc::optable {

/// The bytes of a tensor's values, dense.
std::vector<std::byte> storeTensor(const HostTensor &tensor);
/// The bytes that a target stores a variable of these values as, which may be
/// of a narrower type than the tensor's.
std::vector<std::byte> storeVariable(const HostTensor &tensor,
                                     const artifact::VariableT &variable,
                                     const artifact::StorageT &storage);
/// Dense values as the interpreter has them.
HostTensor loadTensor(artifact::ElementType type,
                      const std::vector<uint64_t> &shape,
                      std::span<const std::byte> from);

} // namespace gptc::optable

#endif // GPTC_OPTABLE_STOREDTENSOR_H
