//===- VulkanProgramTest.cpp - A program on the devices that are there ----===//

#include "gptc/backends/vulkan/runtime/VulkanProgram.h"
#include "tests/vulkan/Driver.h"

#include "gptc/backends/vulkan/runtime/Api.h"
#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "gptc/runtime/program/Roof.h"
#include "tests/vulkan/SampleProgram.h"

#include <chrono>
#include <gmock/gmock.h>
#include <thread>
#include <utility>

namespace gptc::vulkan {
namespace {

using testing::HasSubstr;

/// Runs with the host's access to the device's memory (false) and with copies
/// (true).
class VulkanProgram : public testing::TestWithParam<bool> {
protected:
  void SetUp() override {
    if (std::string reason = vulkan::reasonWithoutDevice(); !reason.empty())
      GTEST_SKIP() << reason;
  }

  VulkanOptions options() const {
    VulkanOptions options;
    options.threads = 2;
    options.cacheFolder = folder_ / "cache";
    options.alwaysCopy = GetParam();
    return options;
  }

  std::unique_ptr<Executable> load(SampleProgram &sample,
                                   const VulkanOptions &options) {
    auto artifact = sample.open(folder_);
    if (!artifact)
      return nullptr;
    auto program = loadVulkanProgram(artifact, options);
    if (!program) {
      ADD_FAILURE() << program.error().message();
      return nullptr;
    }
    return std::move(*program);
  }

  std::string errorOf(SampleProgram &sample, const VulkanOptions &options) {
    auto artifact = sample.open(folder_);
    auto program = loadVulkanProgram(artifact, options);
    return program ? "no error" : program.error().message();
  }

public:
  static void setX(Executable &program, float scale) {
    auto x = program.argumentAs<float>(0, 0);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = float(i % 1000);
    program.argumentAs<float>(0, 1)[0] = scale;
  }

  /// Checks y after the `runs`-th run with this scale.
  static void checkY(Executable &program, float scale, float runs) {
    auto y = program.resultAs<float>(0, 0);
    for (size_t i = 0; i < y.size(); ++i) {
      float t = scale * float(i % 1000) + 1;
      ASSERT_EQ(y[i], 2 * runs * t + t) << i;
    }
  }

protected:
  static float valueAt(std::span<const std::byte> bytes, size_t i) {
    float value = 0;
    std::memcpy(&value, bytes.data() + i * 4, 4);
    return value;
  }

  TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Memory, VulkanProgram, testing::Bool(),
                         [](const auto &info) {
                           return info.param ? "Copied" : "Shared";
                         });

TEST_P(VulkanProgram, RunsAgainAndAgain) {
  // More tiles than one row of the grid, more bytes than one copy.
  SampleProgram sample(100'000);
  auto program = load(sample, options());
  ASSERT_TRUE(program);
  ASSERT_TRUE(program->has(0));
  EXPECT_FALSE(program->has(1));
  EXPECT_THAT(program->name(), HasSubstr("vulkan baseline, "));
  EXPECT_EQ(program->weightsBytes(), 25'600'000u);
  EXPECT_EQ(program->stateBytes(), 25'600'000u);
  setX(*program, 0.5);
  for (float run : {1.f, 2.f, 3.f}) {
    ASSERT_TRUE(program->run(0));
    checkY(*program, 0.5, run);
  }
  ASSERT_TRUE(program->reset());
  setX(*program, 2);
  std::vector<double> seconds(3, -1.0);
  ASSERT_TRUE(program->run(0, seconds));
  checkY(*program, 2, 1);
  for (double time : seconds)
    EXPECT_GE(time, 0);
}

/// Results that nobody wants stay on a device whose memory is its own.
TEST_P(VulkanProgram, BringsResultsThatWereNotWanted) {
  SampleProgram sample(1000);
  auto program = load(sample, options());
  ASSERT_TRUE(program);
  setX(*program, 3);
  program->want(0, {});
  ASSERT_TRUE(program->run(0));
  if (GetParam())
    EXPECT_EQ(program->resultAs<float>(0, 0)[1], 0);
  ASSERT_TRUE(program->bring(0, 0));
  checkY(*program, 3, 1);
  constexpr size_t all[] = {0};
  program->want(0, all);
  ASSERT_TRUE(program->run(0));
  checkY(*program, 3, 2);
  ASSERT_TRUE(program->bring(0, 0));
  checkY(*program, 3, 2);
}

/// Counts what is handed over to a device, which waits on top of what it does.
struct Handover {
  static inline uint32_t submissions = 0;
  static inline std::chrono::milliseconds pause{0};
  static inline PFN_vkQueueSubmit submit = nullptr;
  static inline PFN_vkWaitSemaphores wait = nullptr;

  static VkResult VKAPI_PTR submitCounted(VkQueue queue, uint32_t count,
                                          const VkSubmitInfo *infos,
                                          VkFence fence) {
    submissions += count;
    return submit(queue, count, infos, fence);
  }
  static VkResult VKAPI_PTR waitSlowly(VkDevice device,
                                       const VkSemaphoreWaitInfo *info,
                                       uint64_t timeout) {
    std::this_thread::sleep_for(pause);
    return wait(device, info, timeout);
  }
  static void intercept(Api &api) {
    if (api.vkQueueSubmit && api.vkQueueSubmit != submitCounted)
      submit = std::exchange(api.vkQueueSubmit, submitCounted);
    if (api.vkWaitSemaphores && api.vkWaitSemaphores != waitSlowly)
      wait = std::exchange(api.vkWaitSemaphores, waitSlowly);
  }
  /// Parts of a run, which is the `runs`-th.
  static uint32_t partsOf(Executable &program, float runs) {
    uint32_t before = submissions;
    EXPECT_TRUE(program.run(0));
    VulkanProgram::checkY(program, 3, runs);
    return submissions - before;
  }
};

TEST_P(VulkanProgram, HandsOverSmallerPartsToASlowDevice) {
  SampleProgram sample(1000, 200'000'000);
  VulkanOptions watched = options();
  watched.intercept = Handover::intercept;
  auto program = load(sample, watched);
  ASSERT_TRUE(program);
  setX(*program, 3);
  Handover::pause = std::chrono::milliseconds(400);
  EXPECT_EQ(Handover::partsOf(*program, 1), 1u);
  EXPECT_EQ(Handover::partsOf(*program, 2), 1u);
  Handover::pause = std::chrono::milliseconds(0);
  uint32_t parts = Handover::partsOf(*program, 3);
  EXPECT_GE(parts, 4u);
  EXPECT_EQ(Handover::partsOf(*program, 4), parts);
  EXPECT_EQ(Handover::partsOf(*program, 5), parts);
  // It has become slower still.
  Handover::pause = std::chrono::milliseconds(250);
  EXPECT_EQ(Handover::partsOf(*program, 6), parts);
  EXPECT_EQ(Handover::partsOf(*program, 7), parts);
  Handover::pause = std::chrono::milliseconds(0);
  EXPECT_GE(Handover::partsOf(*program, 8), 2 * parts);
}

TEST_P(VulkanProgram, HandsOverLargerPartsToAFastDevice) {
  SampleProgram sample(1000, 10'000'000'000);
  VulkanOptions watched = options();
  watched.intercept = Handover::intercept;
  auto program = load(sample, watched);
  ASSERT_TRUE(program);
  setX(*program, 3);
  EXPECT_GE(Handover::partsOf(*program, 1), 30u);
  EXPECT_GE(Handover::partsOf(*program, 2), 30u);
  // 2 where the machine does nothing else.
  EXPECT_LE(Handover::partsOf(*program, 3), 15u);
}

TEST_P(VulkanProgram, ShowsWhatEachDispatchLeaves) {
  SampleProgram sample(1000);
  auto program = load(sample, options());
  ASSERT_TRUE(program);
  setX(*program, 3);
  ASSERT_TRUE(program->runDispatches(0, 0, 1));
  auto t = program->readBuffer(0, 0, 2);
  ASSERT_TRUE(t);
  EXPECT_EQ(valueAt(*t, 999), 3 * 999 + 1);
  ASSERT_TRUE(program->runDispatches(0, 1, 2));
  auto sum = program->readBuffer(0, 1, 2);
  ASSERT_TRUE(sum);
  EXPECT_EQ(valueAt(*sum, 1002), 3 * 2 + 1);
  ASSERT_TRUE(program->runDispatches(0, 2, 3));
  checkY(*program, 3, 1);
  auto y = program->readBuffer(0, 2, 2);
  ASSERT_TRUE(y);
  EXPECT_EQ(valueAt(*y, 1), 3 * (3 + 1));
}

TEST_P(VulkanProgram, ReadsAndWritesVariables) {
  SampleProgram sample(100'000);
  auto program = load(sample, options());
  ASSERT_TRUE(program);
  size_t count = size_t(64) * 100'000;
  auto w = program->readVariable(0);
  ASSERT_TRUE(w);
  ASSERT_EQ(w->size(), count * 4);
  EXPECT_EQ(valueAt(*w, 0), 1);
  EXPECT_EQ(valueAt(*w, count - 1), 1);
  std::vector<float> sums(count);
  for (size_t i = 0; i < count; ++i)
    sums[i] = float(i % 77);
  ASSERT_TRUE(program->writeVariable(1, std::as_bytes(std::span(sums))));
  setX(*program, 0);
  ASSERT_TRUE(program->run(0));
  auto y = program->resultAs<float>(0, 0);
  for (size_t i = 0; i < count; ++i)
    ASSERT_EQ(y[i], 2 * (float(i % 77) + 1) + 1) << i;
  auto sum = program->readVariable(1);
  ASSERT_TRUE(sum);
  for (size_t i = 0; i < count; ++i)
    ASSERT_EQ(valueAt(*sum, i), float(i % 77) + 1) << i;
}

TEST_P(VulkanProgram, MeasuresTheDevice) {
  SampleProgram sample(10);
  auto program = load(sample, options());
  ASSERT_TRUE(program);
  auto meter = program->createRoofMeter();
  ASSERT_TRUE(meter) << meter.error().message();
  ASSERT_TRUE((*meter)->measureArithmetic());
  EXPECT_GT((*meter)->roof().f32, 1e6);
  EXPECT_EQ((*meter)->roof().readBytes, 0);
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE((*meter)->measure());
  EXPECT_GT((*meter)->roof().readBytes, 1e6);
  EXPECT_GT((*meter)->roof().f32, 1e6);
}

TEST_P(VulkanProgram, KeepsCompiledKernelsAndIgnoresDamagedOnes) {
  SampleProgram sample(10);
  // Kernels are compiled when they are first run.
  auto use = [&](const VulkanOptions &options) {
    auto program = load(sample, options);
    ASSERT_TRUE(program);
    setX(*program, 1);
    ASSERT_TRUE(program->run(0));
    checkY(*program, 1, 1);
  };
  use(options());
  std::vector<std::string> files;
  for (const auto &file :
       std::filesystem::directory_iterator(folder_ / "cache"))
    files.push_back(file.path());
  ASSERT_EQ(files.size(), 1u);
  std::string good = TemporaryFolder::readFile(files[0]);
  use(options());
  for (size_t damage : {size_t(0), size_t(20), good.size() - 1}) {
    std::string bad = good;
    bad[damage] ^= 1;
    std::ofstream(files[0], std::ios::binary) << bad;
    use(options());
    EXPECT_EQ(TemporaryFolder::readFile(files[0]), good);
  }
  std::ofstream(files[0], std::ios::binary) << good.substr(0, 30);
  use(options());
  // A folder that cannot be made costs nothing but time.
  VulkanOptions nowhere = options();
  nowhere.cacheFolder = files[0] + "/below-a-file";
  use(nowhere);
}

TEST_P(VulkanProgram, TakesTheFirstVariantThatTheDeviceCanRun) {
  SampleProgram sample(10);
  sample.target->variants[0]->features = {"cooperative-matrix"};
  sample.target->variants[0]->name = "matrix";
  EXPECT_THAT(errorOf(sample, options()),
              testing::AllOf(HasSubstr("cannot run"),
                             HasSubstr("variant 'matrix' needs "
                                       "cooperative-matrix, which it lacks")));
  sample.addVariant("plain", {});
  auto program = load(sample, options());
  ASSERT_TRUE(program);
  EXPECT_EQ(program->variant(), "plain");
  VulkanOptions other = options();
  other.variant = "none";
  EXPECT_THAT(errorOf(sample, other), HasSubstr("no Vulkan variant 'none'"));
}

TEST_P(VulkanProgram, SaysWhatIsWrong) {
  SampleProgram sample(10);
  VulkanOptions other = options();
  other.device = "GeForce 256";
  EXPECT_THAT(
      errorOf(sample, other),
      HasSubstr("no Vulkan device is called 'GeForce 256'; there are "));
  sample.target->programs[0]->arena_bytes = uint64_t(1) << 47;
  EXPECT_THAT(errorOf(sample, options()),
              testing::AllOf(HasSubstr("134217728.0 MiB for activations"),
                             HasSubstr("MiB free; no --batch or --context of "
                                       "it would fit")));
  sample.target->programs[0]->arena_bytes = 64 * 10 * 4;
  sample.target->programs[0]->dispatches[0]->buffers.insert(
      sample.target->programs[0]->dispatches[0]->buffers.begin(), 11, 0);
  EXPECT_THAT(errorOf(sample, options()),
              HasSubstr("has 14 buffers, and Vulkan kernels take at most 13"));
  sample.target->name = "cpu";
  sample.target->variants.clear();
  EXPECT_THAT(errorOf(sample, options()),
              HasSubstr("holds nothing for Vulkan; compile with --target "
                        "vulkan"));
}

} // namespace
} // namespace gptc::vulkan
