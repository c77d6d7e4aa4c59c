//===- BlobDigest.cpp -----------------------------------------------------===//

#include "gptc/runtime/artifact/BlobDigest.h"

#include <algorithm>
#include <cstring>

namespace gptc {

namespace {
constexpr uint64_t every = uint64_t(1) << 20, sample = 256;
} // namespace

void BlobDigest::update(std::span<const std::byte> bytes) {
  if (of_ == Of::All) {
    hash_.update(bytes);
    return;
  }
  while (!bytes.empty()) {
    uint64_t within = position_ % every;
    bool sampled = within < sample;
    uint64_t count =
        std::min<uint64_t>(bytes.size(), (sampled ? sample : every) - within);
    if (sampled)
      hash_.update(bytes.first(count));
    bytes = bytes.subspan(count);
    position_ += count;
  }
}

artifact::Digest BlobDigest::finish() {
  std::array<uint64_t, 4> words;
  Sha256::Digest digest = hash_.finish();
  static_assert(sizeof(words) == sizeof(digest));
  std::memcpy(words.data(), digest.data(), sizeof(words));
  return {words[0], words[1], words[2], words[3]};
}

bool BlobDigest::fits(const artifact::Digest &digest,
                      std::span<const std::byte> bytes, Of of) {
  artifact::Digest made = make(bytes, of);
  return made.a() == digest.a() && made.b() == digest.b() &&
         made.c() == digest.c() && made.d() == digest.d();
}

artifact::Digest BlobDigest::make(std::span<const std::byte> bytes, Of of) {
  BlobDigest digest(of);
  digest.update(bytes);
  return digest.finish();
}

} // namespace gptc
