//===- Artifact.cpp - A compiled model, opened and checked ----------------===//

#include "gptc/runtime/artifact/Artifact.h"

#include "gptc/runtime/artifact/BlobDigest.h"
#include "gptc/runtime/artifact/Header.h"
#include "gptc/runtime/artifact/Validate.h"
#include "gptc/runtime/base/Sha256.h"

#include <cstring>

using namespace gptc;

Expected<std::shared_ptr<const Artifact>>
Artifact::open(const std::string &path) {
  std::shared_ptr<Artifact> result(new Artifact());
  GPTC_TRY(result->file_, MappedFile::open(path));
  result->path_ = path;
  result->bytes_ = result->file_.bytes();
  GPTC_CHECK(result->check());
  return result;
}

Expected<std::shared_ptr<const Artifact>>
Artifact::parse(std::span<const std::byte> bytes, const std::string &name) {
  std::shared_ptr<Artifact> result(new Artifact());
  result->path_ = name;
  result->bytes_ = bytes;
  GPTC_CHECK(result->check());
  return result;
}

Status Artifact::check() {
  ArtifactHeader header;
  if (bytes_.size() < sizeof(header))
    return failure(ErrorCode::Corrupt,
                   "'{}' is not a gptc artifact: it has {} bytes, and the "
                   "header alone has {}",
                   path_, bytes_.size(), sizeof(header));
  std::memcpy(&header, bytes_.data(), sizeof(header));
  if (header.magic != ArtifactHeader::expectedMagic)
    return failure(ErrorCode::Corrupt,
                   "'{}' is not a gptc artifact: it does not begin as one; "
                   "make one with 'gptc compile'",
                   path_);
  if (header.version != artifactVersion)
    return failure(ErrorCode::Unsupported,
                   "'{}' is an artifact of version {}, but this gptc reads "
                   "version {}: {}",
                   path_, header.version, artifactVersion,
                   header.version > artifactVersion
                       ? "use a newer gptc, or compile it again"
                       : "compile it again");
  auto corrupt = [&](const std::string &what) {
    return failure(ErrorCode::Corrupt,
                   "artifact '{}' is damaged: {}; compile it again", path_,
                   what);
  };
  if (header.headerBytes != sizeof(header))
    return corrupt(fmt::format("its header says that it has {} bytes, not {}",
                               header.headerBytes, sizeof(header)));
  if (header.fileBytes != bytes_.size())
    return corrupt(fmt::format("it should have {} bytes but has {}",
                               header.fileBytes, bytes_.size()));
  if (header.manifestBytes > bytes_.size() - sizeof(header))
    return corrupt(fmt::format("its manifest of {} bytes does not fit in the "
                               "file",
                               header.manifestBytes));
  auto manifestBytes = bytes_.subspan(sizeof(header), header.manifestBytes);
  if (Sha256::of(manifestBytes) != header.digest)
    return corrupt("its manifest does not match the digest in the header");

  auto *data = reinterpret_cast<const uint8_t *>(manifestBytes.data());
  // Shorter buffers do not even hold the identifier that the check reads.
  flatbuffers::Verifier verifier(data, manifestBytes.size(),
                                 /*max_depth=*/8, /*max_tables=*/4'000'000);
  if (manifestBytes.size() < 16 || !artifact::VerifyManifestBuffer(verifier))
    return corrupt("its manifest is not well-formed");
  const artifact::Manifest &flat = *artifact::GetManifest(data);
  if (auto status = checkAmplification(flat, manifestBytes.size()); !status)
    return corrupt(status.error().message());
  flat.UnPackTo(&manifest_);
  if (auto status = validateManifest(
          manifest_, sizeof(header) + header.manifestBytes, bytes_.size());
      !status)
    return corrupt(status.error().message());
  if (auto status = checkBlobs(); !status)
    return corrupt(status.error().message());
  return {};
}

Status Artifact::checkBlobs() const {
  auto checkBlob = [&](const artifact::BlobT *blob, BlobDigest::Of of,
                       const std::string &what) -> Status {
    if (blob && !BlobDigest::fits(blob->digest, this->blob(*blob), of))
      return failure(ErrorCode::Corrupt, "{} does not match its digest", what);
    return {};
  };
  for (const auto &file : manifest_.files)
    GPTC_CHECK(checkBlob(file->blob.get(), BlobDigest::Of::All,
                         fmt::format("its file '{}'", file->name)));
  for (const auto &target : manifest_.targets) {
    GPTC_CHECK(checkBlob(target->module_.get(), BlobDigest::Of::All,
                         "its reference module"));
    for (const auto &variant : target->variants) {
      std::string what = fmt::format("its code for {}", variant->name);
      GPTC_CHECK(checkBlob(variant->library.get(), BlobDigest::Of::All, what));
      for (const auto &implementation : variant->implementations)
        GPTC_CHECK(
            checkBlob(implementation->spirv.get(), BlobDigest::Of::All, what));
    }
    for (size_t i = 0; i < target->storages.size(); ++i)
      GPTC_CHECK(checkBlob(
          target->storages[i]->embedded.get(), BlobDigest::Of::Samples,
          fmt::format("the content of '{}'", manifest_.variables[i]->name)));
  }
  return {};
}

const artifact::TargetT *Artifact::findTarget(std::string_view name) const {
  for (const auto &target : manifest_.targets)
    if (target->name == name)
      return target.get();
  return nullptr;
}

int Artifact::findEntry(std::string_view name) const {
  for (size_t i = 0; i < manifest_.entries.size(); ++i)
    if (manifest_.entries[i]->name == name)
      return static_cast<int>(i);
  return -1;
}

const artifact::FileT *Artifact::findFile(std::string_view name) const {
  for (const auto &file : manifest_.files)
    if (file->name == name)
      return file.get();
  return nullptr;
}

std::string_view Artifact::text(const artifact::FileT &file) const {
  auto bytes = blob(*file.blob);
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

uint64_t gptc::elementCount(std::span<const uint64_t> shape) {
  uint64_t count = 1;
  for (uint64_t size : shape)
    count *= size;
  return count;
}

uint64_t gptc::denseBytes(std::span<const uint64_t> shape,
                          artifact::ElementType type) {
  return elementCount(shape) * sizeOf(toDataType(type));
}

Expected<uint64_t> gptc::storedBytes(std::span<const uint64_t> shape,
                                     artifact::ElementType type,
                                     artifact::Layout layout) {
  uint64_t bytes = sizeOf(toDataType(type));
  auto multiply = [&](uint64_t factor) {
    return !__builtin_mul_overflow(bytes, factor, &bytes);
  };
  // Larger than any address space: also what rounding up must not exceed.
  constexpr uint64_t limit = uint64_t(1) << 48;
  for (uint64_t size : shape)
    if (size > limit)
      return failure(ErrorCode::Corrupt, "a dimension of {} is too large",
                     size);
  bool fits = true;
  if (layout == artifact::Layout::RowMajor) {
    for (uint64_t size : shape)
      fits = fits && multiply(size);
  } else {
    if (shape.size() != 2)
      return failure(ErrorCode::Corrupt,
                     "a packed layout needs a shape of two dimensions, not {}",
                     shape.size());
    bool transposed = layout == artifact::Layout::PackedTransposed;
    uint64_t rows = shape[transposed ? 1 : 0];
    uint64_t columns = shape[transposed ? 0 : 1];
    fits =
        multiply((rows + 15) / 16 * 16) && multiply((columns + 63) / 64 * 64);
  }
  if (!fits || bytes > limit)
    return failure(ErrorCode::Corrupt, "a shape of more than 2^48 bytes");
  return bytes;
}
