//===- VulkanTrainerTest.cpp - Training on the devices that are there -----===//

#include "gptc/backends/vulkan/runtime/Api.h"
#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "gptc/backends/vulkan/runtime/VulkanProgram.h"
#include "gptc/runtime/training/Trainer.h"
#include "tests/support/CompiledModels.h"
#include "tests/support/Matchers.h"
#include "tests/support/SampleTraining.h"
#include "tests/vulkan/Driver.h"

#include <gmock/gmock.h>

namespace gptc::vulkan {
namespace {

const std::string model = GPTC_SOURCE_DIR "/examples/shakespeare";

/// Stands in for vkQueueSubmit once the device is to be lost.
struct LostDevice {
  static inline bool lost = false;
  static inline PFN_vkQueueSubmit original = nullptr;
  static VkResult VKAPI_PTR submit(VkQueue queue, uint32_t count,
                                   const VkSubmitInfo *infos, VkFence fence) {
    return lost ? VK_ERROR_DEVICE_LOST : original(queue, count, infos, fence);
  }
  static void intercept(Api &api) {
    if (!api.vkQueueSubmit || api.vkQueueSubmit == submit)
      return;
    original = api.vkQueueSubmit;
    api.vkQueueSubmit = submit;
  }
};

class VulkanTrainer : public testing::Test {
protected:
  void SetUp() override {
    if (std::string reason = reasonToSkip(); !reason.empty())
      GTEST_SKIP() << reason;
    if (std::string reason = vulkan::reasonWithoutDevice(); !reason.empty())
      GTEST_SKIP() << reason;
    data = prepareSample(folder, model);
    options.schedule = {1e-3, 2, Schedule::Fall::Cosine, 6, 0.1};
    options.load.threads = 2;
  }

  /// A trainer on the CPU or on Vulkan; null after a failure.
  std::unique_ptr<Trainer> open(const std::string &name, bool onDevice,
                                bool resume = false) {
    auto artifact = compiledModel(model, "--target cpu,vulkan --entry "
                                         "train_step,score --batch 2 "
                                         "--context 31 --dropout 0.1");
    if (!artifact)
      return nullptr;
    TrainerOptions with = options;
    with.output = folder / name;
    with.resume = resume;
    std::filesystem::create_directories(with.output);
    if (onDevice)
      with.loader = [this](std::shared_ptr<const Artifact> artifact,
                           const LoadOptions &load) {
        VulkanOptions vulkan;
        vulkan.checkpoint = load.checkpoint;
        vulkan.threads = load.threads;
        vulkan.cacheFolder = folder / "cache";
        vulkan.fill = 0xffffffff;
        vulkan.intercept = LostDevice::intercept;
        return loadVulkanProgram(std::move(artifact), vulkan);
      };
    auto trainer = Trainer::create(artifact, with, preparedBatches(data, 0));
    if (!trainer) {
      ADD_FAILURE() << trainer.error().message();
      return nullptr;
    }
    return std::move(*trainer);
  }

  TemporaryFolder folder;
  std::string data;
  TrainerOptions options;
};

TEST_F(VulkanTrainer, LearnsAsTheCpuDoesAndGoesOn) {
  auto cpu = open("cpu", false), whole = open("whole", true);
  ASSERT_TRUE(cpu && whole);
  std::vector<TrainedStep> steps;
  for (int i = 0; i < 4; ++i) {
    ASSERT_VALUE(TrainedStep expected, cpu->train());
    ASSERT_VALUE(TrainedStep done, whole->train());
    EXPECT_NEAR(done.loss, expected.loss, 1e-3 * expected.loss) << i;
    EXPECT_NEAR(done.gradientNorm, expected.gradientNorm,
                1e-2 * expected.gradientNorm)
        << i;
    steps.push_back(done);
  }
  ASSERT_VALUE(auto expected, cpu->validate(4));
  ASSERT_VALUE(auto loss, whole->validate(4));
  ASSERT_TRUE(loss && expected);
  EXPECT_NEAR(loss->loss, expected->loss, 1e-3);
  ASSERT_SUCCESS(whole->save());

  // Twice two steps are the same, bit by bit.
  for (int part = 0; part < 2; ++part) {
    auto trainer = open("parts", true, part > 0);
    ASSERT_TRUE(trainer);
    for (int i = 0; i < 2; ++i) {
      ASSERT_VALUE(TrainedStep done, trainer->train());
      EXPECT_EQ(done.loss, steps[size_t(part * 2 + i)].loss);
    }
    ASSERT_SUCCESS(trainer->save());
  }
  for (const char *file : {"model.safetensors", "optimizer.safetensors"}) {
    auto read = [&](const char *run) {
      return TemporaryFolder::readFile(statePath(folder / run, 4) + "/" + file);
    };
    EXPECT_EQ(read("parts"), read("whole")) << file;
  }

  // The CPU goes on from there.
  auto other = open("parts", false, true);
  ASSERT_TRUE(other);
  ASSERT_VALUE(TrainedStep next, whole->train());
  ASSERT_VALUE(TrainedStep done, other->train());
  EXPECT_EQ(done.step, 5U);
  EXPECT_NEAR(done.loss, next.loss, 1e-3 * next.loss);
}

TEST_F(VulkanTrainer, PredictingNeedsNoStateOfIt) {
  auto artifact = compiledModel(model, "--target cpu,vulkan --entry "
                                       "train_step,score --batch 2 "
                                       "--context 31");
  ASSERT_TRUE(artifact);
  auto entry = uint32_t(artifact->findEntry("score"));
  std::vector<std::vector<float>> results;
  std::vector<std::unique_ptr<Executable>> programs;
  for (bool all : {true, false}) {
    VulkanOptions with;
    with.threads = 2;
    with.cacheFolder = folder / "cache";
    if (!all)
      with.entries = [](std::string_view name) { return name == "score"; };
    ASSERT_VALUE(auto program, loadVulkanProgram(artifact, with));
    for (size_t argument : {0, 1}) {
      auto ids = program->argumentAs<int32_t>(entry, argument);
      for (size_t i = 0; i < ids.size(); ++i)
        ids[i] = int32_t(7 * i % 500 + argument);
    }
    ASSERT_SUCCESS(program->reset());
    ASSERT_SUCCESS(program->run(entry));
    auto result = program->resultAs<float>(entry, 0);
    results.emplace_back(result.begin(), result.end());
    programs.push_back(std::move(program));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_TRUE(programs[0]->has(uint32_t(artifact->findEntry("train_step"))));
  EXPECT_FALSE(programs[1]->has(uint32_t(artifact->findEntry("train_step"))));
  EXPECT_GT(programs[0]->stateBytes(), programs[0]->weightsBytes());
  EXPECT_EQ(programs[1]->stateBytes(), 0U);
  EXPECT_EQ(programs[1]->weightsBytes(), programs[0]->weightsBytes());
  EXPECT_LT(programs[1]->arenaBytes(), programs[0]->arenaBytes());
  const auto &variables = artifact->manifest().variables;
  for (size_t i = 0; i < variables.size(); ++i) {
    ASSERT_VALUE(auto bytes, programs[1]->readVariable(i));
    EXPECT_EQ(bytes.empty(), variables[i]->role != artifact::Role::Parameter)
        << variables[i]->name;
  }
}

TEST_F(VulkanTrainer, NamesTheStateThatRemainsWhenTheDeviceIsLost) {
  auto trainer = open("run", true);
  ASSERT_TRUE(trainer);
  ASSERT_TRUE(trainer->train());
  ASSERT_SUCCESS(trainer->save());
  LostDevice::lost = true;
  auto step = trainer->train();
  LostDevice::lost = false;
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().code(), ErrorCode::DeviceLost);
  EXPECT_THAT(step.error().message(),
              testing::AllOf(testing::HasSubstr("the device was lost"),
                             testing::HasSubstr("the last good state is '"),
                             testing::HasSubstr("step-00000001'")));
}

} // namespace
} // namespace gptc::vulkan
