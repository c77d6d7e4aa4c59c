// Mutates the manifest inside of a file whose header is right, so that
// mutations get past the sizes and the digest. It starts from the sample that
// the tests use, made here so that it never falls behind the schema.

#include "gptc/runtime/artifact/Header.h"
#include "gptc/runtime/base/Sha256.h"
#include "tests/fuzz/Fuzz.h"
#include "tests/support/SampleArtifact.h"

#include <algorithm>
#include <cstring>

using namespace gptc;

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/// Blobs lie behind this, wherever the manifest ends.
static constexpr uint64_t blobsBegin = 8192;
static constexpr uint64_t fileBytes = blobsBegin + 4 * blobAlignment;

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t most, unsigned) {
  static const flatbuffers::DetachedBuffer sample = [] {
    artifact::ManifestT manifest = sampleManifest();
    uint64_t offset = blobsBegin;
    for (PendingBlob &pending : sampleBlobs(manifest)) {
      pending.blob->offset = offset;
      pending.blob->size = pending.size;
      // Files are made with zeros there.
      std::vector<std::byte> zeros(pending.size);
      pending.blob->digest = BlobDigest::make(zeros, pending.digest);
      offset += blobAlignment;
    }
    flatbuffers::FlatBufferBuilder builder;
    builder.ForceDefaults(true);
    artifact::FinishManifestBuffer(
        builder, artifact::Manifest::Pack(builder, &manifest));
    return builder.Release();
  }();
  if (size < 64 && sample.size() <= most) {
    std::memcpy(data, sample.data(), sample.size());
    return sample.size();
  }
  return LLVMFuzzerMutate(data, size, most);
}

static void read(const Artifact &artifact) {
  const artifact::ManifestT &manifest = artifact.manifest();
  for (const auto &file : manifest.files)
    require(artifact.text(*file).size() == file->blob->size);
  for (const auto &entry : manifest.entries) {
    require(artifact.findEntry(entry->name) >= 0);
    for (const auto &argument : entry->arguments)
      require(denseBytes(argument->shape, argument->type) <= uint64_t(1) << 48);
  }
  for (const auto &target : manifest.targets) {
    require(artifact.findTarget(target->name) == target.get());
    if (target->module_)
      touch(artifact.blob(*target->module_));
    for (const auto &storage : target->storages)
      if (storage->embedded)
        touch(artifact.blob(*storage->embedded));
    for (const auto &variant : target->variants) {
      if (variant->library)
        touch(artifact.blob(*variant->library));
      for (const auto &implementation : variant->implementations)
        if (implementation->spirv)
          touch(artifact.blob(*implementation->spirv));
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > blobsBegin - sizeof(ArtifactHeader))
    return 0;
  ArtifactHeader header{};
  header.magic = ArtifactHeader::expectedMagic;
  header.version = artifactVersion;
  header.headerBytes = sizeof(ArtifactHeader);
  header.manifestBytes = size;
  header.fileBytes = fileBytes;
  header.digest = Sha256::of(std::as_bytes(std::span(data, size)));
  std::vector<std::byte> file(fileBytes);
  std::memcpy(file.data(), &header, sizeof(header));
  std::memcpy(file.data() + sizeof(header), data, size);
  auto artifact = Artifact::parse(file, "f.gptc");
  if (artifact)
    read(**artifact);
  else
    requireSentence(artifact.error());
  return 0;
}
