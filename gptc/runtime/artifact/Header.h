//===- Header.h - The first 64 bytes of an artifact ------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_ARTIFACT_HEADER_H
#define GPTC_RUNTIME_ARTIFACT_HEADER_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gptc {

/// Little-endian, as all of the file. The manifest follows at once.
struct ArtifactHeader {
  static constexpr std::array<char, 8> expectedMagic = {
      '\x89', 'G', 'P', 'T', 'C', '\r', '\n', '\x1a'};

  std::array<char, 8> magic;
  uint32_t version;
  uint32_t headerBytes;
  uint64_t manifestBytes;
  uint64_t fileBytes;
  /// SHA-256 of the manifest: a guard against damage, not against malice.
  std::array<unsigned char, 32> digest;
};
static_assert(sizeof(ArtifactHeader) == 64);

} // namespace gptc

#endif // GPTC_RUNTIME_ARTIFACT_HEADER_H
