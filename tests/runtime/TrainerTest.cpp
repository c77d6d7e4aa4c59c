//===- TrainerTest.cpp - Training runs and what they save -----------------===//

#include "gptc/runtime/training/Trainer.h"

#include "tests/support/CompiledModels.h"
#include "tests/support/Matchers.h"
#include "tests/support/SampleTraining.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

namespace gptc {
namespace {

namespace fs = std::filesystem;

TEST(Schedule, RisesThenFalls) {
  Schedule schedule{2, 4, Schedule::Fall::Cosine, 12, 0.1};
  EXPECT_DOUBLE_EQ(schedule.at(0), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(3), 2);
  EXPECT_DOUBLE_EQ(schedule.at(4), 2);
  EXPECT_DOUBLE_EQ(schedule.at(8), 2 * (0.1 + 0.9 * 0.5));
  EXPECT_DOUBLE_EQ(schedule.at(12), 0.2);
  EXPECT_DOUBLE_EQ(schedule.at(1000), 0.2);
  schedule.fall = Schedule::Fall::Linear;
  EXPECT_DOUBLE_EQ(schedule.at(6), 2 * (0.1 + 0.9 * 0.75));
  schedule.fall = Schedule::Fall::Constant;
  EXPECT_DOUBLE_EQ(schedule.at(11), 2);
  schedule = {3, 0, Schedule::Fall::Linear, 0, 0};
  EXPECT_DOUBLE_EQ(schedule.at(0), 3);
  EXPECT_FALSE(parseFall("steep"));
}

const std::string model = GPTC_SOURCE_DIR "/examples/shakespeare";
const std::string sizes = "--entry train_step,score --batch 2 --context 31";

class TrainerTest : public testing::Test {
protected:
  void SetUp() override {
    if (std::string reason = reasonToSkip(); !reason.empty())
      GTEST_SKIP() << reason;
    data = prepareSample(folder, model);
    options.schedule = {1e-3, 2, Schedule::Fall::Cosine, 6, 0.1};
    options.load.threads = 2;
  }

  Expected<std::unique_ptr<Trainer>>
  create(std::shared_ptr<const Artifact> artifact) {
    return Trainer::create(std::move(artifact), options,
                           preparedBatches(data, seed));
  }

  /// A trainer into the folder `name`; null after a failure.
  std::unique_ptr<Trainer> open(const std::string &name, bool resume = false,
                                const std::string &extra = "") {
    auto artifact = compiledModel(model, sizes + extra);
    if (!artifact)
      return nullptr;
    options.output = folder / name;
    options.resume = resume;
    fs::create_directories(options.output);
    auto trainer = create(artifact);
    if (!trainer) {
      ADD_FAILURE() << trainer.error().message();
      return nullptr;
    }
    return std::move(*trainer);
  }

  std::string stateOf(const std::string &name, uint64_t step,
                      const std::string &file) {
    auto text = readTextFile(statePath(folder / name, step) + "/" + file);
    EXPECT_TRUE(text) << text.error().message();
    return text ? *text : "";
  }

  TemporaryFolder folder;
  std::string data;
  uint64_t seed = 0;
  TrainerOptions options;
};

TEST_F(TrainerTest, LearnsAndIsTheSameWhenItGoesOn) {
  auto whole = open("whole");
  ASSERT_NE(whole, nullptr);
  EXPECT_EQ(whole->tokensPerStep(), 62U);
  ASSERT_VALUE(auto before, whole->validate(100));
  ASSERT_TRUE(before);
  std::vector<double> losses;
  for (uint64_t step = 1; step <= 6; ++step) {
    ASSERT_VALUE(TrainedStep done, whole->train());
    EXPECT_EQ(done.step, step);
    EXPECT_FLOAT_EQ(float(done.learningRate),
                    float(options.schedule.at(step - 1)));
    losses.push_back(done.loss);
  }
  EXPECT_LT(losses.back(), losses.front() - 0.3);
  ASSERT_VALUE(auto after, whole->validate(100));
  EXPECT_LT(after->loss, before->loss - 0.3);
  ASSERT_SUCCESS(whole->save());

  for (const char *embed : {"", " --embed-weights"}) {
    std::string name = *embed ? "embedded" : "broken";
    for (int part = 0; part < 3; ++part) {
      auto trainer = open(name, part > 0, embed);
      ASSERT_NE(trainer, nullptr);
      EXPECT_EQ(trainer->step(), uint64_t(part) * 2);
      for (int step = 0; step < 2; ++step) {
        ASSERT_VALUE(TrainedStep done, trainer->train());
        EXPECT_EQ(done.loss, losses[size_t(part * 2 + step)]);
      }
      ASSERT_SUCCESS(trainer->save());
    }
    for (const char *file : {"model.safetensors", "optimizer.safetensors"})
      EXPECT_EQ(stateOf(name, 6, file), stateOf("whole", 6, file)) << file;
    // The two newest stay.
    EXPECT_FALSE(fs::exists(statePath(folder / name, 2)));
    EXPECT_TRUE(fs::exists(statePath(folder / name, 4)));
  }
}

TEST_F(TrainerTest, StatesAreCheckpoints) {
  auto trainer = open("run");
  ASSERT_NE(trainer, nullptr);
  ASSERT_TRUE(trainer->train());
  ASSERT_SUCCESS(trainer->save());
  ASSERT_VALUE(auto loss, trainer->validate(100));
  // Compiled anew, the saved model scores as the one that was trained.
  auto artifact = compiledModel(statePath(folder / "run", 1), sizes);
  ASSERT_NE(artifact, nullptr);
  options.output = folder / "next";
  fs::create_directories(options.output);
  ASSERT_VALUE(auto next, create(artifact));
  ASSERT_VALUE(auto again, next->validate(100));
  EXPECT_EQ(again->loss, loss->loss);
}

TEST_F(TrainerTest, SummedBatchesAreOneLargeBatch) {
  auto large =
      compiledModel(model, "--entry train_step,score --batch 6 --context 31");
  auto small = compiledModel(model, "--entry train_step,accumulate_gradients,"
                                    "score --batch 2 --context 31");
  ASSERT_NE(large, nullptr);
  ASSERT_NE(small, nullptr);
  auto into = [&](const auto &artifact, uint64_t accumulate,
                  const std::string &name) {
    options.accumulate = accumulate;
    options.output = folder / name;
    fs::create_directories(options.output);
    return create(artifact);
  };
  ASSERT_VALUE(auto whole, into(large, 1, "whole"));
  ASSERT_VALUE(auto summed, into(small, 3, "summed"));
  EXPECT_EQ(summed->tokensPerStep(), whole->tokensPerStep());
  for (int step = 0; step < 3; ++step) {
    ASSERT_VALUE(TrainedStep a, whole->train());
    ASSERT_VALUE(TrainedStep b, summed->train());
    EXPECT_EQ(a.tokens, b.tokens);
    EXPECT_NEAR(double(b.flops), double(a.flops), 0.1 * double(a.flops));
    EXPECT_NEAR(a.loss, b.loss, 1e-5 * a.loss) << step;
    EXPECT_NEAR(a.gradientNorm, b.gradientNorm, 1e-4 * a.gradientNorm) << step;
    if (step == 1)
      ASSERT_SUCCESS(summed->save());
    if (step < 2)
      continue;
    // The sums begin anew with each step: none is saved.
    options.resume = true;
    ASSERT_VALUE(auto again, into(small, 3, "summed"));
    EXPECT_EQ(again->step(), 2U);
    ASSERT_VALUE(TrainedStep c, again->train());
    EXPECT_EQ(c.loss, b.loss);
    EXPECT_EQ(c.gradientNorm, b.gradientNorm);
    EXPECT_THAT(into(small, 2, "summed"),
                FailsWith(ErrorCode::InvalidArgument, "with accumulate 3"));
    options.resume = false;
  }
  // With one batch a step the sums stay zero.
  ASSERT_VALUE(auto single, into(small, 1, "single"));
  ASSERT_VALUE(TrainedStep alone, single->train());
  auto plain = open("plain");
  ASSERT_NE(plain, nullptr);
  options.accumulate = 1;
  ASSERT_VALUE(TrainedStep expected, plain->train());
  EXPECT_NEAR(alone.gradientNorm, expected.gradientNorm,
              1e-5 * expected.gradientNorm);
  EXPECT_THAT(into(large, 2, "none"),
              FailsWith(ErrorCode::NotFound, "no entry accumulate_gradients"));
}

/// A run of growing steps sees each batch once, also where it goes on.
TEST_F(TrainerTest, StepsGrowWithTheTokensSeen) {
  auto artifact = compiledModel(model, "--entry train_step,accumulate_gradients"
                                       ",score --batch 2 --context 31");
  ASSERT_NE(artifact, nullptr);
  options.accumulate = 3;
  options.growth = {62, 248};
  options.output = folder / "run";
  fs::create_directories(options.output);
  ASSERT_VALUE(auto trainer, create(artifact));
  EXPECT_EQ(trainer->tokensPerStep(), 186U);
  std::vector<TrainedStep> steps;
  for (int i = 0; i < 5; ++i) {
    ASSERT_VALUE(TrainedStep step, trainer->train());
    steps.push_back(step);
    if (i == 2)
      ASSERT_SUCCESS(trainer->save());
  }
  std::vector<uint64_t> tokens;
  for (const TrainedStep &step : steps)
    tokens.push_back(step.tokens);
  EXPECT_THAT(tokens, testing::ElementsAre(62, 62, 124, 186, 186));
  EXPECT_LT(steps[0].flops, steps[2].flops);
  EXPECT_LT(steps[2].flops, steps[3].flops);
  options.resume = true;
  ASSERT_VALUE(auto again, create(artifact));
  for (size_t i = 3; i < 5; ++i) {
    ASSERT_VALUE(TrainedStep step, again->train());
    EXPECT_EQ(step.tokens, steps[i].tokens);
    EXPECT_EQ(step.loss, steps[i].loss);
    EXPECT_EQ(step.gradientNorm, steps[i].gradientNorm);
  }
  options.growth.overTokens = 0;
  EXPECT_THAT(create(artifact),
              FailsWith(ErrorCode::InvalidArgument, "with growth_tokens 248"));
}

/// A norm that no gradient reaches is none: the same bits, in less memory.
TEST_F(TrainerTest, WithoutClippingGradientsAreConsumedAsTheyAreMade) {
  auto train = [&](const std::string &clip, const std::string &name) {
    auto artifact = compiledModel(
        model, "--entry train_step --batch 2 --context 31 --clip " + clip);
    options.output = folder / name;
    fs::create_directories(options.output);
    return create(artifact);
  };
  ASSERT_VALUE(auto clipped, train("1e9", "clipped"));
  ASSERT_VALUE(auto free, train("0", "free"));
  EXPECT_LT(free->program().arenaBytes(), clipped->program().arenaBytes());
  for (int step = 0; step < 3; ++step) {
    ASSERT_VALUE(TrainedStep a, clipped->train());
    ASSERT_VALUE(TrainedStep b, free->train());
    EXPECT_EQ(a.loss, b.loss);
    EXPECT_EQ(a.gradientNorm, b.gradientNorm);
  }
}

TEST_F(TrainerTest, TheBestStateStays) {
  options.keep = 1;
  auto trainer = open("run");
  ASSERT_NE(trainer, nullptr);
  ASSERT_VALUE(uint64_t none, bestState(options.output));
  EXPECT_EQ(none, 0U);
  const std::optional<double> losses[] = {5.0, 3.0, std::nullopt, 3.0, 4.5};
  for (std::optional<double> loss : losses) {
    ASSERT_TRUE(trainer->train());
    ASSERT_SUCCESS(trainer->save(loss));
  }
  ASSERT_VALUE(uint64_t best, bestState(options.output));
  EXPECT_EQ(best, 2U); // Of equal ones the earlier.
  for (uint64_t step : {1, 3, 4})
    EXPECT_FALSE(fs::exists(statePath(options.output, step))) << step;
  for (uint64_t step : {2, 5})
    EXPECT_TRUE(fs::exists(statePath(options.output, step))) << step;
}

/// As where a run was killed while it removed an old state.
TEST_F(TrainerTest, WhatIsHalfRemovedIsNoStateAndGoesAway) {
  options.keep = 1;
  auto trainer = open("run");
  ASSERT_NE(trainer, nullptr);
  ASSERT_TRUE(trainer->train());
  ASSERT_SUCCESS(trainer->save());
  std::string left = options.output + "/.removed";
  fs::create_directory(left);
  std::ofstream(left + "/model.safetensors") << "half";
  ASSERT_VALUE(uint64_t best, bestState(options.output));
  EXPECT_EQ(best, 0U);
  for (int step = 0; step < 2; ++step) {
    ASSERT_TRUE(trainer->train());
    ASSERT_SUCCESS(trainer->save());
    EXPECT_FALSE(fs::exists(left));
  }
  ASSERT_VALUE(uint64_t newest, newestState(options.output));
  EXPECT_EQ(newest, 3U);
  EXPECT_FALSE(fs::exists(statePath(options.output, 2)));
}

TEST_F(TrainerTest, AStateThatIsDamagedIsNotGoneOnFrom) {
  for (const char *name : {"model.safetensors", "optimizer.safetensors"}) {
    auto trainer = open(name);
    ASSERT_NE(trainer, nullptr);
    for (int step = 0; step < 2; ++step) {
      ASSERT_TRUE(trainer->train());
      ASSERT_SUCCESS(trainer->save());
    }
    // One bit in the middle of the data.
    std::string path = statePath(options.output, 2) + "/" + name;
    auto size = std::streamoff(fs::file_size(path));
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(size * 3 / 4);
      auto byte = char(file.get() ^ 1);
      file.seekp(size * 3 / 4);
      file.put(byte);
    }
    options.resume = true;
    auto artifact = compiledModel(model, sizes);
    EXPECT_THAT(create(artifact),
                FailsWith(ErrorCode::Corrupt, "is not what was saved; remove"));
    for (const char *record : {"{", "[]"}) {
      std::ofstream(statePath(options.output, 2) + "/training.json") << record;
      EXPECT_THAT(create(artifact),
                  FailsWith(ErrorCode::Corrupt, "is no record of a state; "
                                                "remove '"));
    }
    fs::remove(statePath(options.output, 2) + "/training.json");
    EXPECT_THAT(create(artifact), FailsWith(ErrorCode::NotFound,
                                            "go on from the state before it"));
    fs::remove_all(statePath(options.output, 2));
    ASSERT_VALUE(auto again, create(artifact));
    EXPECT_EQ(again->step(), 1U);
  }
}

TEST_F(TrainerTest, EveryNumberOfThreadsGivesTheSameBits) {
  std::string first;
  for (unsigned threads : {1U, 3U}) {
    options.load.threads = threads;
    std::string name = std::to_string(threads);
    auto trainer = open(name);
    ASSERT_NE(trainer, nullptr);
    for (int step = 0; step < 2; ++step)
      ASSERT_TRUE(trainer->train());
    ASSERT_SUCCESS(trainer->save());
    std::string weights = stateOf(name, 2, "model.safetensors");
    if (first.empty())
      first = weights;
    EXPECT_TRUE(weights == first);
  }
}

TEST_F(TrainerTest, StopsWhereNumbersEnd) {
  options.schedule = {1e30, 0, Schedule::Fall::Constant, 10, 1};
  auto trainer = open("wild");
  ASSERT_NE(trainer, nullptr);
  ASSERT_TRUE(trainer->train());
  ASSERT_SUCCESS(trainer->save());
  auto second = trainer->train();
  ASSERT_FALSE(second);
  std::string message = second.error().message();
  EXPECT_NE(message.find("step 2 made a "), std::string::npos) << message;
  EXPECT_NE(message.find(" of NaN, and left no finite numbers in '"),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("the last good state is"), std::string::npos);
}

TEST_F(TrainerTest, StopsWhereValidationMakesNoNumber) {
  options.schedule = {1e38, 0, Schedule::Fall::Constant, 10, 1};
  auto trainer = open("wild");
  ASSERT_NE(trainer, nullptr);
  ASSERT_TRUE(trainer->train());
  auto validation = trainer->validate(100);
  ASSERT_FALSE(validation);
  EXPECT_NE(
      validation.error().message().find("step 1 made a validation loss of NaN, "
                                        "and left no finite numbers in '"),
      std::string::npos)
      << validation.error().message();
}

TEST_F(TrainerTest, WeightsThatAreNoNumbersAreNotSaved) {
  auto trainer = open("spoilt");
  ASSERT_NE(trainer, nullptr);
  ASSERT_TRUE(trainer->train());
  ASSERT_SUCCESS(trainer->save());
  ASSERT_TRUE(trainer->train());
  const auto &variables = trainer->program().artifact().manifest().variables;
  auto bias = std::find_if(variables.begin(), variables.end(),
                           [](const auto &variable) {
                             return variable->name == "h.1.mlp.c_fc.bias";
                           });
  ASSERT_NE(bias, variables.end());
  std::vector<float> values((*bias)->shape[0]);
  values[5] = -std::numeric_limits<float>::infinity();
  ASSERT_SUCCESS(trainer->program().writeVariable(
      size_t(bias - variables.begin()), std::as_bytes(std::span(values))));
  auto saved = trainer->save();
  ASSERT_FALSE(saved);
  EXPECT_NE(saved.error().message().find(
                "step 2 left no finite numbers in 'h.1.mlp.c_fc.bias'; the "
                "last good state is '" +
                statePath(options.output, 1) + "'"),
            std::string::npos)
      << saved.error().message();
  ASSERT_VALUE(uint64_t newest, newestState(options.output));
  EXPECT_EQ(newest, 1U);
}

TEST_F(TrainerTest, AStateThatCannotBeWrittenSaysWhatRemains) {
  auto trainer = open("full");
  ASSERT_NE(trainer, nullptr);
  ASSERT_TRUE(trainer->train());
  ASSERT_SUCCESS(trainer->save());
  ASSERT_TRUE(trainer->train());
  // A file in the place of the folder that the state is to be.
  std::ofstream(statePath(options.output, 2)) << "mine";
  auto saved = trainer->save();
  ASSERT_FALSE(saved);
  EXPECT_NE(saved.error().message().find("the last good state is '"),
            std::string::npos)
      << saved.error().message();
}

TEST_F(TrainerTest, ErrorsNameWhatIsWrong) {
  auto expectError = [&](std::shared_ptr<const Artifact> artifact,
                         const std::string &part) {
    ASSERT_NE(artifact, nullptr);
    auto trainer = create(std::move(artifact));
    ASSERT_FALSE(trainer) << part;
    EXPECT_NE(trainer.error().message().find(part), std::string::npos)
        << trainer.error().message();
  };
  options.output = folder / "";
  auto artifact = compiledModel(model, sizes);
  expectError(compiledModel(model, "--entry score"), "has no entry train_step");
  expectError(compiledModel(goldenModel("gpt2-wide"),
                            "--entry train_step --dtype f32 --context 31"),
              "prepare it with the model's own tokenizer");
  std::string there = std::exchange(data, folder / "nowhere");
  expectError(artifact, "nowhere");
  data = there;

  auto trainer = open("other");
  ASSERT_NE(trainer, nullptr);
  ASSERT_TRUE(trainer->train());
  ASSERT_SUCCESS(trainer->save());
  options.resume = true;
  seed = 5;
  expectError(artifact, "was saved with seed 0, and this run has 5");
  seed = 0;
  fs::resize_file(statePath(options.output, 1) + "/optimizer.safetensors", 99);
  expectError(artifact, "optimizer.safetensors");
}

} // namespace
} // namespace gptc
