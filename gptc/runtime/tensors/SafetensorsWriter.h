//===- SafetensorsWriter.h - Writing safetensors files ---------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TENSORS_SAFETENSORSWRITER_H
#define GPTC_RUNTIME_TENSORS_SAFETENSORSWRITER_H

#include "gptc/runtime/base/DataType.h"
#include "gptc/runtime/base/Error.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace gptc {

/// A tensor to write: its bytes are produced piece by piece, in order, when it
/// is their turn.
struct PendingTensor {
  using Sink = std::function<Status(std::span<const std::byte>)>;

  std::string name;
  DataType type = DataType::F32;
  std::vector<uint64_t> shape;
  std::function<Status(const Sink &)> produce;
};

/// Writes the file at `path` whole or not at all, with the metadata that
/// transformers asks for. Tensors lie in the order of their element's size,
/// largest first, then of their names, so that each is aligned and equal
/// tensors give equal bytes. Fails when two have one name, or when one
/// produces more or fewer bytes than its shape asks for.
Status writeSafetensors(const std::string &path,
                        std::vector<PendingTensor> tensors);

} // namespace gptc

#endif // GPTC_RUNTIME_TENSORS_SAFETENSORSWRITER_H
