//===- CpuBackendTest.cpp - The table of ops on the CPU -------------------===//

#include "CpuRun.h"

#include <gtest/gtest.h>

namespace gptc::tests {
namespace {

class CpuTopic : public testing::TestWithParam<std::string> {};

/// Compares a run of a case with the interpreter's.
void expectSame(const OpCase &opCase) {
  SCOPED_TRACE(opCase.name);
  Graph graph;
  Status built = buildGraph(graph, opCase);
  ASSERT_TRUE(built) << built.error().message();
  HostTensors inputs = makeInputs(opCase.inputs, opCase.name);
  auto [arguments, before] = partInputs(opCase.inputs, inputs);
  HostVariables after = before;
  auto expected = interpret(entryOf(graph), arguments, after);
  ASSERT_TRUE(expected) << expected.error().message();

  auto compiled = CompiledGraph::compile(graph);
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
          difference((*expected)[i], (*found)[i], opCase.tolerance, matters);
      EXPECT_FALSE(unequal) << "result " << i << ": " << *unequal;
    }
    for (const auto &[name, value] : variables) {
      auto unequal = difference(after[name], value, opCase.tolerance);
      EXPECT_FALSE(unequal) << "variable '" << name << "': " << *unequal;
    }
  }
}

TEST_P(CpuTopic, MatchesTheInterpreter) {
  for (const OpCase &opCase : opTable())
    if (opCase.name.starts_with(GetParam() + "/") && opCase.isSinglePrecision())
      expectSame(opCase);
}

INSTANTIATE_TEST_SUITE_P(OpTable, CpuTopic, testing::ValuesIn(topics()),
                         [](const auto &info) { return info.param; });

} // namespace
} // namespace gptc::tests
