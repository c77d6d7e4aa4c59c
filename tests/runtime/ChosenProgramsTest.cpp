//===- ChosenProgramsTest.cpp - Loading a part of an artifact -------------===//

#include "gptc/runtime/program/ChosenPrograms.h"

#include "tests/support/CompiledModels.h"
#include "tests/support/Matchers.h"

#include <algorithm>

namespace gptc {
namespace {

class ChosenProgramsTest : public testing::Test {
protected:
  void SetUp() override {
    if (std::string reason = reasonToSkip(); !reason.empty())
      GTEST_SKIP() << reason;
    artifact = compiledModel(GPTC_SOURCE_DIR "/examples/shakespeare",
                             "--entry train_step,score --batch 2 --context 31");
    ASSERT_NE(artifact, nullptr);
  }

  std::unique_ptr<Program> load(EntryFilter entries) {
    LoadOptions options;
    options.threads = 2;
    options.entries = std::move(entries);
    auto program = Program::load(artifact, options);
    if (!program) {
      ADD_FAILURE() << program.error().message();
      return nullptr;
    }
    return std::move(*program);
  }

  std::vector<float> score(Program &program) {
    auto entry = uint32_t(artifact->findEntry("score"));
    for (size_t argument : {0, 1}) {
      auto ids = program.argumentAs<int32_t>(entry, argument);
      for (size_t i = 0; i < ids.size(); ++i)
        ids[i] = int32_t(7 * i % 500 + argument);
    }
    EXPECT_TRUE(program.run(entry));
    auto result = program.resultAs<float>(entry, 0);
    return {result.begin(), result.end()};
  }

  std::shared_ptr<const Artifact> artifact;
};

TEST_F(ChosenProgramsTest, WithoutTrainingThereIsNoStateOfIt) {
  auto whole = load({});
  auto part = load([](std::string_view name) { return name == "score"; });
  ASSERT_TRUE(whole && part);
  auto step = uint32_t(artifact->findEntry("train_step"));
  EXPECT_TRUE(whole->has(step));
  EXPECT_FALSE(part->has(step));
  EXPECT_EQ(part->weightsBytes(), whole->weightsBytes());
  EXPECT_GE(whole->stateBytes(), 2 * whole->weightsBytes() * 9 / 10);
  EXPECT_EQ(part->stateBytes(), 0U);
  EXPECT_LT(part->arenaBytes(), whole->arenaBytes());
  EXPECT_GT(part->arenaBytes(), 0U);
  EXPECT_EQ(score(*part), score(*whole));
  const auto &variables = artifact->manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i) {
    ASSERT_VALUE(auto bytes, part->readVariable(i));
    ASSERT_VALUE(auto all, whole->readVariable(i));
    if (variables[i]->role == artifact::Role::Parameter)
      EXPECT_TRUE(std::ranges::equal(bytes, all)) << variables[i]->name;
    else
      EXPECT_TRUE(bytes.empty()) << variables[i]->name;
  }
  EXPECT_TRUE(part->reset());
  EXPECT_EQ(score(*part), score(*whole));
}

TEST_F(ChosenProgramsTest, WithoutProgramsThereAreParameters) {
  auto none = load([](std::string_view) { return false; });
  ASSERT_TRUE(none);
  EXPECT_EQ(none->arenaBytes(), 0U);
  EXPECT_EQ(none->stateBytes(), 0U);
  EXPECT_GT(none->weightsBytes(), 0U);
}

TEST_F(ChosenProgramsTest, VariablesLieOneAfterTheOther) {
  const artifact::TargetT *target = artifact->findTarget("cpu");
  ChosenPrograms all(*artifact, *target, {});
  EXPECT_EQ(all.programs().size(), 2U);
  EXPECT_EQ(all.variablesBytes(), target->variables_bytes);
  ChosenPrograms some(*artifact, *target,
                      [](std::string_view name) { return name == "score"; });
  EXPECT_EQ(some.programs().size(), 1U);
  uint64_t end = 0;
  for (size_t i = 0; i < target->storages.size(); ++i) {
    EXPECT_TRUE(all.needs(i));
    EXPECT_EQ(all.offsetOf(i), target->storages[i]->offset);
    if (!some.needs(i))
      continue;
    EXPECT_EQ(some.offsetOf(i), end);
    end += (target->storages[i]->bytes + 4095) / 4096 * 4096;
  }
  EXPECT_EQ(some.variablesBytes(), end);
  EXPECT_LT(end, all.variablesBytes() / 2);
}

} // namespace
} // namespace gptc
