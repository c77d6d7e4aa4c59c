//===- GradientTest.cpp - Gradients against finite differences ------------===//

#include "GradientGraph.h"

#include "gptc/frontend/GraphState.h"

#include <gmock/gmock.h>
#include <set>

namespace gptc::tests {
namespace {

using testing::HasSubstr;

class GradientTopic : public testing::TestWithParam<std::string> {};

TEST_P(GradientTopic, MatchesFiniteDifferences) {
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
    auto unequal =
        compareWithDifferences(graph, roundedTolerance(opCase, 1e-6));
    EXPECT_FALSE(unequal) << *unequal;
  }
}

INSTANTIATE_TEST_SUITE_P(OpTable, GradientTopic, testing::ValuesIn(topics()),
                         [](const auto &info) { return info.param; });

TEST(Gradients, EveryOpHasOneOrIsKnownToHaveNone) {
  // State, indices, what gradients are made of and asked for with, and the
  // forms of later phases.
  const std::set<std::string> without = {
      "gptc.variable",    "gptc.read",
      "gptc.assign",      "gptc.cache_append",
      "gptc.iota",        "gptc.keep_mask",
      "gptc.scatter_add", "gptc.attention_backward",
      "gptc.gradient",    "gptc.stop_gradient",
      "gptc.group",       "gptc.yield",
      "gptc.kernel",      "gptc.dispatch",
      "gptc.arena",       "gptc.storage",
      "gptc.launch",      "gptc.top_k"};
  // Steps, and integers.
  const std::set<std::string> upstream = {
      "arith.addf", "arith.subf",     "arith.mulf",     "arith.divf",
      "arith.negf", "arith.maximumf", "arith.minimumf", "arith.select",
      "math.absf",  "math.exp",       "math.log",       "math.tanh",
      "math.erf",   "math.sqrt",      "math.rsqrt",     "tensor.splat"};
  mlir::MLIRContext context;
  ir::loadDialects(context);
  size_t differentiable = 0;
  for (mlir::RegisteredOperationName op : context.getRegisteredOperations()) {
    std::string name = op.getStringRef().str();
    bool has = op.hasInterface<ir::DifferentiableOp>();
    if (name.starts_with("gptc.")) {
      EXPECT_EQ(has, !without.contains(name)) << name;
      differentiable += has;
    } else {
      EXPECT_EQ(has, upstream.contains(name)) << name;
    }
  }
  EXPECT_GE(differentiable, 15u);
}

/// Builds @main, one argument x of [3], from an expression for the loss.
struct SmallGraph {
  Graph graph;
  Tensor x;
  SmallGraph() {
    graph.beginEntry("main");
    x = graph.argument("x", {DataType::F32, {3}});
  }
  Expected<HostTensors> run(const std::vector<Tensor> &results) {
    for (size_t i = 0; i < results.size(); ++i)
      graph.result("r" + std::to_string(i), results[i]);
    graph.endEntry();
    GPTC_CHECK(graph.finish());
    GPTC_CHECK(differentiate(graph));
    HostVariables variables;
    return interpret(entryOf(graph), {{DataType::F32, {3}, {1, 2, 3}}},
                     variables);
  }
  std::string errorOf(const std::vector<Tensor> &results) {
    auto found = run(results);
    return found ? "no error" : found.error().message();
  }
};

TEST(Gradients, SumOverBranchesAndStopWhereTold) {
  SmallGraph small;
  Tensor x = small.x;
  // x³ + x·stop(x): 3x² + x.
  Tensor loss = reduceSum(x * x * x + x * stopGradient(x), 0);
  auto found = small.run(gradient(loss, {x}));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_THAT((*found)[0].values, testing::ElementsAre(4, 14, 30));
}

TEST(Gradients, SeveralLossesAndUnusedValues) {
  SmallGraph small;
  Tensor x = small.x;
  Tensor unused = small.graph.argument("unused", {DataType::F32, {2, 1}});
  Tensor first = reduceSum(x * x, 0), second = reduceSum(exp(scale(x, 0)), 0);
  std::vector<Tensor> results = gradient(first, {x, unused});
  results.push_back(gradient(second + first, {x})[0]);
  for (size_t i = 0; i < results.size(); ++i)
    small.graph.result("r" + std::to_string(i), results[i]);
  small.graph.endEntry();
  ASSERT_TRUE(small.graph.finish());
  ASSERT_TRUE(differentiate(small.graph));
  HostVariables variables;
  auto found = interpret(
      entryOf(small.graph),
      {{DataType::F32, {3}, {1, 2, 3}}, {DataType::F32, {2, 1}, {5, 7}}},
      variables);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_THAT((*found)[0].values, testing::ElementsAre(2, 4, 6));
  EXPECT_EQ((*found)[1], (HostTensor{DataType::F32, {2, 1}, {0, 0}}));
  EXPECT_THAT((*found)[2].values, testing::ElementsAre(2, 4, 6));
}

TEST(Gradients, ByAnIntermediateValueAndWhatItIsMadeOf) {
  SmallGraph small;
  Tensor y = small.x * small.x;
  Tensor loss = reduceSum(y * y, 0);
  auto found = small.run(gradient(loss, {y, small.x, loss}));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_THAT((*found)[0].values, testing::ElementsAre(2, 8, 18));
  EXPECT_THAT((*found)[1].values, testing::ElementsAre(4, 32, 108));
  EXPECT_THAT((*found)[2].values, testing::ElementsAre(1));
}

TEST(Gradients, OpsKeepTheScopeOfWhatTheyDifferentiate) {
  SmallGraph small;
  Tensor y;
  {
    Scope scope(small.graph, "inner");
    y = tanh(small.x);
  }
  ASSERT_TRUE(small.run(gradient(reduceSum(y, 0), {small.x})));
  size_t inner = 0;
  entryOf(small.graph).walk([&](mlir::Operation *op) {
    EXPECT_FALSE((llvm::isa<ir::GradientOp, ir::StopGradientOp>(op)));
    inner += ir::scopeOf(op->getLoc()) == "inner";
  });
  EXPECT_GE(inner, 4u);
}

TEST(Gradients, TheLossIsOneNumber) {
  SmallGraph small;
  EXPECT_THAT(small.errorOf(gradient(small.x, {small.x})),
              HasSubstr("gradient: the loss must be a floating point tensor "
                        "[], found f32[3]; reduce it to one number"));
}

TEST(Gradients, OnlyOfFloatingPointTensors) {
  SmallGraph small;
  Tensor index = small.graph.argument("i", {DataType::I32, {5}});
  EXPECT_THAT(small.errorOf(gradient(reduceSum(small.x, 0), {small.x, index})),
              HasSubstr("gradient: parameter 1 is i32[5]; only floating point "
                        "tensors have gradients"));
}

TEST(Gradients, ThereIsNoSecondDerivative) {
  SmallGraph small;
  Tensor x = small.x;
  Tensor first = gradient(reduceSum(x * x, 0), {x})[0];
  EXPECT_THAT(small.errorOf(gradient(reduceSum(first, 0), {x})),
              HasSubstr("is a gradient itself: there are no second "
                        "derivatives"));
}

TEST(Gradients, AConstantGradientIsNoSecondDerivative) {
  SmallGraph small;
  Tensor x = small.x;
  Tensor first = gradient(reduceSum(x * x, 0), {x})[0];
  auto found = small.run(gradient(reduceSum(x * stopGradient(first), 0), {x}));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_THAT((*found)[0].values, testing::ElementsAre(2, 4, 6));
}

TEST(Gradients, OfWhatHasNoneAreAnErrorWithTheScope) {
  SmallGraph small;
  TensorType type{DataType::F32, {1, 1, 3, 1}};
  Tensor cache = small.graph.argument("cache", type);
  Tensor at = small.graph.argument("at", {DataType::I32, {1}});
  Tensor grown;
  {
    Scope scope(small.graph, "h.0/attn");
    grown = cacheAppend(cache, reshape(small.x, {1, 1, 3, 1}), at, at);
  }
  Tensor loss = reduceSum(reshape(grown, {3}), 0);
  EXPECT_THAT(small.errorOf(gradient(loss, {small.x})),
              HasSubstr("gradient: gptc.cache_append in 'h.0/attn' stands "
                        "between the loss and a parameter, and is not "
                        "differentiable; stopGradient makes what it gives a "
                        "constant"));
}

} // namespace
} // namespace gptc::tests
