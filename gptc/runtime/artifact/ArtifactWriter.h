//===- ArtifactWriter.h - Writing a compiled model -------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_ARTIFACT_ARTIFACTWRITER_H
#define GPTC_RUNTIME_ARTIFACT_ARTIFACTWRITER_H

#include "gptc/runtime/artifact/BlobDigest.h"
#include "gptc/runtime/base/Error.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace gptc {

/// Bytes that follow the manifest: the blob to fill in, its size, and how to
/// produce it (piece by piece, in order). Its digest is of samples for embedded
/// weights, of all bytes for anything else.
struct PendingBlob {
  artifact::BlobT *blob = nullptr;
  uint64_t size = 0;
  using Sink = std::function<Status(std::span<const std::byte>)>;
  std::function<Status(const Sink &)> produce;
  BlobDigest::Of digest = BlobDigest::Of::All;
  /// Other blobs of the manifest that are the same bytes.
  std::vector<artifact::BlobT *> same = {};

  /// A blob of bytes in memory, which are copied.
  static PendingBlob of(artifact::BlobT *blob, std::span<const std::byte> bytes,
                        BlobDigest::Of digest = BlobDigest::Of::All);
};

/// Writes the file at `path` whole or not at all. Sets the offsets, sizes and
/// digests of the blobs in the manifest. Equal inputs give equal bytes. Returns
/// the size of the file.
Expected<uint64_t> writeArtifact(const std::string &path,
                                 artifact::ManifestT &manifest,
                                 std::span<const PendingBlob> blobs);

} // namespace gptc

#endif // GPTC_RUNTIME_ARTIFACT_ARTIFACTWRITER_H
