//===- ArtifactWriter.cpp -------------------------------------------------===//

#include "gptc/runtime/artifact/ArtifactWriter.h"

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/artifact/Header.h"
#include "gptc/runtime/artifact/Validate.h"
#include "gptc/runtime/base/File.h"
#include "gptc/runtime/base/Sha256.h"

#include <vector>

namespace gptc {

PendingBlob PendingBlob::of(artifact::BlobT *blob,
                            std::span<const std::byte> bytes,
                            BlobDigest::Of digest) {
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  uint64_t size = copy.size();
  return {blob,
          size,
          [copy = std::move(copy)](const Sink &sink) { return sink(copy); },
          digest,
          {}};
}

static flatbuffers::DetachedBuffer pack(const artifact::ManifestT &manifest) {
  flatbuffers::FlatBufferBuilder builder;
  // Offsets that happen to be 0 take room too, so that the manifest has the
  // same size before and after they are known.
  builder.ForceDefaults(true);
  artifact::FinishManifestBuffer(builder,
                                 artifact::Manifest::Pack(builder, &manifest));
  return builder.Release();
}

Expected<uint64_t> writeArtifact(const std::string &path,
                                 artifact::ManifestT &manifest,
                                 std::span<const PendingBlob> blobs) {
  auto aligned = [](uint64_t offset) {
    return (offset + blobAlignment - 1) / blobAlignment * blobAlignment;
  };
  uint64_t manifestBytes = pack(manifest).size();
  uint64_t offset = sizeof(ArtifactHeader) + manifestBytes;
  for (const PendingBlob &pending : blobs) {
    offset = aligned(offset);
    pending.blob->offset = offset;
    pending.blob->size = pending.size;
    for (artifact::BlobT *blob : pending.same)
      *blob = *pending.blob;
    offset += pending.size;
  }
  // Nothing is written that no reader takes.
  if (auto valid = validateManifest(
          manifest, sizeof(ArtifactHeader) + manifestBytes, offset);
      !valid)
    return failure(ErrorCode::InvalidArgument,
                   "the artifact would be malformed: {}",
                   valid.error().message());
  GPTC_CHECK(checkSpace(path, offset));

  // What a blob's digest is shows when it has been produced: header and
  // manifest come last, into the room left for them.
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  GPTC_CHECK(file.write(std::vector<std::byte>(sizeof(ArtifactHeader))));
  GPTC_CHECK(file.write(std::vector<std::byte>(manifestBytes)));
  for (const PendingBlob &pending : blobs) {
    GPTC_CHECK(file.pad(blobAlignment));
    BlobDigest digest(pending.digest);
    GPTC_CHECK(pending.produce([&](std::span<const std::byte> piece) {
      digest.update(piece);
      return file.write(piece);
    }));
    if (file.position() != pending.blob->offset + pending.size)
      return failure(ErrorCode::Internal,
                     "a blob produced another size than it announced");
    pending.blob->digest = digest.finish();
    for (artifact::BlobT *blob : pending.same)
      *blob = *pending.blob;
  }

  flatbuffers::DetachedBuffer buffer = pack(manifest);
  if (buffer.size() != manifestBytes)
    return failure(ErrorCode::Internal, "the manifest changed its size");
  std::span<const std::byte> bytes(
      reinterpret_cast<const std::byte *>(buffer.data()), buffer.size());
  ArtifactHeader header{};
  header.magic = ArtifactHeader::expectedMagic;
  header.version = artifactVersion;
  header.headerBytes = sizeof(ArtifactHeader);
  header.manifestBytes = manifestBytes;
  header.fileBytes = offset;
  header.digest = Sha256::of(bytes);
  GPTC_CHECK(file.writeAt(0, std::as_bytes(std::span(&header, 1))));
  GPTC_CHECK(file.writeAt(sizeof(header), bytes));
  GPTC_CHECK(file.commit());
  return offset;
}

} // namespace gptc
