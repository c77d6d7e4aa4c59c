//===- SourceCheckpoint.h - Where an artifact's weights are ----*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_SOURCECHECKPOINT_H
#define GPTC_RUNTIME_PROGRAM_SOURCECHECKPOINT_H

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/tensors/Checkpoint.h"

namespace gptc {

/// Opens the checkpoint with an artifact's weights: `folder`, whatever weights
/// it has, or where that is empty the one that the artifact names. Corrupt if
/// the latter is not what the artifact was compiled from any more.
Expected<Checkpoint> openSource(const Artifact &artifact,
                                const std::string &folder);

/// Whether a checkpoint folder holds other weights than those that the artifact
/// was compiled from; false where that was none. Reads samples, as
/// Checkpoint::digest() does.
Expected<bool> hasOtherWeights(const Artifact &artifact,
                               const std::string &folder);

/// That an artifact carries its weights, and is to take them from `folder`.
tl::unexpected<Error> takesNone(const Artifact &artifact,
                                const std::string &folder);

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_SOURCECHECKPOINT_H
