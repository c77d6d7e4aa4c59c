//===- ReferenceBackend.h - The interpreter as a backend -------*- C++ -*-===//

#ifndef GPTC_TOOLS_GPTC_REFERENCEBACKEND_H
#define GPTC_TOOLS_GPTC_REFERENCEBACKEND_H

#include "gptc/runtime/program/ChosenPrograms.h"
#include "gptc/runtime/session/Runner.h"

namespace gptc::tool {

/// Loads the compiler library and opens the target "reference" of an artifact.
/// `checkpoint` as in LoadOptions.
Expected<std::unique_ptr<Runner>>
createReferenceRunner(std::shared_ptr<const Artifact> artifact,
                      const std::string &checkpoint);

/// The same for whoever runs entries over variables in memory: variables are
/// stored row-major, their bytes are what rounding leaves of the double
/// precision that they are kept in. It has no dispatches, no arena and no roof:
/// what looks at those is an error.
Expected<std::unique_ptr<Executable>>
createReferenceProgram(std::shared_ptr<const Artifact> artifact,
                       const std::string &checkpoint,
                       const EntryFilter &entries);

} // namespace gptc::tool

#endif // GPTC_TOOLS_GPTC_REFERENCEBACKEND_H
