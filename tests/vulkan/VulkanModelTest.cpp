//===- VulkanModelTest.cpp - Whole models on the devices that are there ---===//

#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "gptc/backends/vulkan/runtime/VulkanProgram.h"
#include "gptc/runtime/session/Scoring.h"
#include "gptc/runtime/session/TextGeneration.h"
#include "tests/support/CompiledModels.h"
#include "tests/support/Matchers.h"
#include "tests/vulkan/Driver.h"

namespace gptc::vulkan {
namespace {

using Ids = std::vector<int32_t>;

class VulkanModel : public testing::Test {
protected:
  void SetUp() override {
    if (std::string reason = reasonToSkip(); !reason.empty())
      GTEST_SKIP() << reason;
    if (std::string reason = vulkan::reasonWithoutDevice(); !reason.empty())
      GTEST_SKIP() << reason;
  }

  static std::shared_ptr<const Artifact>
  compiled(const std::string &type = "f32") {
    return compiledModel(GPTC_SOURCE_DIR "/examples/shakespeare",
                         "--target cpu,vulkan --entry prefill,decode,score "
                         "--dtype " +
                             type);
  }

  std::unique_ptr<Executable> load(std::shared_ptr<const Artifact> artifact,
                                   const std::string &variant = "",
                                   bool alwaysCopy = false) const {
    VulkanOptions options;
    options.threads = 2;
    options.variant = variant;
    options.alwaysCopy = alwaysCopy;
    // Not a number, which spreads from wherever it is read before it is
    // written.
    options.fill = 0xffffffff;
    options.cacheFolder = folder.path();
    auto program = loadVulkanProgram(std::move(artifact), options);
    if (!program) {
      ADD_FAILURE() << program.error().message();
      return nullptr;
    }
    return std::move(*program);
  }

  static Ids greedy(std::unique_ptr<Executable> program, const Ids &prompt,
                    size_t tokens = 40) {
    if (!program)
      return {};
    auto session = Session::create(std::move(program));
    GenerationOptions options;
    options.maxTokens = tokens;
    options.ignoreEnd = true;
    options.sampling.temperature = 0;
    auto results = generate(**session, nullptr, {{prompt}}, options);
    if (!results) {
      ADD_FAILURE() << results.error().message();
      return {};
    }
    return (*results)[0].ids;
  }

  /// Token ids without meaning.
  static Ids someIds(size_t count) {
    Ids ids;
    for (size_t i = 0; i < count; ++i)
      ids.push_back(int32_t(i * 37 % 500));
    return ids;
  }

  TemporaryFolder folder;
};

TEST_F(VulkanModel, WritesWhatTheCpuWrites) {
  auto artifact = compiled();
  ASSERT_TRUE(artifact);
  // A prompt of one padded chunk, and one of several.
  for (size_t count : {5, 100}) {
    Ids prompt = someIds(count);
    ASSERT_VALUE(auto program, Program::load(artifact, {2, "", ""}));
    Ids expected = greedy(std::move(program), prompt);
    ASSERT_EQ(expected.size(), 40U);
    for (const auto &variant : artifact->findTarget("vulkan")->variants)
      if (canRun(*variant))
        EXPECT_EQ(greedy(load(artifact, variant->name), prompt), expected)
            << variant->name;
    EXPECT_EQ(greedy(load(artifact, "", true), prompt), expected);
  }
}

/// "ROMEO:", whose next tokens are decided by more than rounding to f16.
TEST_F(VulkanModel, WritesInF16WhatTheCpuWritesInF32) {
  auto artifact = compiled("f16");
  ASSERT_TRUE(artifact);
  auto exact = compiled();
  ASSERT_TRUE(exact);
  Ids prompt{50, 47, 45, 37, 47, 26};
  constexpr size_t tokens = 16;
  ASSERT_VALUE(auto program, Program::load(exact, {2, "", ""}));
  Ids expected = greedy(std::move(program), prompt, tokens);
  ASSERT_EQ(expected.size(), tokens);
  for (const auto &variant : artifact->findTarget("vulkan")->variants)
    if (canRun(*variant))
      EXPECT_EQ(greedy(load(artifact, variant->name), prompt, tokens), expected)
          << variant->name;
}

TEST_F(VulkanModel, ScoresAsTheCpuDoes) {
  auto artifact = compiled();
  ASSERT_TRUE(artifact);
  Ids ids = someIds(300); // More than the context.
  ASSERT_VALUE(auto cpu, Program::load(artifact, {2, "", ""}));
  ASSERT_VALUE(auto expected, score(*cpu, ids, 0));
  auto program = load(artifact);
  ASSERT_TRUE(program);
  ASSERT_VALUE(auto scores, score(*program, ids, 0));
  ASSERT_EQ(scores.size(), expected.size());
  for (size_t i = 0; i < scores.size(); ++i)
    EXPECT_NEAR(scores[i], expected[i], 1e-4) << i;
  // Again, bit by bit.
  ASSERT_VALUE(auto again, score(*program, ids, 0));
  EXPECT_EQ(again, scores);
}

} // namespace
} // namespace gptc::vulkan
