//===- CandidatesTest.cpp - The most likely tokens, chosen on a device ----===//

#include "gptc/backends/vulkan/runtime/Api.h"
#include "gptc/backends/vulkan/runtime/VulkanProgram.h"
#include "gptc/runtime/session/Comparison.h"
#include "gptc/runtime/session/TextGeneration.h"
#include "tests/support/CompiledModels.h"
#include "tests/support/Matchers.h"
#include "tests/support/TinyModel.h"
#include "tests/vulkan/Driver.h"

#include <array>
#include <cmath>
#include <fstream>
#include <gmock/gmock.h>
#include <limits>
#include <utility>

namespace gptc::vulkan {
namespace {

using Ids = std::vector<int32_t>;

/// Notes the sizes of the copies that are recorded.
struct Copies {
  static inline std::vector<uint64_t> sizes;
  static inline PFN_vkCmdCopyBuffer original = nullptr;

  static void VKAPI_PTR note(VkCommandBuffer command, VkBuffer from,
                             VkBuffer to, uint32_t count,
                             const VkBufferCopy *regions) {
    for (uint32_t i = 0; i < count; ++i)
      sizes.push_back(regions[i].size);
    original(command, from, to, count, regions);
  }
  static void intercept(Api &api) {
    if (api.vkCmdCopyBuffer && api.vkCmdCopyBuffer != note)
      original = std::exchange(api.vkCmdCopyBuffer, note);
  }
};

/// The table of tokens in the file of a tiny model, rows of 32.
class Table {
public:
  explicit Table(const std::string &folder)
      : file_(folder + "/model.safetensors",
              std::ios::in | std::ios::out | std::ios::binary) {
    uint64_t length = 0;
    file_.read(reinterpret_cast<char *>(&length), sizeof(length));
    std::string header(length, ' ');
    file_.read(header.data(), std::streamsize(length));
    const std::string offsets = "\"data_offsets\":[";
    size_t at = header.find(offsets, header.find("\"transformer.wte.weight\""));
    EXPECT_NE(at, std::string::npos) << header;
    begin_ = sizeof(length) + length +
             std::stoull(header.substr(at + offsets.size()));
  }

  using Row = std::array<float, 32>;
  Row read(uint64_t row) {
    Row values{};
    file_.seekg(std::streamoff(begin_ + row * sizeof(Row)));
    file_.read(reinterpret_cast<char *>(values.data()), sizeof(Row));
    return values;
  }
  void write(uint64_t row, const Row &values) {
    file_.seekp(std::streamoff(begin_ + row * sizeof(Row)));
    file_.write(reinterpret_cast<const char *>(values.data()), sizeof(Row));
  }

private:
  std::fstream file_;
  uint64_t begin_ = 0;
};

class VulkanCandidates : public testing::Test {
protected:
  static constexpr uint64_t vocabulary = 9001;
  static constexpr uint64_t logitsBytes = vocabulary * sizeof(float);
  static constexpr uint64_t candidateBytes = 64 * sizeof(float);

  void SetUp() override {
    if (std::string reason = reasonToSkip(); !reason.empty())
      GTEST_SKIP() << reason;
    if (std::string reason = vulkan::reasonWithoutDevice(); !reason.empty())
      GTEST_SKIP() << reason;
  }

  std::unique_ptr<Executable> load(const std::string &options,
                                   bool alwaysCopy = false,
                                   const std::string &variant = "") {
    if (model.empty())
      model = writeTinyModel(folder, "tiny", vocabulary);
    auto artifact = compiledModel(
        model, "--target cpu,vulkan --entry prefill,decode " + options);
    if (!artifact)
      return nullptr;
    VulkanOptions vulkan;
    vulkan.threads = 2;
    vulkan.fill = 0xffffffff;
    vulkan.cacheFolder = folder / "cache";
    vulkan.alwaysCopy = alwaysCopy;
    vulkan.variant = variant;
    vulkan.intercept = Copies::intercept;
    auto program = loadVulkanProgram(artifact, vulkan);
    if (!program) {
      ADD_FAILURE() << program.error().message();
      return nullptr;
    }
    return std::move(*program);
  }

  std::unique_ptr<Session> open(const std::string &options,
                                bool alwaysCopy = false) {
    auto program = load(options, alwaysCopy);
    if (!program)
      return nullptr;
    auto session = Session::create(std::move(program));
    if (!session) {
      ADD_FAILURE() << session.error().message();
      return nullptr;
    }
    return std::move(*session);
  }

  /// What is generated where all logits are looked at, one sequence at a time.
  static Ids byLogits(Session &session, const Ids &prompt,
                      const SamplingOptions &options, size_t count) {
    Sampler sampler(options, vocabulary);
    session.reset();
    Ids history = prompt, next = prompt;
    for (size_t i = 0; i < count; ++i) {
      Status fed = session.feed(std::vector<std::span<const int32_t>>{next});
      EXPECT_TRUE(fed);
      next = {sampler.sample(session.logits(0), history)};
      history.push_back(next[0]);
    }
    return {history.begin() + ptrdiff_t(prompt.size()), history.end()};
  }

  TemporaryFolder folder;
  std::string model;
};

TEST_F(VulkanCandidates, AreResultsOfVulkanAlone) {
  auto program = load("");
  ASSERT_TRUE(program);
  const artifact::ManifestT &manifest = program->artifact().manifest();
  for (const auto &entry : manifest.entries) {
    ASSERT_EQ(entry->results.size(), 1U) << entry->name;
    EXPECT_EQ(entry->results[0]->name, "logits");
  }
  for (const auto &cpu : program->artifact().findTarget("cpu")->programs)
    EXPECT_TRUE(cpu->results.empty());
  for (const auto &one : program->target().programs) {
    ASSERT_EQ(one->results.size(), 2U);
    EXPECT_EQ(one->results[0]->name, "top_logits");
    EXPECT_EQ(one->results[1]->name, "top_ids");
    EXPECT_EQ(one->results[1]->shape, (std::vector<uint64_t>{1, 64}));
  }
}

TEST_F(VulkanCandidates, AreTheLargestLogits) {
  auto session = open("--batch 2", true);
  ASSERT_TRUE(session);
  ASSERT_EQ(session->candidateCount(), 64U);
  Ids first{5, 17, 211}, second{8, 9, 10};
  ASSERT_SUCCESS(session->feed(
      std::vector<std::span<const int32_t>>{first, second}, true));
  std::vector<std::vector<float>> values;
  std::vector<Ids> ids;
  for (uint32_t b : {0, 1}) {
    Candidates found = session->candidates(b);
    values.emplace_back(found.logits.begin(), found.logits.end());
    ids.emplace_back(found.ids.begin(), found.ids.end());
  }
  ASSERT_SUCCESS(session->bringLogits());
  for (uint32_t b : {0, 1}) {
    EXPECT_TRUE(session->candidates(b).ids.empty());
    auto logits = session->logits(b);
    Ids order(logits.size());
    for (size_t i = 0; i < order.size(); ++i)
      order[i] = int32_t(i);
    std::sort(order.begin(), order.end(), [&](int32_t a, int32_t c) {
      float x = logits[size_t(a)], y = logits[size_t(c)];
      return x != y ? x > y : a < c;
    });
    order.resize(64);
    EXPECT_EQ(ids[b], order);
    for (size_t i = 0; i < order.size(); ++i)
      EXPECT_EQ(values[b][i], logits[size_t(order[i])]);
  }
}

TEST_F(VulkanCandidates, TextIsThatOfAllLogits) {
  for (bool alwaysCopy : {false, true}) {
    auto session = open("", alwaysCopy);
    ASSERT_TRUE(session);
    Ids prompt{5, 17, 211, 17};
    for (const SamplingOptions &sampling : std::vector<SamplingOptions>{
             {},
             {.repetitionPenalty = 1.4F},
             {.repetitionPenalty = 0.7F},
             {.temperature = 1, .topK = 1},
             {.temperature = 1, .topK = 40},
             {.temperature = 1, .topK = 40, .topP = 0.8F},
             // Decided by candidates until as many tokens were seen.
             {.temperature = 2, .topK = 52, .repetitionPenalty = 1.2F},
             {.temperature = 1, .topK = 64},
             {.temperature = 1, .topK = 200},
             {.temperature = 1}})
      for (uint64_t seed : {1, 2, 3}) {
        GenerationOptions options;
        options.maxTokens = 20;
        options.ignoreEnd = true;
        options.sampling = sampling;
        options.sampling.seed = seed;
        ASSERT_VALUE(auto found,
                     generate(*session, nullptr, {{prompt}}, options));
        EXPECT_EQ(found[0].ids,
                  byLogits(*session, prompt, options.sampling, 20))
            << sampling.topK << ", " << sampling.repetitionPenalty;
      }
  }
}

/// Prompts of different lengths end in different chunks.
TEST_F(VulkanCandidates, TextsOfABatchAreThoseOfEach) {
  auto session = open("--batch 2", true);
  ASSERT_TRUE(session);
  auto alone = open("", true);
  ASSERT_TRUE(alone);
  std::vector<Ids> prompts{{5, 17, 211}, {}};
  for (int32_t i = 0; i < 20; ++i)
    prompts[1].push_back(i * 37);
  GenerationOptions options;
  options.maxTokens = 10;
  options.ignoreEnd = true;
  ASSERT_VALUE(auto found, generate(*session, nullptr, prompts, options));
  for (size_t i = 0; i < prompts.size(); ++i)
    EXPECT_EQ(found[i].ids, byLogits(*alone, prompts[i], {}, 10)) << i;
}

TEST_F(VulkanCandidates, AloneAreCopiedWhereTheyDo) {
  using testing::Contains;
  using testing::Not;
  auto session = open("", true);
  ASSERT_TRUE(session);
  auto copiesOf = [&](const SamplingOptions &sampling) {
    GenerationOptions options;
    options.maxTokens = 5;
    options.ignoreEnd = true;
    options.sampling = sampling;
    Copies::sizes.clear();
    EXPECT_TRUE(generate(*session, nullptr, {{{5, 17, 211}}}, options));
    return Copies::sizes;
  };
  for (const SamplingOptions &sampling : std::vector<SamplingOptions>{
           {}, {.temperature = 1, .topK = 40, .repetitionPenalty = 1.1F}}) {
    std::vector<uint64_t> sizes = copiesOf(sampling);
    EXPECT_THAT(sizes, Contains(candidateBytes).Times(testing::Ge(2)));
    EXPECT_THAT(sizes, Not(Contains(testing::Ge(logitsBytes))));
    EXPECT_THAT(copiesOf({.temperature = 1}), Contains(logitsBytes));
  }
}

/// Variants sum in different orders, and choose another one of nearly equal
/// tokens: no difference of what they compute.
TEST_F(VulkanCandidates, AreComparedByTheirLogits) {
  model = writeTinyModel(folder, "pairs", vocabulary);
  {
    Table table(model);
    for (uint64_t row = 0; row + 1 < vocabulary; row += 2) {
      Table::Row values = table.read(row);
      values[row % 32] = std::nextafter(values[row % 32], 1.F);
      table.write(row + 1, values);
    }
  }
  std::vector<std::unique_ptr<Runner>> runners;
  auto loaded = load("");
  ASSERT_TRUE(loaded);
  for (const auto &variant : loaded->target().variants)
    if (canRun(*variant) && runners.size() < 2) {
      auto program = load("", false, variant->name);
      ASSERT_TRUE(program);
      runners.push_back(createRunner(std::move(program)));
    }
  ASSERT_EQ(runners.size(), 2U);
  ComparisonOptions options;
  options.repeats = 1;
  options.tolerance = 1e-4;
  ASSERT_VALUE(auto comparison,
               compare(*runners[0], *runners[1], "decode", options));
  EXPECT_EQ(comparison.unmatched, 0U);
  EXPECT_FALSE(comparison.firstDifference)
      << comparison.firstDifference->kernel;
  for (const NamedError &scope : comparison.scopes)
    EXPECT_LT(scope.size.relative, 1e-4) << scope.name;
}

/// What is no finite number ends a text, wherever it stands among the logits.
TEST_F(VulkanCandidates, HideNothingThatIsNoFiniteNumber) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  int number = 0;
  for (float odd :
       {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity}) {
    model =
        writeTinyModel(folder, "odd" + std::to_string(number++), vocabulary);
    {
      Table table(model);
      Table::Row row = table.read(7777);
      row[0] = odd;
      table.write(7777, row);
    }
    auto session = open("", true);
    ASSERT_TRUE(session);
    GenerationOptions options;
    options.maxTokens = 3;
    auto result = generate(*session, nullptr, {{{5, 17, 211}}}, options);
    ASSERT_FALSE(result) << odd;
    EXPECT_THAT(result.error().message(),
                testing::HasSubstr(
                    fmt::format("the distribution after 3 tokens has {} in the "
                                "place of a number, at 7777",
                                std::isnan(odd) ? "NaN" : "infinity")));
  }
}

} // namespace
} // namespace gptc::vulkan
