//===- Validate.h - Meaning of a manifest ----------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_ARTIFACT_VALIDATE_H
#define GPTC_RUNTIME_ARTIFACT_VALIDATE_H

#include "gptc/runtime/artifact/Artifact.h"

namespace gptc {

/// What a check fails with; the text says which part is wrong and how.
template <typename... Args>
tl::unexpected<Error> wrong(fmt::format_string<Args...> text, Args &&...args) {
  return failure(ErrorCode::Corrupt, text, std::forward<Args>(args)...);
}

/// Checks everything that readers of a manifest rely on: indices, offsets,
/// sizes, counts, enumerators, products of shapes. `manifestEnd` and
/// `fileBytes` bound the blobs. The error says which part is wrong and how.
Status validateManifest(const artifact::ManifestT &manifest,
                        uint64_t manifestEnd, uint64_t fileBytes);

/// Checks one target against the checked rest of the manifest.
Status validateTarget(const artifact::ManifestT &manifest,
                      const artifact::TargetT &target, uint64_t manifestEnd,
                      uint64_t fileBytes);

/// Checks the arguments or results, as `kind` says, of an entry.
Status validateParameters(
    const std::vector<std::unique_ptr<artifact::ParameterT>> &list,
    const std::string &entry, const char *kind);

/// Checks that a blob is there, page aligned and inside of the file.
Status validateBlob(const artifact::BlobT *blob, const std::string &what,
                    uint64_t manifestEnd, uint64_t fileBytes);

/// Fails when unpacking would make many times the bytes that the manifest has,
/// which only one that shares its parts does, or would read misaligned lists.
Status checkAmplification(const artifact::Manifest &manifest,
                          uint64_t manifestBytes);

} // namespace gptc

#endif // GPTC_RUNTIME_ARTIFACT_VALIDATE_H
