//===- CpuBackendTest.cpp - The table of ops on the CPU -------------------===//

#include "CpuRun.h"
#include "GradientGraph.h"

#include <cmath>
#include <gmock/gmock.h>

namespace gptc::tests {
namespace {

class CpuTopic : public testing::TestWithParam<std::string> {};

/// What a case's error may be when its numbers are rounded to narrow types
/// after each op, which the interpreter does not do.
double toleranceOf(const OpCase &opCase) {
  double tolerance = opCase.tolerance;
  for (const OpInput &input : opCase.inputs)
    if (input.type.element == DataType::BF16)
      tolerance = std::max(tolerance, 0x1p-7);
    else if (input.type.element == DataType::F16)
      tolerance = std::max(tolerance, 0x1p-10);
  return tolerance;
}

/// Gradients are made of more steps than the op itself, and an element may be
/// what is left of large terms.
double gradientTolerance(const OpCase &opCase, const HostTensor &expected) {
  double largest = 1;
  for (double value : expected.values)
    largest = std::max(largest, std::fabs(value));
  return largest * std::max(5e-5, 4 * toleranceOf(opCase));
}

/// Compares a run of a case, compiled with products in `type`, with the
/// interpreter's, which knows no type.
void expectSame(const OpCase &opCase, const std::string &type,
                double tolerance) {
  SCOPED_TRACE(opCase.name);
  Graph graph;
  Status built = buildGraph(graph, opCase);
  ASSERT_TRUE(built) << built.error().message();
  HostTensors inputs = makeInputs(opCase.inputs, opCase.name);
  auto [arguments, before] = partInputs(opCase.inputs, inputs);
  HostVariables after = before;
  auto expected = interpret(entryOf(graph), arguments, after);
  ASSERT_TRUE(expected) << expected.error().message();

  auto compiled = CompiledGraph::compile(graph, type);
  if (!compiled && opCase.name.find("f64") != std::string::npos) {
    // The backend has no products and functions in f64, and says so.
    EXPECT_EQ(compiled.error().code(), ErrorCode::Unsupported);
    EXPECT_THAT(compiled.error().message(), testing::HasSubstr("in f64"));
    return;
  }
  ASSERT_TRUE(compiled) << compiled.error().message();
  ASSERT_FALSE((*compiled)->variants().empty());
  for (const std::string &variant : (*compiled)->variants()) {
    SCOPED_TRACE(variant);
    HostVariables variables = before;
    auto found = (*compiled)->run("main", variant, 1, arguments, variables);
    ASSERT_TRUE(found) << found.error().message();
    ASSERT_EQ(found->size(), expected->size());
    for (size_t i = 0; i < found->size(); ++i) {
      std::function<bool(size_t)> matters;
      if (i == 0 && opCase.matters)
        matters = [&](size_t element) {
          return opCase.matters(inputs, element);
        };
      auto unequal =
          difference((*expected)[i], (*found)[i], tolerance, matters);
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

TEST_P(CpuTopic, MatchesTheInterpreter) {
  for (const OpCase &opCase : opTable())
    if (opCase.name.starts_with(GetParam() + "/"))
      expectSame(opCase, "f32", toleranceOf(opCase));
}

INSTANTIATE_TEST_SUITE_P(OpTable, CpuTopic, testing::ValuesIn(topics()),
                         [](const auto &info) { return info.param; });

class CpuNarrowTopic : public testing::TestWithParam<std::string> {};

/// Operands of products are rounded to bf16: what is left to see are errors of
/// layout and of order, which are larger than those of rounding.
TEST_P(CpuNarrowTopic, ProductsInBf16MatchTheInterpreter) {
  constexpr double tolerance = 0.15;
  for (const OpCase &opCase : opTable())
    if (opCase.name.starts_with(GetParam() + "/"))
      expectSame(opCase, "bf16", tolerance);
}

INSTANTIATE_TEST_SUITE_P(OpTable, CpuNarrowTopic,
                         testing::Values("matmul", "linear", "attention",
                                         "gather", "cacheAppend", "variable"),
                         [](const auto &info) { return info.param; });

/// Numbers that each run gives: of an operator, and of tensors filled with
/// them, also of other types.
TEST(CpuScalars, AreGivenByEachRun) {
  Graph graph;
  graph.beginEntry("main");
  Tensor x = graph.argument("x", {DataType::F32, {1, 2, 5, 7}});
  Scalar factor = graph.scalarArgument("factor", DataType::F32);
  Scalar step = graph.scalarArgument("step", DataType::I32);
  Scalar wide = graph.scalarArgument("wide", DataType::F64);
  AttentionOptions options;
  options.scale = factor;
  Tensor row = slice(x, {0, 0, 0, 0}, {1, 1, 1, 7});
  Tensor vector = reshape(row, {7});
  graph.result("attention", attention(x, x, x, options));
  graph.result("norm", layerNorm(x, vector, vector, factor));
  graph.result("filled", scale(x, step) + full(x, wide));
  Tensor ids = iota(graph, {11}, 0);
  graph.result("moved", ids + full(ids, step));
  Tensor loss = reduceSum(scale(vector * vector, factor), 0);
  graph.result("gradient", gradient(loss, {x})[0]);
  graph.endEntry();
  ASSERT_TRUE(graph.finish());
  ASSERT_TRUE(differentiate(graph));
  HostTensor input = makeInputs({{"x", {DataType::F32, {1, 2, 5, 7}}}}, "s")[0];
  std::vector<HostTensors> runs, expected;
  for (double number : {0.5, 3.0}) {
    runs.push_back({input,
                    {DataType::F32, {}, {number}},
                    {DataType::I32, {}, {number * 2}},
                    {DataType::F64, {}, {number / 4}}});
    HostVariables variables;
    auto results = interpret(entryOf(graph), runs.back(), variables);
    ASSERT_TRUE(results) << results.error().message();
    expected.push_back(*results);
  }
  EXPECT_NE(expected[0][2].values, expected[1][2].values);
  auto compiled = CompiledGraph::compile(graph);
  ASSERT_TRUE(compiled) << compiled.error().message();
  for (const std::string &variant : (*compiled)->variants())
    for (size_t i = 0; i < runs.size(); ++i) {
      HostVariables variables;
      auto found = (*compiled)->run("main", variant, 1, runs[i], variables);
      ASSERT_TRUE(found) << found.error().message();
      for (size_t r = 0; r < found->size(); ++r) {
        auto unequal = difference(expected[i][r], (*found)[r], 1e-5);
        EXPECT_FALSE(unequal) << "result " << r << ": " << *unequal;
      }
    }
}

class CpuGradientTopic : public testing::TestWithParam<std::string> {};

/// Gradients of every op, fused and encoded, against the interpreter's.
TEST_P(CpuGradientTopic, MatchesTheInterpreter) {
  for (const OpCase &opCase : opTable()) {
    if (!opCase.name.starts_with(GetParam() + "/") || !opCase.differentiable)
      continue;
    SCOPED_TRACE(opCase.name);
    GradientGraph graph;
    Status built = graph.build(opCase);
    ASSERT_TRUE(built) << built.error().message();
    if (graph.differentiated.empty())
      continue;
    Status status = differentiate(graph.graph);
    ASSERT_TRUE(status) << status.error().message();
    auto expected = graph.run();
    ASSERT_TRUE(expected) << expected.error().message();
    auto compiled = CompiledGraph::compile(graph.graph);
    if (!compiled && opCase.name.find("f64") != std::string::npos) {
      EXPECT_THAT(compiled.error().message(), testing::HasSubstr("in f64"));
      continue;
    }
    ASSERT_TRUE(compiled) << compiled.error().message();
    for (const std::string &variant : (*compiled)->variants()) {
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

INSTANTIATE_TEST_SUITE_P(OpTable, CpuGradientTopic, testing::ValuesIn(topics()),
                         [](const auto &info) { return info.param; });

} // namespace
} // namespace gptc::tests
