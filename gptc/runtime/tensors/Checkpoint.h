//===- Checkpoint.h - The tensors of a checkpoint folder -------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TENSORS_CHECKPOINT_H
#define GPTC_RUNTIME_TENSORS_CHECKPOINT_H

#include "gptc/runtime/tensors/Safetensors.h"

namespace gptc {

/// The files of a sharded checkpoint, each with the tensors it should hold, in
/// the order of their names.
using ShardIndex = std::map<std::string, std::vector<std::string>>;

/// Reads a `model.safetensors.index.json`; `name` stands for it in errors. The
/// names of files are names alone: no folder, not empty.
Expected<ShardIndex> parseShardIndex(std::string_view text,
                                     const std::string &name);

/// A Hugging Face folder with `model.safetensors`, or with shards named by
/// `model.safetensors.index.json`. Immutable, safe to share between threads.
class Checkpoint {
public:
  static Expected<Checkpoint> open(const std::string &folder);

  const std::string &folder() const { return folder_; }
  /// A tensor by its name, with or without the prefix "transformer."; null if
  /// there is none.
  const TensorView *find(const std::string &name) const;
  /// The name under which the file holds a tensor that find() knows.
  const std::string &storedName(const std::string &name) const;
  /// Every stored name without that prefix.
  std::vector<std::string> names() const;
  /// Identifies the content in milliseconds: SHA-256 over all headers and
  /// sizes, and over samples of 4 KiB at every MiB of each file's data.
  std::string digest() const;
  /// Gives back the memory of a tensor's pages that were read, which come from
  /// the file again when they are read again.
  void release(const TensorView &tensor) const;

private:
  std::string folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> storedNames_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TENSORS_CHECKPOINT_H
