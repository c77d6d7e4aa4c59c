//===- BlobDigest.h - Whether a blob is what was written -------*- C++ -*-===//

#ifndef GPTC_RUNTIME_ARTIFACT_BLOBDIGEST_H
#define GPTC_RUNTIME_ARTIFACT_BLOBDIGEST_H

#include "gptc/runtime/artifact/Artifact_generated.h"
#include "gptc/runtime/base/Sha256.h"

namespace gptc {

/// The running SHA-256 of a blob's bytes, or of the first 256 of each MiB: that
/// finds holes and exchanged parts of weights in the time that few pages take,
/// not every changed byte. Not thread safe.
class BlobDigest {
public:
  enum class Of { All, Samples };

  explicit BlobDigest(Of of) : of_(of) {}
  /// Takes the next bytes.
  void update(std::span<const std::byte> bytes);
  /// The digest of all bytes so far; the object is spent afterwards.
  artifact::Digest finish();

  static artifact::Digest make(std::span<const std::byte> bytes, Of of);
  static bool fits(const artifact::Digest &digest,
                   std::span<const std::byte> bytes, Of of);

private:
  Of of_;
  uint64_t position_ = 0;
  Sha256 hash_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_ARTIFACT_BLOBDIGEST_H
