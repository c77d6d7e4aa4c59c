//===- PhaseRoundTripTest.cpp - Phases of graphs that are no GPT ----------===//
//
// What each phase prints parses back to the same text, and compiles on to the
// same bytes.
//
//===----------------------------------------------------------------------===//

#include "RandomGraph.h"

#include "gptc/compiler/Driver.h"
#include "gptc/compiler/Phases.h"
#include "gptc/frontend/GraphState.h"
#include "gptc/frontend/Operators.h"
#include "mlir/Parser/Parser.h"
#include "tests/support/TemporaryFolder.h"

#include <functional>
#include <gtest/gtest.h>

namespace gptc::tests {
namespace {

using Module = mlir::OwningOpRef<mlir::ModuleOp>;

/// Of a test that is failing, null.
Module parse(const std::string &text, mlir::MLIRContext *context) {
  std::string errors;
  mlir::ScopedDiagnosticHandler handler(context, [&](mlir::Diagnostic &found) {
    errors += found.str() + "\n";
    return mlir::success();
  });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, context);
  EXPECT_TRUE(module) << errors << text;
  return module;
}

/// Follows a finished graph through all phases.
void expectRoundTrips(Graph &graph,
                      const std::function<void(mlir::ModuleOp)> &each = {}) {
  mlir::ModuleOp module = moduleOf(graph);
  auto dump = Dump::create("");
  ASSERT_TRUE(dump);
  for (Phase phase : {Phase::Model, Phase::Gradient, Phase::Fused,
                      Phase::Kernels, Phase::Program}) {
    Status status = advance(module, phase, "f32", **dump);
    ASSERT_TRUE(status) << status.error().message();
    std::string text = printModule(module);
    Module parsed = parse(text, module.getContext());
    ASSERT_TRUE(parsed);
    ASSERT_EQ(printModule(*parsed), text);
    if (each)
      each(*parsed);
  }
}

class RoundTrips : public testing::TestWithParam<uint64_t> {};

TEST_P(RoundTrips, OfRandomGraphs) {
  for (uint64_t seed = GetParam(); seed < GetParam() + 50; ++seed) {
    SCOPED_TRACE(seed);
    Graph graph;
    buildRandomGraph(graph, seed, stepsFor(seed));
    Status status = graph.finish();
    ASSERT_TRUE(status) << status.error().message();
    ASSERT_NO_FATAL_FAILURE(expectRoundTrips(graph));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RoundTrips,
                         testing::Range<uint64_t>(0, 300, 50));

struct Case {
  const char *name;
  void (*build)(Graph &);
};
void PrintTo(const Case &item, std::ostream *out) { *out << item.name; }

class KernelsWithoutInputs : public testing::TestWithParam<Case> {};

TEST_P(KernelsWithoutInputs, CompileOnFromEachPhase) {
  Graph graph;
  graph.beginEntry("main");
  GetParam().build(graph);
  graph.endEntry();
  Status status = graph.finish();
  ASSERT_TRUE(status) << status.error().message();
  mlir::ModuleOp module = moduleOf(graph);
  ModuleInfo info;
  info.type = "f32";
  info.targets = {"cpu"};
  info.cpu = "x86-64-v3";
  ASSERT_TRUE(addCosts(module, info));
  attach(module, info);

  TemporaryFolder folder;
  auto artifactOf = [&](mlir::ModuleOp from) -> std::string {
    auto dump = Dump::create("");
    if (!dump)
      return dump.error().message();
    auto compiled = compileModule(from, {}, folder / "a.gptc", **dump);
    EXPECT_TRUE(compiled) << compiled.error().message();
    return folder.read("a.gptc");
  };
  Module whole = module.clone();
  std::string expected = artifactOf(*whole);
  ASSERT_FALSE(expected.empty());
  bool found = false;
  expectRoundTrips(graph, [&](mlir::ModuleOp parsed) {
    parsed.walk([&](ir::KernelOp kernel) {
      found |= kernel.getSignature().getNumInputs() == 0;
    });
    EXPECT_TRUE(artifactOf(parsed) == expected);
  });
  EXPECT_TRUE(found);
}

INSTANTIATE_TEST_SUITE_P(
    Graphs, KernelsWithoutInputs,
    testing::Values(Case{"Iota",
                         [](Graph &graph) {
                           graph.result("r", iota(graph, {3, 5}, 1));
                         }},
                    Case{"Constant",
                         [](Graph &graph) {
                           Tensor x = graph.argument("x", {DataType::F32, {7}});
                           graph.result("r", full(x, 2.5));
                         }},
                    Case{"TwoResults",
                         [](Graph &graph) {
                           graph.result("r", iota(graph, {3, 5}, 1));
                           graph.result("s", iota(graph, {3, 5}, 0));
                         }},
                    Case{"StateAssignedTwice",
                         [](Graph &graph) {
                           TensorType type{DataType::F32, {7}};
                           Tensor state = graph.cache("state", type);
                           graph.assign("state", state + state);
                           graph.assign("state", full(state, 1));
                           graph.result("r", graph.cache("state", type));
                         }},
                    Case{"GradientOfAnUnusedParameter",
                         [](Graph &graph) {
                           auto parameter = [&](const char *name) {
                             return graph.parameter(name, {DataType::F32, {5}},
                                                    Initializer::ones());
                           };
                           Tensor used = parameter("used");
                           Tensor loss = reduceSum(used * used, 0);
                           auto all =
                               gradient(loss, {used, parameter("unused")});
                           graph.result("used", all[0]);
                           graph.result("unused", all[1]);
                         }}),
    [](const auto &info) { return info.param.name; });

} // namespace
} // namespace gptc::tests
