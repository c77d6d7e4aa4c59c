//===- VulkanFaultsTest.cpp - Every call of Vulkan fails in its turn ------===//

#include "gptc/backends/vulkan/runtime/Api.h"
#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "gptc/backends/vulkan/runtime/VulkanProgram.h"
#include "tests/vulkan/Driver.h"
#include "tests/vulkan/SampleProgram.h"

#include <gmock/gmock.h>

namespace gptc::vulkan {
namespace {

/// Which of all calls fails, and how.
struct Fault {
  static inline int countdown = 0;
  static inline VkResult result = VK_SUCCESS;
  static inline const char *failed = "";
};

/// Stands in for a function: fails when it is its turn.
template <auto Member, typename Function> struct Stand;
template <auto Member, typename... Args>
struct Stand<Member, VkResult(VKAPI_PTR *)(Args...)> {
  static inline VkResult(VKAPI_PTR *original)(Args...) = nullptr;
  static inline const char *name = "";
  static VkResult VKAPI_PTR call(Args... args) {
    if (Fault::countdown > 0 && --Fault::countdown == 0) {
      Fault::failed = name;
      return Fault::result;
    }
    return original(args...);
  }
};

void intercept(Api &api){
#define GPTC_STAND(function)                                                   \
  {                                                                            \
    using One = Stand<&Api::function, PFN_##function>;                         \
    if (api.function && api.function != One::call) {                           \
      One::original = api.function;                                            \
      One::name = #function;                                                   \
      api.function = One::call;                                                \
    }                                                                          \
  }
    GPTC_STAND(vkEnumerateInstanceVersion) GPTC_STAND(vkCreateInstance)
        GPTC_STAND(vkEnumeratePhysicalDevices) GPTC_STAND(
            vkEnumerateDeviceExtensionProperties) GPTC_STAND(vkCreateDevice)
            GPTC_STAND(vkCreateBuffer) GPTC_STAND(vkAllocateMemory) GPTC_STAND(
                vkBindBufferMemory) GPTC_STAND(vkMapMemory)
                GPTC_STAND(vkCreateShaderModule) GPTC_STAND(
                    vkCreatePipelineLayout) GPTC_STAND(vkCreatePipelineCache)
                    GPTC_STAND(vkGetPipelineCacheData)
                        GPTC_STAND(vkCreateComputePipelines)
                            GPTC_STAND(vkCreateCommandPool)
                                GPTC_STAND(vkAllocateCommandBuffers) GPTC_STAND(
                                    vkBeginCommandBuffer)
                                    GPTC_STAND(vkEndCommandBuffer) GPTC_STAND(
                                        vkCreateQueryPool)
                                        GPTC_STAND(vkGetQueryPoolResults)
                                            GPTC_STAND(vkCreateSemaphore)
                                                GPTC_STAND(vkWaitSemaphores)
                                                    GPTC_STAND(vkQueueSubmit)
#undef GPTC_STAND
}

/// Loads, runs, until commands are recorded anew, takes times, reads, also a
/// result that was left on the device, and writes.
Status useAll(const std::shared_ptr<const Artifact> &artifact,
              const VulkanOptions &options) {
  GPTC_TRY(auto program, loadVulkanProgram(artifact, options));
  for (int i = 0; i < 3; ++i)
    GPTC_CHECK(program->run(0));
  std::vector<double> seconds(3);
  GPTC_CHECK(program->run(0, seconds));
  GPTC_CHECK(program->runDispatches(0, 0, 1));
  GPTC_TRY(auto bytes, program->readVariable(0));
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  GPTC_CHECK(program->writeVariable(0, copy));
  program->want(0, {});
  GPTC_CHECK(program->run(0));
  GPTC_CHECK(program->bring(0, 0));
  return program->reset();
}

class VulkanFaults : public testing::TestWithParam<VkResult> {};

INSTANTIATE_TEST_SUITE_P(Results, VulkanFaults,
                         testing::Values(VK_ERROR_OUT_OF_DEVICE_MEMORY,
                                         VK_ERROR_DEVICE_LOST),
                         [](const auto &info) {
                           return info.param == VK_ERROR_DEVICE_LOST
                                      ? "DeviceLost"
                                      : "OutOfMemory";
                         });

TEST_P(VulkanFaults, EachEndsWithASentence) {
  if (std::string reason = vulkan::reasonWithoutDevice(); !reason.empty())
    GTEST_SKIP() << reason;
  TemporaryFolder folder;
  SampleProgram sample(10);
  auto artifact = sample.open(folder);
  ASSERT_TRUE(artifact);
  VulkanOptions options;
  options.threads = 1;
  options.cacheFolder = folder / "cache";
  options.intercept = intercept;
  for (bool copies : {false, true}) {
    options.alwaysCopy = copies;
    Fault::result = GetParam();
    int faults = 0;
    for (int turn = 1;; ++turn) {
      std::filesystem::remove_all(folder / "cache");
      Fault::countdown = turn;
      Status status = useAll(artifact, options);
      if (Fault::countdown > 0) {
        EXPECT_TRUE(status) << status.error().message();
        break;
      }
      ++faults;
      SCOPED_TRACE(fmt::format("call {}, {}", turn, Fault::failed));
      // What is only kept for the next time may fail.
      if (std::string_view(Fault::failed) == "vkGetPipelineCacheData") {
        EXPECT_TRUE(status);
        continue;
      }
      ASSERT_FALSE(status);
      const std::string &text = status.error().message();
      EXPECT_THAT(text, testing::StartsWith("cannot "));
      EXPECT_THAT(text, testing::Not(testing::HasSubstr("\n")));
      EXPECT_EQ(status.error().code(), GetParam() == VK_ERROR_DEVICE_LOST
                                           ? ErrorCode::DeviceLost
                                           : ErrorCode::OutOfMemory);
    }
    Fault::countdown = 0;
    EXPECT_GT(faults, 40);
  }
}

} // namespace
} // namespace gptc::vulkan
