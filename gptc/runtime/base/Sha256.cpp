//===- Sha256.cpp - SHA-256 (FIPS 180-4) ----------------------------------===//

#include "gptc/runtime/base/Sha256.h"

#include <algorithm>
#include <bit>
#include <cpuid.h>
#include <cstring>
#include <immintrin.h>

using namespace gptc;

namespace {
constexpr std::array<uint32_t, 64> roundConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
} // namespace

static void takeBlock(Sha256State &state, const unsigned char *data) {
  std::array<uint32_t, 64> w;
  for (int i = 0; i < 16; ++i)
    w[i] = uint32_t(data[4 * i]) << 24 | uint32_t(data[4 * i + 1]) << 16 |
           uint32_t(data[4 * i + 2]) << 8 | uint32_t(data[4 * i + 3]);
  for (int i = 16; i < 64; ++i) {
    uint32_t s0 =
        std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    uint32_t s1 =
        std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (int i = 0; i < 64; ++i) {
    uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + roundConstants[i] + w[i];
    uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

void gptc::takeSha256Blocks(Sha256State &state, const unsigned char *data,
                            size_t blocks) {
  for (size_t i = 0; i < blocks; ++i)
    takeBlock(state, data + 64 * i);
}

namespace {
/// The instructions take the state as two vectors, ABEF and CDGH, each from
/// the highest lane down, and four rounds' words with the constants added.
__attribute__((target("sha,sse4.1"))) void
takeByInstructions(Sha256State &state, const unsigned char *data,
                   size_t blocks) {
  auto load = [](const void *from) {
    return _mm_loadu_si128(static_cast<const __m128i *>(from));
  };
  const __m128i bigEndian =
      _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  auto [a, b, c, d, e, f, g, h] = state;
  auto vector = [](uint32_t high, uint32_t next, uint32_t third, uint32_t low) {
    return _mm_set_epi32(int(high), int(next), int(third), int(low));
  };
  __m128i abef = vector(a, b, e, f), cdgh = vector(c, d, g, h);
  for (; blocks > 0; --blocks, data += 64) {
    __m128i before[2] = {abef, cdgh};
    __m128i words[4]; // The last sixteen, four by four.
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; ++i) {
      __m128i &next = words[i % 4];
      if (i < 4) {
        next = _mm_shuffle_epi8(load(data + 16 * i), bigEndian);
      } else {
        const __m128i &last = words[(i + 3) % 4], &third = words[(i + 2) % 4];
        next = _mm_sha256msg1_epu32(next, words[(i + 1) % 4]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(last, third, 4));
        next = _mm_sha256msg2_epu32(next, last);
      }
      __m128i added = _mm_add_epi32(next, load(&roundConstants[4 * i]));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, added);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_srli_si128(added, 8));
    }
    abef = _mm_add_epi32(abef, before[0]);
    cdgh = _mm_add_epi32(cdgh, before[1]);
  }
  std::array<uint32_t, 4> lanes[2];
  _mm_storeu_si128(reinterpret_cast<__m128i *>(lanes[0].data()), abef);
  _mm_storeu_si128(reinterpret_cast<__m128i *>(lanes[1].data()), cdgh);
  state = {lanes[0][3], lanes[0][2], lanes[1][3], lanes[1][2],
           lanes[0][1], lanes[0][0], lanes[1][1], lanes[1][0]};
}
} // namespace

Sha256Blocks gptc::sha256Instructions() {
  static const bool present = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1))
      return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
  }();
  return present ? takeByInstructions : nullptr;
}

void Sha256::update(std::span<const std::byte> bytes) {
  static const Sha256Blocks take =
      sha256Instructions() ? sha256Instructions() : takeSha256Blocks;
  totalBytes_ += bytes.size();
  auto *data = reinterpret_cast<const unsigned char *>(bytes.data());
  size_t left = bytes.size();
  while (left > 0) {
    if (pendingBytes_ == 0 && left >= 64) {
      take(state_, data, left / 64);
      data += left / 64 * 64, left %= 64;
      continue;
    }
    size_t count = std::min(left, 64 - pendingBytes_);
    std::memcpy(pending_.data() + pendingBytes_, data, count);
    pendingBytes_ += count, data += count, left -= count;
    if (pendingBytes_ == 64) {
      take(state_, pending_.data(), 1);
      pendingBytes_ = 0;
    }
  }
}

Sha256::Digest Sha256::finish() {
  uint64_t bits = totalBytes_ * 8;
  const std::byte one{0x80}, zero{0};
  update({&one, 1});
  while (pendingBytes_ != 56)
    update({&zero, 1});
  std::array<std::byte, 8> length;
  for (int i = 0; i < 8; ++i)
    length[i] = static_cast<std::byte>(bits >> (56 - 8 * i));
  update(length);
  Digest digest;
  for (int i = 0; i < 32; ++i)
    digest[i] = static_cast<unsigned char>(state_[i / 4] >> (24 - i % 4 * 8));
  return digest;
}

Sha256::Digest Sha256::of(std::span<const std::byte> bytes) {
  Sha256 sha;
  sha.update(bytes);
  return sha.finish();
}

std::string Sha256::hex(const Digest &digest) {
  std::string result;
  for (unsigned char byte : digest) {
    result += "0123456789abcdef"[byte >> 4];
    result += "0123456789abcdef"[byte & 15];
  }
  return result;
}
