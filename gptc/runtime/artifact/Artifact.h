//===- Artifact.h - A compiled model, opened and checked -------*- C++ -*-===//
//
// An artifact is one file: a header of 64 bytes, the manifest (Artifact.fbs),
// and blobs at multiples of 4096 bytes. Its content is not trusted: open()
// and parse() check every offset, size, count and index that any reader uses
// later. Digests find damage, also of the code, but no malice: whoever makes an
// artifact makes its digests. Nothing in this file runs the code.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_ARTIFACT_ARTIFACT_H
#define GPTC_RUNTIME_ARTIFACT_ARTIFACT_H

#include "gptc/runtime/artifact/Artifact_generated.h"
#include "gptc/runtime/base/DataType.h"
#include "gptc/runtime/base/Error.h"
#include "gptc/runtime/base/File.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace gptc {

/// The version of the schema that this library reads and writes.
inline constexpr uint32_t artifactVersion = 3;
/// Blobs begin at multiples of this, so that they can be mapped.
inline constexpr uint64_t blobAlignment = 4096;

/// An open artifact. Immutable after creation, hence safe to share between
/// threads; spans that it returns live as long as it does.
class Artifact {
public:
  /// Maps the file at `path` and checks all of it; of embedded weights,
  /// samples.
  static Expected<std::shared_ptr<const Artifact>>
  open(const std::string &path);
  /// The same for bytes in memory, which must outlive the artifact and be
  /// 8-byte aligned; `name` stands for the file in errors.
  static Expected<std::shared_ptr<const Artifact>>
  parse(std::span<const std::byte> bytes, const std::string &name);

  Artifact(const Artifact &) = delete;
  Artifact &operator=(const Artifact &) = delete;

  /// The file's path, as it was given to open().
  const std::string &path() const { return path_; }
  /// Bytes of the whole file.
  size_t size() const { return bytes_.size(); }
  const artifact::ManifestT &manifest() const { return manifest_; }
  /// The bytes of a blob of this artifact's manifest.
  std::span<const std::byte> blob(const artifact::Blob &blob) const {
    return bytes_.subspan(blob.offset(), blob.size());
  }
  std::span<const std::byte> blob(const artifact::BlobT &blob) const {
    return bytes_.subspan(blob.offset, blob.size);
  }

  /// The target of that name, or null.
  const artifact::TargetT *findTarget(std::string_view name) const;
  /// The index of the entry point of that name, or -1.
  int findEntry(std::string_view name) const;
  /// The content of the file carried under that name, or null.
  const artifact::FileT *findFile(std::string_view name) const;
  /// Text of a carried file.
  std::string_view text(const artifact::FileT &file) const;

private:
  Artifact() = default;
  Status check();
  Status checkBlobs() const;

  std::string path_;
  std::span<const std::byte> bytes_;
  MappedFile file_; ///< Empty after parse().
  artifact::ManifestT manifest_;
};

/// The element type in the words of the rest of the runtime. Checked manifests
/// hold only valid ones.
inline DataType toDataType(artifact::ElementType type) {
  return static_cast<DataType>(type);
}
inline artifact::ElementType toElementType(DataType type) {
  return static_cast<artifact::ElementType>(type);
}

/// Number of elements of a checked shape (a scalar has one).
uint64_t elementCount(std::span<const uint64_t> shape);
/// Bytes of a tensor of a checked shape, stored densely.
uint64_t denseBytes(std::span<const uint64_t> shape,
                    artifact::ElementType type);
/// Bytes of a variable in a layout (see Layout in Artifact.fbs); nothing when
/// the shape does not allow it or the size overflows.
Expected<uint64_t> storedBytes(std::span<const uint64_t> shape,
                               artifact::ElementType type,
                               artifact::Layout layout);

} // namespace gptc

#endif // GPTC_RUNTIME_ARTIFACT_ARTIFACT_H
