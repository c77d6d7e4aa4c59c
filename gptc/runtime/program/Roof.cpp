//===- Roof.cpp -----------------------------------------------------------===//

#include "gptc/runtime/program/Roof.h"

#include "gptc/runtime/program/KernelLibrary.h"
#include "gptc/runtime/program/Memory.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <immintrin.h>

namespace gptc {

namespace {

using Clock = std::chrono::steady_clock;

#define GPTC_AVX2 __attribute__((target("avx2,fma"), noinline))
#define GPTC_AVX512 __attribute__((target("avx512f"), noinline))
#define GPTC_BF16 __attribute__((target("avx512f,avx512bf16"), noinline))
#define GPTC_VNNI __attribute__((target("avx512f,avx512vnni"), noinline))
#define GPTC_AVX_VNNI __attribute__((target("avx2,avxvnni"), noinline))

/// Keeps a register's value from being known to the compiler.
#define GPTC_OPAQUE(value) asm volatile("" : "+x"(value))
#define GPTC_OPAQUE_WIDE(value) asm volatile("" : "+v"(value))

/// Registers that are summed into: more than latency times throughput.
constexpr int chains = 12;

GPTC_AVX512 uint64_t sumWide(const std::byte *from, size_t bytes) {
  __m512i sums[8] = {};
  for (size_t at = 0; at + 512 <= bytes; at += 512)
    for (int i = 0; i < 8; ++i)
      sums[i] = _mm512_add_epi64(sums[i],
                                 _mm512_load_si512(from + at + size_t(i) * 64));
  uint64_t total = 0;
  for (__m512i sum : sums)
    total += uint64_t(_mm512_reduce_add_epi64(sum));
  return total;
}

GPTC_AVX2 uint64_t sumNarrow(const std::byte *from, size_t bytes) {
  __m256i sums[8] = {};
  for (size_t at = 0; at + 256 <= bytes; at += 256)
    for (int i = 0; i < 8; ++i)
      sums[i] = _mm256_add_epi64(
          sums[i], _mm256_load_si256(reinterpret_cast<const __m256i *>(
                       from + at + size_t(i) * 32)));
  alignas(32) uint64_t lanes[4];
  uint64_t total = 0;
  for (__m256i sum : sums) {
    _mm256_store_si256(reinterpret_cast<__m256i *>(lanes), sum);
    total += lanes[0] + lanes[1] + lanes[2] + lanes[3];
  }
  return total;
}

uint64_t sumPlain(const std::byte *from, size_t bytes) {
  uint64_t total = 0, value = 0;
  for (size_t at = 0; at + 8 <= bytes; at += 8) {
    std::memcpy(&value, from + at, 8);
    total += value;
  }
  return total;
}

// Each loop runs `rounds` times over all chains. The results are looked at
// by the assembly line at the end, so that none is left out.

GPTC_AVX512 void multiplyWide(uint64_t rounds) {
  __m512 sums[chains] = {}, a = _mm512_set1_ps(0.5F), b = a;
  GPTC_OPAQUE_WIDE(a);
  GPTC_OPAQUE_WIDE(b);
  for (uint64_t r = 0; r < rounds; ++r)
    for (__m512 &sum : sums)
      sum = _mm512_fmadd_ps(sum, a, b);
  for (__m512 &sum : sums)
    GPTC_OPAQUE_WIDE(sum);
}

GPTC_AVX2 void multiplyNarrow(uint64_t rounds) {
  __m256 sums[chains] = {}, a = _mm256_set1_ps(0.5F), b = a;
  GPTC_OPAQUE(a);
  GPTC_OPAQUE(b);
  for (uint64_t r = 0; r < rounds; ++r)
    for (__m256 &sum : sums)
      sum = _mm256_fmadd_ps(sum, a, b);
  for (__m256 &sum : sums)
    GPTC_OPAQUE(sum);
}

void multiplyPlain(uint64_t rounds) {
  __m128 sums[chains] = {}, a = _mm_set1_ps(0.5F), b = a;
  GPTC_OPAQUE(a);
  GPTC_OPAQUE(b);
  for (uint64_t r = 0; r < rounds; ++r)
    for (__m128 &sum : sums)
      sum = _mm_add_ps(_mm_mul_ps(sum, a), b);
  for (__m128 &sum : sums)
    GPTC_OPAQUE(sum);
}

GPTC_BF16 void multiplyBF16(uint64_t rounds) {
  __m512 sums[chains] = {};
  __m512i ones = _mm512_set1_epi16(0x3f80);
  GPTC_OPAQUE_WIDE(ones);
  for (uint64_t r = 0; r < rounds; ++r)
    for (__m512 &sum : sums)
      sum = _mm512_dpbf16_ps(sum, (__m512bh)ones, (__m512bh)ones);
  for (__m512 &sum : sums)
    GPTC_OPAQUE_WIDE(sum);
}

GPTC_VNNI void multiplyInt8Wide(uint64_t rounds) {
  __m512i sums[chains] = {}, ones = _mm512_set1_epi8(1);
  GPTC_OPAQUE_WIDE(ones);
  for (uint64_t r = 0; r < rounds; ++r)
    for (__m512i &sum : sums)
      sum = _mm512_dpbusd_epi32(sum, ones, ones);
  for (__m512i &sum : sums)
    GPTC_OPAQUE_WIDE(sum);
}

GPTC_AVX_VNNI void multiplyInt8Narrow(uint64_t rounds) {
  __m256i sums[chains] = {}, ones = _mm256_set1_epi8(1);
  GPTC_OPAQUE(ones);
  for (uint64_t r = 0; r < rounds; ++r)
    for (__m256i &sum : sums)
      sum = _mm256_dpbusd_avx_epi32(sum, ones, ones);
  for (__m256i &sum : sums)
    GPTC_OPAQUE(sum);
}

bool has(std::vector<std::string> features) {
  return missingFeatures(features).empty();
}

template <typename Work> double secondsOf(Work &&work) {
  Clock::time_point begin = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Operations per second of a loop on all threads: the best of several runs,
/// of some 20 ms each.
double peakOf(ThreadTeam &team, void (*loop)(uint64_t), uint64_t operations) {
  uint64_t rounds = 1 << 14;
  while (secondsOf([&] { loop(rounds); }) < 0.01)
    rounds *= 2;
  double best = 0;
  for (int i = 0; i < 6; ++i) {
    double seconds =
        secondsOf([&] { team.run([&](unsigned) { loop(rounds); }); });
    best = std::max(best, double(rounds) * chains * double(operations) *
                              team.size() / seconds);
  }
  return best;
}

Expected<double> readPeak(ThreadTeam &team) {
  // Far more than the caches, and less than what is free.
  constexpr uint64_t unit = uint64_t(2) << 20;
  uint64_t bytes = uint64_t(512) << 20;
  if (uint64_t available = availableMemory(); available != 0)
    bytes = std::clamp(available / 4 / unit * unit, 16 * unit, bytes);
  GPTC_TRY(Region region, Region::create(bytes, "measuring bandwidth"));
  uint64_t units = bytes / unit, threads = team.size();
  auto partOf = [&](unsigned thread) {
    uint64_t from = units * thread / threads;
    uint64_t to = units * (thread + 1) / threads;
    return std::span(region.data() + from * unit, (to - from) * unit);
  };
  team.run([&](unsigned thread) {
    auto part = partOf(thread);
    std::memset(part.data(), 1, part.size());
  });
  auto sum = has({"avx512f"}) ? sumWide : has({"avx2"}) ? sumNarrow : sumPlain;
  std::atomic<uint64_t> total = 0;
  double best = 0;
  for (int i = 0; i < 8; ++i) {
    double seconds = secondsOf([&] {
      team.run([&](unsigned thread) {
        auto part = partOf(thread);
        total += sum(part.data(), part.size());
      });
    });
    best = std::max(best, double(bytes) / seconds);
  }
  return best;
}

} // namespace

Expected<Roof> measureRoof(ThreadTeam &team) {
  Roof roof;
  GPTC_TRY(roof.readBytes, readPeak(team));
  bool wide = has({"avx512f"});
  if (wide)
    roof.f32 = peakOf(team, multiplyWide, 16 * 2);
  else if (has({"avx2", "fma"}))
    roof.f32 = peakOf(team, multiplyNarrow, 8 * 2);
  else
    roof.f32 = peakOf(team, multiplyPlain, 4 * 2);
  if (wide && has({"avx512_bf16"}))
    roof.bf16 = peakOf(team, multiplyBF16, 32 * 2);
  if (wide && has({"avx512_vnni"}))
    roof.int8 = peakOf(team, multiplyInt8Wide, 64 * 2);
  else if (has({"avx2", "avx_vnni"}))
    roof.int8 = peakOf(team, multiplyInt8Narrow, 32 * 2);
  return roof;
}

} // namespace gptc
