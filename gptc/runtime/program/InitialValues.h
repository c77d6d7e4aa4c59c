//===- InitialValues.h - What a target's variables begin with --*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_INITIALVALUES_H
#define GPTC_RUNTIME_PROGRAM_INITIALVALUES_H

#include "gptc/runtime/program/VariableSource.h"

#include <optional>

namespace gptc {

/// For each of a target's variables, whether some program assigns it.
std::vector<bool> writtenVariables(const artifact::TargetT &target);

/// Where the first values of a target's variables come from. The artifact and
/// the target must outlive it. Immutable after creation.
class InitialValues {
public:
  /// `folder` has the weights in place of the checkpoint that the artifact
  /// names, whatever they are; empty for that one. What is embedded is used,
  /// but where another folder is given for a variable that training goes on
  /// with. Fails when a checkpoint that is needed cannot be opened, when the
  /// one that the artifact names has changed, and when nothing is needed of a
  /// folder that is given.
  static Expected<InitialValues> open(const Artifact &artifact,
                                      const artifact::TargetT &target,
                                      const std::string &folder);

  enum class Kind { Zero, Embedded, Source };
  Kind kindOf(size_t variable) const;
  /// The stored bytes of an embedded variable, mapped.
  std::span<const std::byte> embedded(size_t variable) const {
    return artifact_->blob(*target_->storages[variable]->embedded);
  }
  /// What makes the stored bytes of a variable of kind Source; this must
  /// outlive it.
  Expected<VariableSource> source(size_t variable, ThreadTeam &team) const;

private:
  InitialValues(const Artifact &artifact, const artifact::TargetT &target)
      : artifact_(&artifact), target_(&target) {}

  const Artifact *artifact_;
  const artifact::TargetT *target_;
  std::vector<bool> written_;
  bool otherFolder_ = false;
  std::optional<Checkpoint> checkpoint_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_INITIALVALUES_H
