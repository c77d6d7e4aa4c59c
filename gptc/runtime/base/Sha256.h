//===- Sha256.h - SHA-256 (FIPS 180-4) -------------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_BASE_SHA256_H
#define GPTC_RUNTIME_BASE_SHA256_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace gptc {

using Sha256State = std::array<uint32_t, 8>;

/// Takes blocks of 64 bytes into a state: for any CPU, and by the instructions
/// that most have for it (null where this one lacks them), which is several
/// times as fast.
using Sha256Blocks = void (*)(Sha256State &state, const unsigned char *data,
                              size_t blocks);
void takeSha256Blocks(Sha256State &state, const unsigned char *data,
                      size_t blocks);
Sha256Blocks sha256Instructions();

/// A running SHA-256. Not thread-safe.
class Sha256 {
public:
  using Digest = std::array<unsigned char, 32>;

  void update(std::span<const std::byte> bytes);
  /// The digest of all bytes so far; the object is spent afterwards.
  Digest finish();

  static Digest of(std::span<const std::byte> bytes);
  /// 64 lower-case digits.
  static std::string hex(const Digest &digest);

private:
  Sha256State state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_ = {};
  size_t pendingBytes_ = 0;
  uint64_t totalBytes_ = 0;
};

} // namespace gptc

#endif // GPTC_RUNTIME_BASE_SHA256_H
