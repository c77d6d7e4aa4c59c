//===- Roof.cpp -----------------------------------------------------------===//

#include "gptc/runtime/program/Roof.h"

#include "gptc/runtime/program/KernelLibrary.h"
#include "gptc/runtime/program/Memory.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gptc {

namespace {

using Clock = std::chrono::steady_clock;

#define GPTC_AVX2 __attribute__((target("avx2,fma"), noinline))
#define GPTC_AVX512 __attribute__((target("avx512f"), noinline))
#define GPTC_BF16 __attribute__((target("avx512f,avx512bf16"), noinline))
#define GPTC_VNNI __attribute__((target("avx512f,avx512vnni"), noinline))
#define GPTC_AVX_VNNI __attribute__((target("avx2,avxvnni"), noinline))

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

// A loop that does `step` on `chains` registers, `rounds` times. An instruction
// set is an attribute of a function, so that these cannot be one template. The
// assembly lines keep the compiler from knowing operands and from leaving out
// results; "v" stands for any vector register, "x" for the first 16.
// NOLINTBEGIN(bugprone-macro-parentheses): they are types and attributes.
#define GPTC_PEAK_LOOP(NAME, TARGET, TYPE, REGISTER, ZERO, ONE, STEP)          \
  TARGET void NAME(uint64_t rounds) {                                          \
    TYPE sums[chains], one = ONE;                                              \
    for (TYPE &sum : sums)                                                     \
      sum = ZERO;                                                              \
    asm volatile("" : "+" REGISTER(one));                                      \
    for (uint64_t r = 0; r < rounds; ++r)                                      \
      for (TYPE &sum : sums)                                                   \
        sum = STEP;                                                            \
    for (TYPE &sum : sums)                                                     \
      asm volatile("" : "+" REGISTER(sum));                                    \
  }

GPTC_PEAK_LOOP(multiplyWide, GPTC_AVX512, __m512, "v", _mm512_setzero_ps(),
               _mm512_set1_ps(0.5F), _mm512_fmadd_ps(sum, one, one))
GPTC_PEAK_LOOP(multiplyNarrow, GPTC_AVX2, __m256, "x", _mm256_setzero_ps(),
               _mm256_set1_ps(0.5F), _mm256_fmadd_ps(sum, one, one))
GPTC_PEAK_LOOP(multiplyPlain, , __m128, "x", _mm_setzero_ps(),
               _mm_set1_ps(0.5F), _mm_add_ps(_mm_mul_ps(sum, one), one))
GPTC_PEAK_LOOP(multiplyBF16, GPTC_BF16, __m512, "v", _mm512_setzero_ps(),
               _mm512_castsi512_ps(_mm512_set1_epi16(0x3f80)),
               _mm512_dpbf16_ps(sum, (__m512bh)one, (__m512bh)one))
GPTC_PEAK_LOOP(multiplyInt8Wide, GPTC_VNNI, __m512i, "v",
               _mm512_setzero_si512(), _mm512_set1_epi8(1),
               _mm512_dpbusd_epi32(sum, one, one))
GPTC_PEAK_LOOP(multiplyInt8Narrow, GPTC_AVX_VNNI, __m256i, "x",
               _mm256_setzero_si256(), _mm256_set1_epi8(1),
               _mm256_dpbusd_avx_epi32(sum, one, one))

#undef GPTC_PEAK_LOOP
// NOLINTEND(bugprone-macro-parentheses)

/// Asks the system for the tile registers, which a process must before it
/// touches them; false where it has none.
bool mayUseTiles() {
  constexpr int requestPermission = 0x1023, tileData = 18;
  return ::syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
}

/// Twelve products of tiles a round, 16 x 32 by 32 x 16 bf16 values each.
__attribute__((target("amx-tile,amx-bf16"), noinline)) void
multiplyTiles(uint64_t rounds) {
  struct alignas(64) {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (uint64_t r = 0; r < rounds; ++r)
    for (int i = 0; i < chains / 4; ++i) {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  _tile_release();
}

bool has(std::vector<std::string> features) {
  return missingFeatures(features).empty();
}

template <typename Work> double secondsOf(Work &&work) {
  Clock::time_point begin = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class CpuRoofMeter : public RoofMeter {
public:
  explicit CpuRoofMeter(ThreadTeam &team) : team_(&team) {}
  Status measure() override;
  Status measureArithmetic() override;

private:
  Status takeMemory();
  double readPeak();
  double peakOf(void (*loop)(uint64_t), uint64_t operations);

  ThreadTeam *team_;
  Region memory_; ///< What is read: far more than caches hold. Empty before.
};

Status CpuRoofMeter::takeMemory() {
  constexpr uint64_t unit = uint64_t(2) << 20;
  uint64_t bytes = uint64_t(512) << 20;
  // Far more than the caches, and less than what is free.
  if (uint64_t available = availableMemory(); available != 0)
    bytes = std::clamp(available / 4 / unit * unit, 16 * unit, bytes);
  GPTC_TRY(memory_, Region::create(bytes, "measuring bandwidth"));
  team_->forEach(bytes / unit, [&](uint64_t i) {
    std::memset(memory_.data() + i * unit, 1, unit);
  });
  return {};
}

/// Bytes per second that all threads read: the best of several runs.
double CpuRoofMeter::readPeak() {
  auto sum = has({"avx512f"}) ? sumWide : has({"avx2"}) ? sumNarrow : sumPlain;
  uint64_t threads = team_->size(), units = memory_.size() / 4096;
  std::atomic<uint64_t> total = 0;
  double best = 0;
  for (int i = 0; i < 6; ++i) {
    double seconds = secondsOf([&] {
      team_->run([&](unsigned thread) {
        uint64_t from = units * thread / threads * 4096;
        uint64_t to = units * (thread + 1) / threads * 4096;
        total += sum(memory_.data() + from, to - from);
      });
    });
    best = std::max(best, double(memory_.size()) / seconds);
  }
  return best;
}

/// Operations per second of a loop on all threads: the best of several runs,
/// of some 10 ms each.
double CpuRoofMeter::peakOf(void (*loop)(uint64_t), uint64_t operations) {
  uint64_t rounds = 1 << 14;
  while (secondsOf([&] { loop(rounds); }) < 0.005)
    rounds *= 2;
  double best = 0;
  for (int i = 0; i < 6; ++i) {
    double seconds =
        secondsOf([&] { team_->run([&](unsigned) { loop(rounds); }); });
    best = std::max(best, double(rounds) * chains * double(operations) *
                              team_->size() / seconds);
  }
  return best;
}

void raise(std::optional<double> &best, double found) {
  best = std::max(best.value_or(0), found);
}

Status CpuRoofMeter::measureArithmetic() {
  bool wide = has({"avx512f"});
  double f32 = wide                   ? peakOf(multiplyWide, 16 * 2)
               : has({"avx2", "fma"}) ? peakOf(multiplyNarrow, 8 * 2)
                                      : peakOf(multiplyPlain, 4 * 2);
  roof_.f32 = std::max(roof_.f32, f32);
  if (wide && has({"avx512_bf16"}))
    raise(roof_.bf16, peakOf(multiplyBF16, 32 * 2));
  if (has({"amx_tile", "amx_bf16"}) && mayUseTiles())
    raise(roof_.bf16, peakOf(multiplyTiles, 16 * 16 * 32 * 2));
  return {};
}

Status CpuRoofMeter::measure() {
  if (memory_.size() == 0)
    GPTC_CHECK(takeMemory());
  roof_.readBytes = std::max(roof_.readBytes, readPeak());
  GPTC_CHECK(measureArithmetic());
  bool wide = has({"avx512f"});
  if (wide && has({"avx512_vnni"}))
    raise(roof_.int8, peakOf(multiplyInt8Wide, 64 * 2));
  else if (has({"avx2", "avx_vnni"}))
    raise(roof_.int8, peakOf(multiplyInt8Narrow, 32 * 2));
  return {};
}

} // namespace

std::unique_ptr<RoofMeter> createRoofMeter(ThreadTeam &team) {
  return std::make_unique<CpuRoofMeter>(team);
}

} // namespace gptc
