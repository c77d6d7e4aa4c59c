//===- WeightsWriter.h - An artifact's weights as a checkpoint -*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_WEIGHTSWRITER_H
#define GPTC_RUNTIME_PROGRAM_WEIGHTSWRITER_H

#include "gptc/runtime/base/Progress.h"
#include "gptc/runtime/program/Executable.h"

#include <functional>
#include <map>
#include <optional>

namespace gptc {

/// The name of a tensor in a checkpoint of a causal language model:
/// transformers keeps the head beside the body, which it calls so for every
/// GPT.
std::string checkpointName(const std::string &name);

/// Elements [begin, end) of a variable's last dimension as a tensor.
struct WeightPart {
  std::string name; ///< Without what checkpointName() adds.
  bool transposed = false;
  uint64_t begin = 0, end = 0;
  /// Its type in the checkpoint, where that is known.
  DataType type = DataType::F32;
};
/// The tensors that a variable is written as; Unsupported where they do not
/// make up all of it.
Expected<std::vector<WeightPart>> partsOf(const artifact::VariableT &variable);

/// What writeWeights wrote.
struct WrittenWeights {
  /// Number of tensors of each type.
  std::map<DataType, size_t> tensors;
  /// Whether they are the checkpoint's, word for word.
  bool original = false;
  /// Number of those in less than f32 that are not known to be so in the
  /// checkpoint, and of those in f32 that are f64 there.
  size_t narrowed = 0;
};

/// Writes a safetensors file with the parameters of an artifact. Weights that
/// are not embedded are copied with their types and names from the checkpoint
/// that the artifact names (its digest must be right) or from `folder` where
/// that is not empty, or drawn from the seed. Embedded ones are unpacked, in
/// the type that they are stored in, or in the checkpoint's where that is a
/// narrower one, which loses nothing. Progress is told in bytes.
Expected<WrittenWeights> writeWeights(const Artifact &artifact,
                                      const std::string &path,
                                      const std::string &folder = {},
                                      const Progress &progress = {});

/// Changes the values of a row of a variable [.., C] while it is written; false
/// leaves the variable out, which it must then say of row 0.
using RowChange = std::function<bool(uint64_t row, std::span<float> values)>;
/// What changes a variable, if anything does.
using ChangeOf = std::function<Expected<std::optional<RowChange>>(
    const artifact::VariableT &variable)>;

/// The same with the present values of a program's parameters, in the types
/// that they are stored in.
Expected<WrittenWeights> writeWeights(Executable &executable,
                                      const std::string &path,
                                      const ChangeOf &changeOf = {},
                                      const Progress &progress = {});

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_WEIGHTSWRITER_H
