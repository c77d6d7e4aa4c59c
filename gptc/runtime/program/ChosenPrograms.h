//===- ChosenPrograms.h - The part of a target that is loaded --*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_CHOSENPROGRAMS_H
#define GPTC_RUNTIME_PROGRAM_CHOSENPROGRAMS_H

#include "gptc/runtime/artifact/Artifact.h"

#include <functional>

namespace gptc {

/// Chooses entry points by their names; empty: all of them.
using EntryFilter = std::function<bool(std::string_view name)>;

/// The programs of a target that are loaded, and what they need: to predict,
/// no optimizer's state and no activations of training. The artifact and the
/// target must outlive it. Immutable.
class ChosenPrograms {
public:
  ChosenPrograms() = default;
  ChosenPrograms(const Artifact &artifact, const artifact::TargetT &target,
                 const EntryFilter &filter);

  const std::vector<const artifact::ProgramT *> &programs() const {
    return programs_;
  }
  /// Whether a variable has memory: where all programs are loaded, and else if
  /// it is a parameter or one of them uses it.
  bool needs(size_t variable) const { return needed_[variable]; }
  /// Where a variable that is needed begins in the region of all of them.
  uint64_t offsetOf(size_t variable) const { return offsets_[variable]; }
  uint64_t variablesBytes() const { return variablesBytes_; }
  /// Of the largest arena.
  uint64_t arenaBytes() const { return arenaBytes_; }

private:
  std::vector<const artifact::ProgramT *> programs_;
  std::vector<bool> needed_;
  std::vector<uint64_t> offsets_;
  uint64_t variablesBytes_ = 0, arenaBytes_ = 0;
};

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_CHOSENPROGRAMS_H
