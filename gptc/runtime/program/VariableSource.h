//===- VariableSource.h - Where a variable's values come from --*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_VARIABLESOURCE_H
#define GPTC_RUNTIME_PROGRAM_VARIABLESOURCE_H

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/program/Memory.h"
#include "gptc/runtime/program/Threads.h"
#include "gptc/runtime/tensors/Checkpoint.h"
#include "gptc/runtime/tensors/Pack.h"

namespace gptc {

/// The stored bytes of a parameter, made from a checkpoint's tensors or, when
/// there is no checkpoint, from its initializer and a seed. Immutable after
/// creation; fill() may be called from many threads. When it goes, it gives
/// back the memory of the checkpoint's pages that it read.
class VariableSource {
public:
  VariableSource() = default;
  VariableSource(VariableSource &&) = default;
  VariableSource &operator=(VariableSource &&) = delete;
  ~VariableSource();
  /// `checkpoint` may be null and must outlive the source. Values that an
  /// initializer draws are a function of the seed, the variable's name and
  /// the element's index; they are made by `team`. Fails for a variable of a
  /// type that weights do not have.
  static Expected<VariableSource> create(const artifact::VariableT &variable,
                                         artifact::Layout layout,
                                         const Checkpoint *checkpoint,
                                         uint64_t seed, ThreadTeam &team);

  /// The stored bytes are `units` equal parts: rows, or panels of 64 columns.
  uint64_t units() const { return units_; }
  uint64_t unitBytes() const { return unitBytes_; }
  /// Makes units [from, to) at `to`, which is where unit `from` belongs.
  void fill(uint64_t from, uint64_t end, std::byte *to) const;
  /// Makes all units in parallel.
  void fillAll(ThreadTeam &team, std::byte *to) const;

private:
  const Checkpoint *checkpoint_ = nullptr;
  std::vector<TensorView> read_; ///< Of the checkpoint.
  SourceMatrix matrix_;
  Region drawn_; ///< f32 values of an initializer.
  DataType type_ = DataType::F32;
  artifact::Layout layout_ = artifact::Layout::RowMajor;
  uint64_t units_ = 0;
  uint64_t unitBytes_ = 0;
};

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_VARIABLESOURCE_H
