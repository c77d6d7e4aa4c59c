//===- InitialValues.cpp --------------------------------------------------===//

#include "gptc/runtime/program/InitialValues.h"

#include "gptc/runtime/program/SourceCheckpoint.h"

namespace gptc {

std::vector<bool> writtenVariables(const artifact::TargetT &target) {
  std::vector<bool> written(target.storages.size());
  for (const auto &program : target.programs)
    for (const auto &dispatch : program->dispatches)
      for (size_t i = dispatch->buffers.size() - dispatch->outputs;
           i < dispatch->buffers.size(); ++i) {
        const artifact::BufferT &buffer =
            *program->buffers[dispatch->buffers[i]];
        if (buffer.space == artifact::BufferSpace::Variable)
          written[buffer.index] = true;
      }
  return written;
}

Expected<InitialValues> InitialValues::open(const Artifact &artifact,
                                            const artifact::TargetT &target,
                                            const std::string &folder) {
  InitialValues values(artifact, target);
  values.written_ = writtenVariables(target);
  values.otherFolder_ = !folder.empty();
  bool any = false;
  for (size_t i = 0; i < target.storages.size(); ++i)
    any = any || values.kindOf(i) == Kind::Source;
  if (!any && !folder.empty())
    return takesNone(artifact, folder);
  if (!any ||
      (folder.empty() && artifact.manifest().source->checkpoint.empty()))
    return values;
  GPTC_TRY(values.checkpoint_, openSource(artifact, folder));
  return values;
}

InitialValues::Kind InitialValues::kindOf(size_t variable) const {
  if (artifact_->manifest().variables[variable]->role !=
      artifact::Role::Parameter)
    return Kind::Zero;
  bool replaced = written_[variable] && otherFolder_;
  return target_->storages[variable]->embedded && !replaced ? Kind::Embedded
                                                            : Kind::Source;
}

Expected<VariableSource> InitialValues::source(size_t variable,
                                               ThreadTeam &team) const {
  const artifact::ManifestT &manifest = artifact_->manifest();
  return VariableSource::create(
      *manifest.variables[variable], target_->storages[variable]->layout,
      checkpoint_ ? &*checkpoint_ : nullptr, manifest.source->init_seed, team);
}

} // namespace gptc
