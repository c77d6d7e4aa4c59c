//===- RandomGraphTest.cpp - Random graphs on the CPU ---------------------===//
//
// GPTC_RANDOM_SEEDS=FIRST-LAST op-tests --gtest_filter='Seeds/*' runs other
// seeds than the 300 of the test.
//
//===----------------------------------------------------------------------===//

#include "RandomGraph.h"
#include "CompiledGraph.h"
#include "GradientGraph.h"

#include "gptc/compiler/Phases.h"
#include "gptc/frontend/GraphState.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <set>

namespace gptc::tests {
namespace {

constexpr double tolerance = 2e-4;

std::string print(Graph &graph) {
  std::string text;
  llvm::raw_string_ostream out(text);
  moduleOf(graph)->print(out);
  return text;
}

/// Whether two runs gave the same, `allowed` apart; else what differs.
std::optional<std::string> compare(const HostTensors &expected,
                                   const HostVariables &expectedVariables,
                                   const HostTensors &found,
                                   const HostVariables &foundVariables,
                                   double allowed) {
  for (size_t i = 0; i < expected.size(); ++i)
    if (auto unequal = difference(expected[i], found[i], allowed))
      return fmt::format("result {}: {}", i, *unequal);
  for (const auto &[name, value] : foundVariables)
    if (auto known = expectedVariables.find(name);
        known != expectedVariables.end())
      if (auto unequal = difference(known->second, value, allowed))
        return fmt::format("variable '{}': {}", name, *unequal);
  return std::nullopt;
}

/// What is wrong with a seed's graph of so many steps, or nothing.
std::optional<std::string> findDefect(uint64_t seed, size_t steps) {
  Graph graph;
  std::vector<OpInput> inputs = buildRandomGraph(graph, seed, steps);
  if (Status status = graph.finish(); !status)
    return "the graph: " + status.error().message();
  auto [arguments, before] =
      partInputs(inputs, makeInputs(inputs, std::to_string(seed)));
  HostVariables after = before;
  auto expected = interpret(entryOf(graph), arguments, after);
  if (!expected)
    return "the interpreter: " + expected.error().message();
  auto compiled = CompiledGraph::compile(graph);
  if (!compiled)
    return "the compiler: " + compiled.error().message();
  for (const std::string &variant : (*compiled)->variants()) {
    HostVariables variables = before;
    auto found = (*compiled)->run("main", variant, 1, arguments, variables);
    if (!found)
      return variant + ": " + found.error().message();
    if (auto unequal = compare(*expected, after, *found, variables, tolerance))
      return variant + ": " + *unequal;
    // Any number of threads gives the same bits.
    HostVariables again = before;
    auto three = (*compiled)->run("main", variant, 3, arguments, again);
    if (!three)
      return variant + ": " + three.error().message();
    if (auto unequal = compare(*found, variables, *three, again, 0))
      return variant + ", three threads against one: " + *unequal;
  }
  return std::nullopt;
}

/// Fails with the fewest steps that show the defect.
void check(uint64_t seed) {
  size_t steps = stepsFor(seed);
  if (!findDefect(seed, steps))
    return;
  for (size_t fewer = 1; fewer <= steps; ++fewer)
    if (auto defect = findDefect(seed, fewer)) {
      Graph graph;
      buildRandomGraph(graph, seed, fewer);
      ADD_FAILURE() << "seed " << seed << ", " << fewer << " of " << steps
                    << " steps: " << *defect << "\n"
                    << print(graph);
      return;
    }
}

/// The seeds to run: those that the environment asks for, or 300.
struct Seeds {
  uint64_t first = 0, last = 299;

  Seeds() {
    const char *range = std::getenv("GPTC_RANDOM_SEEDS");
    const char *dash = range ? std::strchr(range, '-') : nullptr;
    if (!dash)
      return;
    first = std::strtoull(range, nullptr, 10);
    last = std::max(first, uint64_t(std::strtoull(dash + 1, nullptr, 10)));
  }
};

constexpr uint64_t seedsOfATest = 30;

/// Whether the gradients of two runs are the same in f32: of each the size of
/// the difference in parts of its own size.
std::optional<std::string> compareGradients(const HostTensors &expected,
                                            const HostTensors &found) {
  for (size_t g = 1; g < expected.size(); ++g) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < expected[g].values.size(); ++i) {
      double value = expected[g].values[i];
      difference += std::pow(found[g].values[i] - value, 2);
      size += value * value;
    }
    if (!(std::sqrt(difference) <= 1e-3 * std::sqrt(size) + 1e-5))
      return fmt::format("gradient {} is off by {:.3g} of {:.3g}", g - 1,
                         std::sqrt(difference), std::sqrt(size));
  }
  return std::nullopt;
}

/// What is wrong with the gradients of a seed's graph, or nothing.
std::optional<std::string> findGradientDefect(uint64_t seed, size_t steps) {
  GradientGraph graph;
  graph.inputs =
      buildRandomGradient(graph.graph, seed, steps, graph.differentiated);
  graph.values = makeInputs(graph.inputs, std::to_string(seed));
  if (Status status = graph.graph.finish(); !status)
    return "the graph: " + status.error().message();
  if (Status status = differentiate(graph.graph); !status)
    return "the pass: " + status.error().message();
  if (auto unequal = compareWithDifferences(graph, 1e-4))
    return "finite differences: " + *unequal;
  auto expected = graph.run();
  if (!expected)
    return "the interpreter: " + expected.error().message();
  auto compiled = CompiledGraph::compile(graph.graph);
  if (!compiled)
    return "the compiler: " + compiled.error().message();
  for (const std::string &variant : (*compiled)->variants()) {
    auto [arguments, variables] = partInputs(graph.inputs, graph.values);
    auto found = (*compiled)->run("main", variant, 1, arguments, variables);
    if (!found)
      return variant + ": " + found.error().message();
    if (auto unequal = compareGradients(*expected, *found))
      return variant + ": " + *unequal;
  }
  return std::nullopt;
}

/// Fails with the fewest steps that show a defect of the gradients.
void checkGradients(uint64_t seed) {
  size_t steps = stepsFor(seed);
  if (!findGradientDefect(seed, steps))
    return;
  for (size_t fewer = 1; fewer <= steps; ++fewer)
    if (auto defect = findGradientDefect(seed, fewer)) {
      GradientGraph graph;
      buildRandomGradient(graph.graph, seed, fewer, graph.differentiated);
      ADD_FAILURE() << "seed " << seed << ", " << fewer << " of " << steps
                    << " steps: " << *defect << "\n"
                    << print(graph.graph);
      return;
    }
}

class RandomGraph : public testing::TestWithParam<uint64_t> {};

TEST_P(RandomGraph, CpuMatchesTheInterpreter) {
  for (uint64_t i = 0; i < seedsOfATest && GetParam() + i <= Seeds().last; ++i)
    check(GetParam() + i);
}

TEST_P(RandomGraph, GradientsMatchDifferencesAndTheCpu) {
  // Differences take many runs each: every third seed.
  for (uint64_t i = 0; i < seedsOfATest && GetParam() + i <= Seeds().last;
       i += 3)
    checkGradients(GetParam() + i);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomGraph,
                         testing::Range<uint64_t>(Seeds().first,
                                                  Seeds().last + 1,
                                                  seedsOfATest));

/// The generator itself: valid graphs, the same every time, with every op.
TEST(RandomGraphs, AreReproducibleAndVaried) {
  std::set<std::string> ops;
  size_t assigned = 0, shared = 0, several = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Graph graph, again;
    buildRandomGraph(graph, seed, stepsFor(seed));
    buildRandomGraph(again, seed, stepsFor(seed));
    Status status = graph.finish();
    ASSERT_TRUE(status) << "seed " << seed << ": " << status.error().message();
    ASSERT_EQ(print(graph), print(again)) << "seed " << seed;
    moduleOf(graph).walk([&](mlir::Operation *op) {
      ops.insert(op->getName().getStringRef().str());
      assigned += llvm::isa<ir::AssignOp>(op);
      shared += op->getNumResults() == 1 && !op->getResult(0).use_empty() &&
                !op->getResult(0).hasOneUse();
    });
    several += entryOf(graph).getNumResults() > 1;
  }
  for (const char *op :
       {"gptc.matmul",     "gptc.attention",    "gptc.layer_norm",
        "gptc.softmax",    "gptc.reduce",       "gptc.gather",
        "gptc.select_row", "gptc.cache_append", "gptc.log_likelihood",
        "gptc.reshape",    "gptc.transpose",    "gptc.slice",
        "gptc.broadcast",  "gptc.cast",         "gptc.iota",
        "gptc.keep_mask",  "gptc.gelu",         "gptc.silu",
        "gptc.relu",       "arith.select",      "arith.divf",
        "math.erf"})
    EXPECT_TRUE(ops.contains(op)) << op;
  EXPECT_GT(assigned, 100u);
  EXPECT_GT(shared, 300u);
  EXPECT_GT(several, 100u);
}

} // namespace
} // namespace gptc::tests
