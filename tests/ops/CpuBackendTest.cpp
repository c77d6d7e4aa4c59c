//===- CpuBackendTest.cpp - The table of ops on the CPU -------------------===//

#include "BackendComparison.h"
#include "GradientGraph.h"

#include <gmock/gmock.h>

namespace gptc::tests {
namespace {

class CpuTopic : public testing::TestWithParam<std::string> {};

TEST_P(CpuTopic, MatchesTheInterpreter) { expectTopic({GetParam()}, "cpu"); }

INSTANTIATE_TEST_SUITE_P(OpTable, CpuTopic, testing::ValuesIn(topics()),
                         [](const auto &info) { return info.param; });

class CpuNarrowTopic : public testing::TestWithParam<std::string> {};

/// Operands of products are rounded: what is left to see are errors of layout
/// and of order, which are larger than those of rounding.
TEST_P(CpuNarrowTopic, ProductsInBf16MatchTheInterpreter) {
  expectNarrowTopic({GetParam()}, "cpu", "bf16");
}

TEST_P(CpuNarrowTopic, ProductsInF16MatchTheInterpreter) {
  expectNarrowTopic({GetParam()}, "cpu", "f16");
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

/// Rows of odd length in bf16, whose last step has no second of its pair: what
/// lies behind a row, the next one's infinity, is none of its business.
TEST(CpuProducts, OddRowsReadNothingBehindThem) {
  for (int64_t depth : {5, 523}) {
    Graph graph;
    graph.beginEntry("main");
    Tensor x = graph.argument("x", {DataType::BF16, {7, depth}});
    Tensor y = graph.argument("y", {DataType::BF16, {depth, 3}});
    graph.result("product", matmul(x, y));
    graph.endEntry();
    ASSERT_TRUE(graph.finish());
    HostTensor left{DataType::BF16, {7, depth}, {}};
    left.values.assign(size_t(7 * depth), 1);
    for (size_t row = 1; row < 7; row += 2)
      left.values[row * size_t(depth)] =
          std::numeric_limits<double>::infinity();
    HostTensor right{DataType::BF16, {depth, 3}, {}};
    right.values.assign(size_t(3 * depth), 1);
    auto compiled = CompiledGraph::compile(graph, "bf16");
    ASSERT_TRUE(compiled) << compiled.error().message();
    for (const std::string &variant : (*compiled)->variants()) {
      HostVariables variables;
      auto found =
          (*compiled)->run("main", variant, 1, {left, right}, variables);
      ASSERT_TRUE(found) << found.error().message();
      // 523 is 522 or 524 in bf16.
      for (size_t row = 0; row < 7; row += 2)
        for (size_t column = 0; column < 3; ++column)
          EXPECT_NEAR((*found)[0].values[row * 3 + column], double(depth), 2)
              << variant << " row " << row;
    }
  }
}

class CpuGradientTopic : public testing::TestWithParam<std::string> {};

/// Gradients of every op, fused and encoded, against the interpreter's.
TEST_P(CpuGradientTopic, MatchesTheInterpreter) {
  expectGradients({GetParam()}, "cpu");
}

INSTANTIATE_TEST_SUITE_P(OpTable, CpuGradientTopic, testing::ValuesIn(topics()),
                         [](const auto &info) { return info.param; });

} // namespace
} // namespace gptc::tests
