//===- VulkanBackendTest.cpp - The table of ops on a Vulkan device --------===//

#include "BackendComparison.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace gptc::tests {
namespace {

class VulkanTopic : public testing::TestWithParam<std::string> {};

TEST_P(VulkanTopic, MatchesTheInterpreter) {
  expectTopic(GetParam(), "vulkan");
}

INSTANTIATE_TEST_SUITE_P(OpTable, VulkanTopic, testing::ValuesIn(topics()),
                         [](const auto &info) { return info.param; });

class VulkanNarrowTopic : public testing::TestWithParam<std::string> {};

TEST_P(VulkanNarrowTopic, ProductsInBf16MatchTheInterpreter) {
  expectNarrowTopic(GetParam(), "vulkan");
}

INSTANTIATE_TEST_SUITE_P(OpTable, VulkanNarrowTopic,
                         testing::Values("matmul", "linear", "attention",
                                         "gather", "cacheAppend", "variable"),
                         [](const auto &info) { return info.param; });

/// One of the equal parts of a topic's cases. A driver on the CPU takes minutes
/// to compile the shaders of all products.
struct TopicPart {
  std::string topic;
  size_t part, parts;
};

void PrintTo(const TopicPart &part, std::ostream *out) {
  *out << part.topic << " " << part.part + 1 << " of " << part.parts;
}

std::vector<TopicPart> topicParts() {
  std::vector<TopicPart> all;
  for (const std::string &topic : topics()) {
    size_t parts = topic == "matmul" ? 4 : 1;
    for (size_t part = 0; part < parts; ++part)
      all.push_back({topic, part, parts});
  }
  return all;
}

class VulkanGradientTopic : public testing::TestWithParam<TopicPart> {};

TEST_P(VulkanGradientTopic, MatchesTheInterpreter) {
  expectGradients(GetParam().topic, "vulkan", GetParam().part,
                  GetParam().parts);
}

INSTANTIATE_TEST_SUITE_P(OpTable, VulkanGradientTopic,
                         testing::ValuesIn(topicParts()), [](const auto &info) {
                           const TopicPart &part = info.param;
                           return part.parts == 1
                                      ? part.topic
                                      : fmt::format("{}_{}of{}", part.topic,
                                                    part.part + 1, part.parts);
                         });

} // namespace
} // namespace gptc::tests
