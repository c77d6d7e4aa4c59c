//===- AllocationTest.cpp - Running allocates nothing ---------------------===//
//
// This program counts every call of the C library's allocator, operator new's
// included, on every thread. Sanitizers bring their own allocator: the test is
// not part of their builds.
//
//===----------------------------------------------------------------------===//

#include "gptc/runtime/session/Scoring.h"
#include "gptc/runtime/session/Session.h"
#include "gptc/runtime/text/Sampler.h"
#include "tests/support/CompiledModels.h"
#include "tests/support/Matchers.h"

#include <algorithm>
#include <atomic>
#include <cerrno>

namespace {

std::atomic<bool> counting = false;
std::atomic<uint64_t> allocations = 0;

void note() {
  if (counting.load(std::memory_order_relaxed))
    allocations.fetch_add(1, std::memory_order_relaxed);
}

} // namespace

// glibc's allocator under the names that it keeps for those who replace it.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

void *malloc(size_t bytes) {
  note();
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  note();
  return __libc_calloc(count, bytes);
}
void *realloc(void *memory, size_t bytes) {
  note();
  return __libc_realloc(memory, bytes);
}
void *memalign(size_t alignment, size_t bytes) {
  note();
  return __libc_memalign(alignment, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  note();
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void **memory, size_t alignment, size_t bytes) {
  note();
  *memory = __libc_memalign(alignment, bytes);
  return *memory ? 0 : ENOMEM;
}
void free(void *memory) { __libc_free(memory); }
}
// NOLINTEND(bugprone-reserved-identifier)

namespace gptc {
namespace {

/// Allocations of all threads while `work` runs.
template <typename Work> uint64_t allocationsOf(Work &&work) {
  allocations = 0;
  counting = true;
  work();
  counting = false;
  return allocations;
}

TEST(Allocations, AreCounted) {
  // Kept where the compiler cannot see that nobody reads them.
  static void *volatile kept;
  EXPECT_EQ(allocationsOf([] {}), 0U);
  EXPECT_EQ(allocationsOf([] { kept = ::operator new(8); }), 1U);
  ::operator delete(kept);
  EXPECT_EQ(allocationsOf([] { kept = std::malloc(8); }), 1U);
  std::free(kept);
  EXPECT_EQ(
      allocationsOf([] { kept = ::operator new(128, std::align_val_t(64)); }),
      1U);
  ::operator delete(kept, std::align_val_t(64));
  // Also those of the runtime library, and of other threads.
  EXPECT_GT(allocationsOf([] { (void)Artifact::open("/nowhere"); }), 0U);
  auto team = ThreadTeam::create(3);
  ASSERT_TRUE(team);
  std::array<void *, 3> memory{};
  EXPECT_EQ(allocationsOf([&] {
              (*team)->run(
                  [&](unsigned thread) { memory[thread] = ::operator new(8); });
            }),
            3U);
  for (void *one : memory)
    ::operator delete(one);
}

class NoAllocations : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    if (std::string reason = reasonToSkip(); !reason.empty())
      GTEST_SKIP() << reason;
  }
};

TEST_P(NoAllocations, InFeedingAndSampling) {
  auto program = loadedModel(goldenModel("gpt2-wide"),
                             std::string("--batch 2 --dtype ") + GetParam(), 3);
  ASSERT_NE(program, nullptr);
  ASSERT_VALUE(auto session, Session::create(std::move(program)));
  std::vector<int32_t> prompt(100, 7), chunk(16, 9), token{5};
  std::span<const int32_t> prompts[] = {prompt, chunk}, chunks[] = {chunk, {}},
                           tokens[] = {token, token};
  SamplingOptions greedy, drawn;
  drawn.temperature = 0.9F;
  drawn.topK = 40;
  drawn.topP = 0.9F;
  drawn.repetitionPenalty = 1.2F;
  Sampler first(greedy, session->vocabulary());
  Sampler second(drawn, session->vocabulary());
  auto once = [&] {
    bool good = session->feed(prompts).has_value();
    good = good && session->feed(chunks).has_value();
    for (int i = 0; i < 10; ++i) {
      good = good && session->feed(tokens).has_value();
      token[0] = first.sample(session->logits(0), prompt);
      token[0] = second.sample(session->logits(1), prompt);
    }
    return good;
  };
  ASSERT_TRUE(once());
  session->reset();
  bool good = false;
  EXPECT_EQ(allocationsOf([&] {
              good = once();
              session->reset();
            }),
            0U);
  EXPECT_TRUE(good);
}

TEST_P(NoAllocations, InRunningAProgram) {
  auto program = loadedModel(
      goldenModel("gpt2-wide"),
      std::string("--entry prefill,decode,logits,score --dtype ") + GetParam(),
      3);
  ASSERT_NE(program, nullptr);
  std::vector<double> seconds(1000);
  auto all = [&] {
    uint32_t ran = 0;
    for (uint32_t i = 0; i < program->artifact().manifest().entries.size();
         ++i) {
      if (!program->has(i))
        continue;
      program->run(i);
      program->run(i, seconds);
      ++ran;
    }
    program->reset();
    return ran;
  };
  ASSERT_GE(all(), 6U);
  EXPECT_EQ(allocationsOf([&] { (void)all(); }), 0U);
}

/// oneDNN's own tables of arguments are all that is allocated: as many in each
/// run, and few for each product.
TEST(OneDnnAllocations, AreFewAndConstant) {
  if (std::string reason = reasonToSkip(); !reason.empty())
    GTEST_SKIP() << reason;
  auto artifact = compiledModel(goldenModel("gpt2-wide"),
                                "--entry prefill,decode --dtype bf16");
  ASSERT_NE(artifact, nullptr);
  auto loaded = Program::load(artifact, {1, "", "", Products::OneDnn});
  if (!loaded && loaded.error().code() == ErrorCode::Unsupported)
    GTEST_SKIP() << loaded.error().message();
  ASSERT_TRUE(loaded) << loaded.error().message();
  Program &program = **loaded;
  uint64_t checked = 0;
  for (uint32_t i = 0; i < artifact->manifest().entries.size(); ++i) {
    if (!program.has(i))
      continue;
    uint64_t products = 0;
    for (const auto &dispatch : program.describe(i).dispatches)
      if (!program.libraryOf(dispatch->kernel).empty()) {
        const artifact::VariantT &variant = *program.target().variants[0];
        ASSERT_EQ(variant.name, program.variant());
        const auto &implementation = *variant.implementations[dispatch->kernel];
        products += implementation.tiles / implementation.inner_tiles *
                    implementation.product->panels;
      }
    for (const auto &dispatch : program.describe(i).dispatches)
      if (dispatch->lengths >= 0) // Every tile runs.
        std::ranges::fill(
            program.argumentAs<int32_t>(i, size_t(dispatch->lengths)),
            int32_t(dispatch->rows_per_sequence));
    program.run(i);
    uint64_t first = allocationsOf([&] { program.run(i); });
    EXPECT_EQ(allocationsOf([&] { program.run(i); }), first);
    EXPECT_LE(first, 8 * products);
    checked += products;
  }
  EXPECT_GT(checked, 0U);
}

INSTANTIATE_TEST_SUITE_P(Types, NoAllocations,
                         testing::Values("f32", "bf16", "f16"),
                         [](const testing::TestParamInfo<const char *> &info) {
                           return std::string(info.param);
                         });

} // namespace
} // namespace gptc
