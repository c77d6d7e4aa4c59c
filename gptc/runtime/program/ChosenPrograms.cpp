//===- ChosenPrograms.cpp -------------------------------------------------===//

#include "gptc/runtime/program/ChosenPrograms.h"

#include <algorithm>

namespace gptc {

ChosenPrograms::ChosenPrograms(const Artifact &artifact,
                               const artifact::TargetT &target,
                               const EntryFilter &filter) {
  const artifact::ManifestT &manifest = artifact.manifest();
  needed_.assign(target.storages.size(), !filter);
  for (const auto &program : target.programs) {
    if (filter && !filter(manifest.entries[program->entry]->name))
      continue;
    programs_.push_back(program.get());
    arenaBytes_ = std::max(arenaBytes_, program->arena_bytes);
    for (const auto &buffer : program->buffers)
      if (buffer->space == artifact::BufferSpace::Variable)
        needed_[buffer->index] = true;
  }
  for (size_t i = 0; i < needed_.size(); ++i) {
    if (manifest.variables[i]->role == artifact::Role::Parameter)
      needed_[i] = true;
    offsets_.push_back(variablesBytes_);
    if (needed_[i])
      variablesBytes_ += (target.storages[i]->bytes + blobAlignment - 1) /
                         blobAlignment * blobAlignment;
  }
}

} // namespace gptc
