//===- OpTableTest.cpp - The table itself, and the interpreter on it ------===//

#include "gptc/optable/OpTable.h"
#include "gptc/frontend/GraphState.h"

#include <gmock/gmock.h>
#include <set>

namespace gptc::optable {
namespace {

class Topic : public testing::TestWithParam<std::string> {
protected:
  std::vector<const OpCase *> cases() const {
    std::vector<const OpCase *> found;
    for (const OpCase &opCase : opTable())
      if (opCase.name.starts_with(GetParam() + "/"))
        found.push_back(&opCase);
    return found;
  }
};

TEST_P(Topic, InterpreterMatchesClosedForm) {
  size_t checked = 0;
  for (const OpCase *opCase : cases()) {
    SCOPED_TRACE(opCase->name);
    Graph graph;
    Status built = buildGraph(graph, *opCase);
    ASSERT_TRUE(built) << built.error().message();
    HostTensors inputs = makeInputs(opCase->inputs, opCase->name);
    auto [arguments, variables] = partInputs(opCase->inputs, inputs);
    auto results = interpret(entryOf(graph), arguments, variables);
    ASSERT_TRUE(results) << results.error().message();
    if (!opCase->expected)
      continue;
    Expectation expected = opCase->expected(inputs);
    ASSERT_EQ(expected.size(), results->size());
    for (size_t i = 0; i < expected.size(); ++i) {
      HostTensor wanted = (*results)[i];
      wanted.values = expected[i];
      auto unequal = difference(wanted, (*results)[i], 1e-12);
      EXPECT_FALSE(unequal) << "result " << i << ": " << *unequal;
      ++checked;
    }
  }
  // These topics are about what fuses around ops that have cases of their own.
  if (GetParam() != "linear")
    EXPECT_GT(checked, 0u);
}

INSTANTIATE_TEST_SUITE_P(OpTable, Topic, testing::ValuesIn(topics()),
                         [](const auto &info) { return info.param; });

/// Element types by op of every op in the graphs of the table.
std::map<std::string, std::set<std::string>> typesByOp() {
  std::map<std::string, std::set<std::string>> types;
  for (const OpCase &opCase : opTable()) {
    Graph graph;
    if (!buildGraph(graph, opCase))
      continue;
    moduleOf(graph).walk([&](mlir::Operation *op) {
      std::set<std::string> &found = types[op->getName().getStringRef().str()];
      auto add = [&](mlir::Type type) {
        std::string text;
        llvm::raw_string_ostream(text) << mlir::getElementTypeOrSelf(type);
        found.insert(text);
      };
      for (mlir::Type type : op->getOperandTypes())
        add(type);
      for (mlir::Type type : op->getResultTypes())
        add(type);
      if (auto variable = llvm::dyn_cast<ir::VariableOp>(op))
        add(variable.getTensorType());
    });
  }
  return types;
}

TEST(OpTable, HasEveryOpOfTheModelPhase) {
  // Forms of the later phases, which no model contains, and what asks for
  // gradients, which GradientTest has.
  const std::set<std::string> later = {
      "gptc.gradient", "gptc.stop_gradient", "gptc.group",
      "gptc.yield",    "gptc.kernel",        "gptc.dispatch",
      "gptc.arena",    "gptc.storage",       "gptc.launch"};
  auto types = typesByOp();
  mlir::MLIRContext context;
  ir::loadDialects(context);
  size_t registered = 0;
  for (mlir::RegisteredOperationName op : context.getRegisteredOperations()) {
    std::string name = op.getStringRef().str();
    if (!name.starts_with("gptc.") || later.contains(name))
      continue;
    ++registered;
    EXPECT_TRUE(types.contains(name))
        << name << " is in no case of the op table; add one";
  }
  EXPECT_GE(registered, 20u);
}

TEST(OpTable, HasEveryElementType) {
  // f32 to f64 for every op of the dialect, and where it takes them i32 and
  // i1. i64 has no name in the DSL; InterpreterTest has it.
  const std::set<std::string> floats = {"f32", "bf16", "f16", "f64"};
  const std::set<std::string> all = {"f32", "bf16", "f16", "f64", "i32", "i1"};
  const std::set<std::string> anyType = {
      "gptc.broadcast", "gptc.reshape",  "gptc.transpose",
      "gptc.slice",     "gptc.cast",     "gptc.read",
      "gptc.assign",    "gptc.variable", "gptc.concat"};
  for (const auto &[op, types] : typesByOp()) {
    if (!op.starts_with("gptc.") || op == "gptc.iota" || op == "gptc.keep_mask")
      continue;
    for (const std::string &type : anyType.contains(op) ? all : floats)
      EXPECT_TRUE(types.contains(type))
          << op << " is in no case with element type " << type;
  }
}

TEST(OpTable, NamesAreUniqueAndInputsReproducible) {
  std::set<std::string> names;
  for (const OpCase &opCase : opTable()) {
    EXPECT_TRUE(names.insert(opCase.name).second)
        << opCase.name << " stands in the table twice";
    HostTensors once = makeInputs(opCase.inputs, opCase.name);
    HostTensors again = makeInputs(opCase.inputs, opCase.name);
    for (size_t i = 0; i < once.size(); ++i)
      EXPECT_FALSE(difference(once[i], again[i], 0)) << opCase.name;
  }
}

TEST(Difference, FindsTheWorstElement) {
  HostTensor expected{DataType::F32, {3}, {1, 2, 1000}};
  HostTensor found = expected;
  EXPECT_FALSE(difference(expected, found, 0));
  found.values = {1, 2.1, 1000.5};
  EXPECT_FALSE(difference(expected, found, 0.2));
  EXPECT_THAT(*difference(expected, found, 0.01),
              testing::HasSubstr("element 1 of [3], is 2.1, expected 2"));
  EXPECT_FALSE(difference(expected, found, 0.01,
                          [](size_t element) { return element != 1; }));
  found.values = {1, NAN, 1000};
  EXPECT_TRUE(difference(expected, found, 100));
  found.shape = {3, 1};
  EXPECT_TRUE(difference(expected, found, 100));
}

TEST(Difference, OverflowOfTheTypeIsOne) {
  HostTensor expected{DataType::F32, {2}, {1e39, NAN}};
  HostTensor found{DataType::F32, {2}, {INFINITY, NAN}};
  EXPECT_FALSE(difference(expected, found, 0));
  found.values[0] = -INFINITY;
  EXPECT_TRUE(difference(expected, found, 1e-3));
}

} // namespace
} // namespace gptc::optable
