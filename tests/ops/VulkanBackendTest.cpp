//===- VulkanBackendTest.cpp - The table of ops on a Vulkan device --------===//

#include "BackendComparison.h"

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

class VulkanGradientTopic : public testing::TestWithParam<std::string> {};

TEST_P(VulkanGradientTopic, MatchesTheInterpreter) {
  expectGradients(GetParam(), "vulkan");
}

INSTANTIATE_TEST_SUITE_P(OpTable, VulkanGradientTopic,
                         testing::ValuesIn(topics()),
                         [](const auto &info) { return info.param; });

} // namespace
} // namespace gptc::tests
