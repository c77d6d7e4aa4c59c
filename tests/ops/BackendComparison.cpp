//===- BackendComparison.cpp ----------------------------------------------===//

#include "BackendComparison.h"

#include "GradientGraph.h"

#include <cmath>
#include <gmock/gmock.h>

namespace gptc::tests {
namespace {

/// Gradients are made of more steps than the op itself, and an element may be
/// what is left of large terms.
double gradientTolerance(const OpCase &opCase, const HostTensor &expected) {
  double largest = 1;
  for (double value : expected.values)
    largest = std::max(largest, std::fabs(value));
  return largest *
         std::max(5e-5, 4 * roundedTolerance(opCase, opCase.tolerance));
}

std::vector<const OpCase *> casesOf(const TopicPart &topic) {
  std::vector<const OpCase *> found;
  size_t number = 0;
  for (const OpCase &opCase : opTable())
    if (opCase.name.starts_with(topic.topic + "/") &&
        number++ % topic.parts == topic.part)
      found.push_back(&opCase);
  return found;
}

/// Runs the variants that an artifact of a case has, and expects the values.
void expectVariants(CompiledGraph &compiled, const OpCase &opCase,
                    const HostTensors &inputs, const HostTensors &expected,
                    HostVariables &after, double tolerance) {
  auto [arguments, before] = partInputs(opCase.inputs, inputs);
  for (const std::string &variant : compiled.variants()) {
    SCOPED_TRACE(variant);
    HostVariables variables = before;
    auto found = compiled.run("main", variant, 1, arguments, variables);
    ASSERT_TRUE(found) << found.error().message();
    ASSERT_EQ(found->size(), expected.size());
    for (size_t i = 0; i < found->size(); ++i) {
      std::function<bool(size_t)> matters;
      if (i == 0 && opCase.matters)
        matters = [&](size_t element) {
          return opCase.matters(inputs, element);
        };
      auto unequal = difference(expected[i], (*found)[i], tolerance, matters);
      EXPECT_FALSE(unequal) << "result " << i << ": " << *unequal;
    }
    for (auto &[name, value] : variables) {
      // A cache may be stored in the type of products.
      value.type = after[name].type;
      auto unequal = difference(after[name], value, tolerance);
      EXPECT_FALSE(unequal) << "variable '" << name << "': " << *unequal;
    }
  }
}

/// Compares a run of a case, compiled with products in `type`, with the
/// interpreter's, which knows no type. Adds on how many variants it ran to
/// `count`.
void expectSame(const OpCase &opCase, const std::string &target,
                const std::string &type, double tolerance, size_t &count,
                const std::vector<vulkan::VulkanTarget> &vulkanTargets = {}) {
  SCOPED_TRACE(opCase.name);
  Graph graph;
  Status built = buildGraph(graph, opCase);
  ASSERT_TRUE(built) << built.error().message();
  HostTensors inputs = makeInputs(opCase.inputs, opCase.name);
  auto [arguments, after] = partInputs(opCase.inputs, inputs);
  auto expected = interpret(entryOf(graph), arguments, after);
  ASSERT_TRUE(expected) << expected.error().message();

  auto compiled = CompiledGraph::compile(graph, type, target, vulkanTargets);
  if (!compiled && opCase.name.find("f64") != std::string::npos) {
    // The backend has no products and functions in f64, and says so.
    EXPECT_EQ(compiled.error().code(), ErrorCode::Unsupported);
    EXPECT_THAT(compiled.error().message(), testing::HasSubstr("in f64"));
    return;
  }
  ASSERT_TRUE(compiled) << compiled.error().message();
  size_t variants = (*compiled)->variants().size();
  ASSERT_TRUE(variants > 0 || !vulkanTargets.empty());
  count += variants;
  expectVariants(**compiled, opCase, inputs, *expected, after, tolerance);
}

} // namespace

void expectTopic(const TopicPart &topic, const std::string &target) {
  size_t count = 0;
  for (const OpCase *opCase : casesOf(topic))
    expectSame(*opCase, target, "f32",
               roundedTolerance(*opCase, opCase->tolerance), count);
}

void expectNarrowTopic(const TopicPart &topic, const std::string &target,
                       const std::string &type) {
  size_t count = 0;
  for (const OpCase *opCase : casesOf(topic))
    expectSame(*opCase, target, type, narrowTolerance(type), count);
}

size_t expectOnVariants(const TopicPart &topic,
                        const std::vector<vulkan::VulkanTarget> &variants) {
  size_t count = 0;
  for (const OpCase *opCase : casesOf(topic)) {
    expectSame(*opCase, "vulkan", "f32",
               roundedTolerance(*opCase, opCase->tolerance), count, variants);
    for (const char *type : {"bf16", "f16"})
      expectSame(*opCase, "vulkan", type, narrowTolerance(type), count,
                 variants);
  }
  return count;
}

void expectGradients(const TopicPart &topic, const std::string &target) {
  for (const OpCase *one : casesOf(topic)) {
    const OpCase &opCase = *one;
    if (!opCase.differentiable)
      continue;
    SCOPED_TRACE(opCase.name);
    GradientGraph graph;
    if (target == "vulkan")
      graph.lossType = DataType::F32;
    Status built = graph.build(opCase);
    ASSERT_TRUE(built) << built.error().message();
    if (graph.differentiated.empty())
      continue;
    Status status = differentiate(graph.graph);
    ASSERT_TRUE(status) << status.error().message();
    auto expected = graph.run();
    ASSERT_TRUE(expected) << expected.error().message();
    auto compiled = CompiledGraph::compile(graph.graph, "f32", target);
    if (!compiled && opCase.name.find("f64") != std::string::npos) {
      EXPECT_THAT(compiled.error().message(), testing::HasSubstr("in f64"));
      continue;
    }
    ASSERT_TRUE(compiled) << compiled.error().message();
    for (const std::string &variant : (*compiled)->variants()) {
      // Of gradients, Vulkan's variants differ in products alone.
      if (variant.starts_with("hardware") && topic.topic != "matmul")
        continue;
      SCOPED_TRACE(variant);
      auto [arguments, variables] = partInputs(graph.inputs, graph.values);
      auto found = (*compiled)->run("main", variant, 1, arguments, variables);
      ASSERT_TRUE(found) << found.error().message();
      // The loss is a long sum, and compared in models; here are gradients.
      for (size_t i = 1; i < found->size(); ++i) {
        auto unequal = difference((*expected)[i], (*found)[i],
                                  gradientTolerance(opCase, (*expected)[i]));
        EXPECT_FALSE(unequal) << "gradient " << i - 1 << ": " << *unequal;
      }
    }
  }
}

} // namespace gptc::tests
