//===- VulkanBackendTest.cpp - The table of ops on a Vulkan device --------===//

#include "BackendComparison.h"

#include "gptc/backends/vulkan/Features.h"
#include "gptc/backends/vulkan/KernelInterface.h"
#include "gptc/compiler/Driver.h"
#include "tests/support/TemporaryFolder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <gmock/gmock.h>

namespace gptc::tests {

static void PrintTo(const TopicPart &part, std::ostream *out) {
  *out << part.topic << " " << part.part + 1 << " of " << part.parts;
}

namespace {

/// A driver on the CPU takes minutes to compile all shaders of some topics:
/// those are tested in parts.
std::vector<TopicPart> inParts(const std::vector<std::string> &topics,
                               const std::map<std::string, size_t> &several) {
  std::vector<TopicPart> all;
  for (const std::string &topic : topics) {
    auto found = several.find(topic);
    size_t parts = found == several.end() ? 1 : found->second;
    for (size_t part = 0; part < parts; ++part)
      all.push_back({topic, part, parts});
  }
  return all;
}

std::string nameOf(const testing::TestParamInfo<TopicPart> &info) {
  const TopicPart &part = info.param;
  return part.parts == 1
             ? part.topic
             : fmt::format("{}_{}of{}", part.topic, part.part + 1, part.parts);
}

class VulkanTopic : public testing::TestWithParam<TopicPart> {};

TEST_P(VulkanTopic, MatchesTheInterpreter) {
  expectTopic(GetParam(), "vulkan");
}

INSTANTIATE_TEST_SUITE_P(OpTable, VulkanTopic,
                         testing::ValuesIn(inParts(topics(),
                                                   {{"attention", 3},
                                                    {"attentionBackward", 3},
                                                    {"matmul", 3}})),
                         nameOf);

class VulkanNarrowTopic : public testing::TestWithParam<TopicPart> {};

TEST_P(VulkanNarrowTopic, ProductsInBf16MatchTheInterpreter) {
  expectNarrowTopic(GetParam(), "vulkan", "bf16");
}

TEST_P(VulkanNarrowTopic, ProductsInF16MatchTheInterpreter) {
  expectNarrowTopic(GetParam(), "vulkan", "f16");
}

INSTANTIATE_TEST_SUITE_P(OpTable, VulkanNarrowTopic,
                         testing::ValuesIn(inParts({std::begin(narrowTopics),
                                                    std::end(narrowTopics)},
                                                   {{"attention", 3}})),
                         nameOf);

class VulkanGradientTopic : public testing::TestWithParam<TopicPart> {};

TEST_P(VulkanGradientTopic, MatchesTheInterpreter) {
  expectGradients(GetParam(), "vulkan");
}

INSTANTIATE_TEST_SUITE_P(
    OpTable, VulkanGradientTopic,
    testing::ValuesIn(inParts(topics(), {{"matmul", 8}, {"attention", 4}})),
    nameOf);

TEST(VulkanReductions, UseSubgroupsWhereTheirVariantAsksForThem) {
  OpCase opCase{"reduceSum/row", {{"x", {DataType::F32, {4, 300}}}}, {}};
  opCase.build = [](Graph &, const std::vector<Tensor> &in) {
    return std::vector<Tensor>{reduceSum(in[0], 1)};
  };
  Graph graph;
  ASSERT_TRUE(buildGraph(graph, opCase));
  TemporaryFolder folder;
  auto compiled =
      compileGraph(graph, "f32", 0, folder / "sum.gptc", {"vulkan"});
  ASSERT_TRUE(compiled) << compiled.error().message();
  auto artifact = Artifact::open(folder / "sum.gptc");
  ASSERT_TRUE(artifact) << artifact.error().message();
  constexpr uint32_t groupNonUniformArithmetic = 63;
  int inSubgroups = 0;
  for (const auto &variant : (*artifact)->findTarget("vulkan")->variants) {
    bool asks = std::count(variant->features.begin(), variant->features.end(),
                           vulkan::feature::subgroupArithmetic) > 0;
    inSubgroups += asks;
    for (const auto &kernel : variant->implementations) {
      auto bytes = (*artifact)->blob(*kernel->spirv);
      std::vector<uint32_t> module(bytes.size() / sizeof(uint32_t));
      std::memcpy(module.data(), bytes.data(), bytes.size());
      EXPECT_EQ(vulkan::declaresCapability(module, groupNonUniformArithmetic),
                asks)
          << variant->name;
    }
  }
  EXPECT_GT(inSubgroups, 0);
}

/// However a variant combines what its invocations have.
TEST(VulkanReductions, TheLargestOfARowMayBeNegativeOrNoNumber) {
  OpCase opCase{"reduceMax/special", {{"x", {DataType::F32, {4, 300}}}}, {}};
  opCase.build = [](Graph &, const std::vector<Tensor> &in) {
    return std::vector<Tensor>{reduceMax(in[0], 1)};
  };
  Graph graph;
  ASSERT_TRUE(buildGraph(graph, opCase));
  HostTensors inputs = makeInputs(opCase.inputs, opCase.name);
  std::vector<double> &x = inputs[0].values;
  x[123] = NAN;
  x[300 + 299] = -NAN;
  for (size_t i = 600; i < 900; ++i)
    x[i] = -1 - std::fabs(x[i]);
  std::fill(x.begin() + 900, x.end(), -INFINITY);
  HostVariables variables;
  auto expected = interpret(entryOf(graph), inputs, variables);
  ASSERT_TRUE(expected) << expected.error().message();
  ASSERT_TRUE(std::isnan((*expected)[0].values[0]));
  auto compiled = CompiledGraph::compile(graph, "f32", "vulkan");
  ASSERT_TRUE(compiled) << compiled.error().message();
  for (const std::string &variant : (*compiled)->variants()) {
    auto found = (*compiled)->run("main", variant, 1, inputs, variables);
    ASSERT_TRUE(found) << found.error().message();
    auto unequal = difference((*expected)[0], (*found)[0], 0);
    EXPECT_FALSE(unequal) << variant << ": " << *unequal;
  }
}

} // namespace
} // namespace gptc::tests
