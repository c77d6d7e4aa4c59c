//===- ReferenceRunnerTest.cpp - Initial values on the oracle -------------===//

#include "gptc/compiler/ReferenceRunner.h"
#include "gptc/compiler/Driver.h"
#include "gptc/frontend/Operators.h"
#include "gptc/runtime/program/Program.h"
#include "tests/support/Matchers.h"
#include "tests/support/TemporaryFolder.h"

#include <gtest/gtest.h>

namespace gptc::tests {
namespace {

/// What an entry gives of parameters, as the CPU stores them.
TEST(ReferenceRunner, ParametersOfAllTypesBeginAsOnTheCpu) {
  Graph graph;
  graph.beginEntry("main");
  for (DataType type : {DataType::F32, DataType::BF16, DataType::F16}) {
    std::string name(toString(type));
    TensorType vector{type, {7}};
    // Numbers that 16 bits do not hold.
    graph.result(name + ".constant",
                 graph.parameter(name + ".constant", vector,
                                 Initializer::constant(1.0 / 3)));
    Tensor drawn =
        graph.parameter(name + ".normal", vector, Initializer::normal(0.1, 2));
    graph.result(name + ".normal", drawn);
    graph.result(name + ".wide", cast(drawn, DataType::F32));
  }
  graph.endEntry();

  TemporaryFolder folder;
  auto compiled =
      compileGraph(graph, "f32", 5, folder / "a.gptc", {"cpu", "reference"});
  ASSERT_TRUE(compiled) << compiled.error().message();
  ASSERT_VALUE(auto artifact, Artifact::open(folder / "a.gptc"));
  ASSERT_VALUE(auto program, Program::load(artifact, {}));
  ASSERT_TRUE(program->run(0));
  ASSERT_VALUE(auto reference, openReference(*artifact, ""));
  ASSERT_VALUE(auto results, reference->run("main", {}, nullptr));
  const auto &expected = artifact->manifest().entries[0]->results;
  ASSERT_EQ(results.size(), expected.size());
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].type, toDataType(expected[i]->type));
    auto bytes = program->result(0, i);
    ASSERT_LE(results[i].bytes.size(), bytes.size());
    EXPECT_TRUE(std::equal(results[i].bytes.begin(), results[i].bytes.end(),
                           bytes.begin()))
        << expected[i]->name;
  }
}

} // namespace
} // namespace gptc::tests
