//===- CpuBackendTest.cpp - The table of ops on the CPU -------------------===//

#include "CpuRun.h"

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

} // namespace
} // namespace gptc::tests
