//===- VulkanBackendTest.cpp - The table of ops on a Vulkan device --------===//

#include "BackendComparison.h"

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
  expectNarrowTopic(GetParam(), "vulkan");
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

} // namespace
} // namespace gptc::tests
