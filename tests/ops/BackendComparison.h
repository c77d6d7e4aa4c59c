//===- BackendComparison.h - The table of ops on a backend -----*- C++ -*-===//

#ifndef GPTC_TESTS_OPS_BACKENDCOMPARISON_H
#define GPTC_TESTS_OPS_BACKENDCOMPARISON_H

#include "CompiledGraph.h"

namespace gptc::tests {

/// Cases of a topic: of all, every `parts`-th from number `part` on.
struct TopicPart {
  std::string topic;
  size_t part = 0, parts = 1;
};

/// Runs each case of a topic on all variants of a target and expects the
/// interpreter's values, in f32 within each case's tolerance.
void expectTopic(const TopicPart &topic, const std::string &target);

/// The same with products in `type`, "bf16" or "f16".
void expectNarrowTopic(const TopicPart &topic, const std::string &target,
                       const std::string &type);

/// The same, for both types, on Vulkan's variants that are given, where they
/// have kernels of their own. Returns on how many of them cases ran.
size_t expectOnVariants(const TopicPart &topic,
                        const std::vector<vulkan::VulkanTarget> &variants);

/// The same of the gradients of each case that has any.
void expectGradients(const TopicPart &topic, const std::string &target);

} // namespace gptc::tests

#endif // GPTC_TESTS_OPS_BACKENDCOMPARISON_H
