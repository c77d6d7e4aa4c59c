//===- Safetensors.h - Tensors in a safetensors file -----------*- C++ -*-===//
//
// The format: 8 bytes of header length, a JSON header, data. Nothing of it is
// trusted: sizes and offsets are checked before use.
// Source: github.com/huggingface/safetensors, "Format".
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_TENSORS_SAFETENSORS_H
#define GPTC_RUNTIME_TENSORS_SAFETENSORS_H

#include "gptc/runtime/base/DataType.h"
#include "gptc/runtime/base/File.h"

#include <map>
#include <memory>
#include <vector>

namespace gptc {

/// A tensor in a file; its bytes live as long as the file is mapped.
struct TensorView {
  DataType type = DataType::F32;
  std::vector<uint64_t> shape;
  std::span<const std::byte> bytes;
};

/// The tensors of one file. Immutable, safe to share between threads.
class SafetensorsFile {
public:
  static Expected<SafetensorsFile> open(const std::string &path);
  /// Checks and indexes bytes in memory, which must outlive the result.
  static Expected<std::map<std::string, TensorView>>
  parse(std::span<const std::byte> bytes, const std::string &name);

  const std::map<std::string, TensorView> &tensors() const { return tensors_; }
  const std::string &path() const { return file_.path(); }
  /// The JSON header, for digests.
  std::span<const std::byte> header() const;
  /// As MappedFile does; nothing for bytes that are not of this file.
  void release(std::span<const std::byte> bytes) const { file_.release(bytes); }

private:
  MappedFile file_;
  std::map<std::string, TensorView> tensors_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TENSORS_SAFETENSORS_H
