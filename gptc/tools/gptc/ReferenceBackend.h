//===- ReferenceBackend.h - The interpreter as a Runner --------*- C++ -*-===//

#ifndef GPTC_TOOLS_GPTC_REFERENCEBACKEND_H
#define GPTC_TOOLS_GPTC_REFERENCEBACKEND_H

#include "gptc/runtime/session/Runner.h"

namespace gptc::tool {

/// Loads the compiler library and opens the target "reference" of an artifact.
/// `checkpoint` as in LoadOptions.
Expected<std::unique_ptr<Runner>>
createReferenceRunner(std::shared_ptr<const Artifact> artifact,
                      const std::string &checkpoint);

} // namespace gptc::tool

#endif // GPTC_TOOLS_GPTC_REFERENCEBACKEND_H
