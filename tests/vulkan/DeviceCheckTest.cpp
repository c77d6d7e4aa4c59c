//===- DeviceCheckTest.cpp - Devices that compute right, and wrongly ------===//

#include "gptc/backends/vulkan/runtime/DeviceCheck.h"

#include "gptc/backends/vulkan/runtime/Api.h"
#include "gptc/backends/vulkan/runtime/DeviceChoice.h"
#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "tests/support/Command.h"
#include "tests/vulkan/Driver.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace gptc::vulkan {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

/// The suites that were built beside the command.
std::string suites() {
  std::string command = GPTC_COMMAND;
  return command.substr(0, command.rfind("/bin/")) + "/share/gptc/device-check";
}

class DeviceCheck : public testing::Test {
protected:
  void SetUp() override {
    if (std::string reason = reasonWithoutDevice(); !reason.empty())
      GTEST_SKIP() << reason;
  }
  static CheckSuite open(const std::string &type) {
    auto suite = CheckSuite::open(suites(), type);
    EXPECT_TRUE(suite) << suite.error().message();
    return *suite;
  }
  static CheckOptions brief() {
    CheckOptions options;
    options.isBrief = true;
    options.threads = 2;
    options.cacheFolder = "";
    return options;
  }
};

/// The whole table on the variant that the device would run.
class WholeDeviceCheck : public DeviceCheck,
                         public testing::WithParamInterface<std::string> {};

TEST_P(WholeDeviceCheck, FindsTheOpTableRight) {
  CheckSuite suite = open(GetParam());
  auto devices = listDevices();
  ASSERT_TRUE(devices);
  auto chosen = chooseDevice(*devices, "");
  ASSERT_TRUE(chosen) << chosen.error().message();
  auto variant = chooseVariant(suite.target(), (*devices)[*chosen].features, "",
                               {}, "", "");
  ASSERT_TRUE(variant) << variant.error().message();
  CheckOptions options = brief();
  options.isBrief = false;
  auto found = checkVariant(suite, (*variant)->name, options);
  ASSERT_TRUE(found) << found.error().message();
  for (const WrongCase &wrong : found->wrong)
    ADD_FAILURE() << wrong.name << ": " << wrong.reason;
  EXPECT_EQ(found->checked, suite.cases().size());
  EXPECT_EQ(found->milliseconds.size(), suite.timed().size());
}

INSTANTIATE_TEST_SUITE_P(Types, WholeDeviceCheck,
                         testing::Values("f32", "bf16", "f16"),
                         [](const auto &info) { return info.param; });

TEST_F(DeviceCheck, FindsEveryVariantRight) {
  for (const char *type : {"f32", "bf16", "f16"}) {
    CheckSuite suite = open(type);
    EXPECT_GT(suite.cases().size(), 40u);
    for (const auto &variant : suite.target().variants) {
      SCOPED_TRACE(variant->name);
      if (!canRun(*variant))
        continue;
      auto found = checkVariant(suite, variant->name, brief());
      ASSERT_TRUE(found) << found.error().message();
      for (const WrongCase &wrong : found->wrong)
        ADD_FAILURE() << wrong.name << ": " << wrong.reason;
      EXPECT_GE(found->checked, 4u);
      EXPECT_LT(found->checked, suite.cases().size());
      EXPECT_EQ(found->suite, suite.digest());
      EXPECT_TRUE(found->milliseconds.empty());
    }
  }
}

/// A driver that leaves out dispatches.
void leaveOut(Api &api) {
  if (api.vkCmdDispatchBase)
    api.vkCmdDispatchBase = [](VkCommandBuffer, uint32_t, uint32_t, uint32_t,
                               uint32_t, uint32_t, uint32_t) {};
}

TEST_F(DeviceCheck, FindsWhatIsWrong) {
  CheckSuite suite = open("f32");
  CheckOptions options = brief();
  options.intercept = leaveOut;
  auto found = checkVariant(suite, "software", options);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->wrong.size(), found->checked);
  ASSERT_FALSE(found->wrong.empty());
  EXPECT_THAT(found->wrong[0].reason,
              HasSubstr("elements differ by more than"));
}

/// A driver that compiles no kernel.
void compileNothing(Api &api) {
  if (api.vkCreateComputePipelines)
    api.vkCreateComputePipelines =
        [](VkDevice, VkPipelineCache, uint32_t,
           const VkComputePipelineCreateInfo *, const VkAllocationCallbacks *,
           VkPipeline *) { return VkResult(VK_ERROR_UNKNOWN); };
}

TEST_F(DeviceCheck, EndsWhereNothingRuns) {
  CheckSuite suite = open("f32");
  CheckOptions options = brief();
  options.isBrief = false;
  options.intercept = compileNothing;
  auto found = checkVariant(suite, "software", options);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->wrong.size(), 8u);
  EXPECT_EQ(found->checked, 8u);
  EXPECT_THAT(found->wrong[0].reason, HasSubstr("cannot compile"));
  EXPECT_TRUE(found->milliseconds.empty());
}

/// The command with a cache folder of its own.
class CheckedCommand : public DeviceCheck {
protected:
  void SetUp() override {
    DeviceCheck::SetUp();
    const char *before = std::getenv("XDG_CACHE_HOME");
    before_ = before ? before : "";
    ::setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);
    auto compiled = gptcCommand(
        {"compile", GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu", "-o",
         folder / "tiny.gptc", "--target", "cpu,vulkan", "--dtype", "f32"});
    ASSERT_EQ(compiled.code, 0) << compiled.err;
  }
  void TearDown() override {
    if (before_.empty())
      ::unsetenv("XDG_CACHE_HOME");
    else
      ::setenv("XDG_CACHE_HOME", before_.c_str(), 1);
  }
  CommandResult generate(const std::string &backend = "vulkan") {
    return gptcCommand({"generate", folder / "tiny.gptc", "--backend", backend,
                        "--prompt-ids", "5,9,2", "--max-tokens", "3",
                        "--temperature", "0", "--print-ids", "--threads", "2"});
  }
  Json readRecords() {
    return Json::parse(folder.read("cache/gptc/devices.json"));
  }

  TemporaryFolder folder;
  std::string before_;
};

TEST_F(CheckedCommand, ChecksADeviceThatIsNewAndNoOther) {
  auto first = generate();
  ASSERT_EQ(first.code, 0) << first.err;
  Json found = readRecords();
  ASSERT_EQ(found["devices"].size(), 1u);
  ASSERT_EQ(found["devices"][0]["checks"].size(), 1u);
  const Json &check = found["devices"][0]["checks"][0];
  EXPECT_EQ(check["type"], "f32");
  EXPECT_EQ(check["brief"], true);
  EXPECT_GT(check["checked"], 4);
  EXPECT_TRUE(check["wrong"].empty()) << check;
  // A mark that a second check would take away.
  found["devices"][0]["checks"][0]["checked"] = 77;
  folder.write("cache/gptc/devices.json", found.dump());
  auto second = generate();
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(second.out, first.out);
  EXPECT_EQ(readRecords(), found);
  auto listed = gptcCommand({"devices", "--json"});
  ASSERT_EQ(listed.code, 0) << listed.err;
  bool told = false;
  Json listing = Json::parse(listed.out);
  for (const Json &device : listing["vulkan"]["devices"])
    for (const Json &one : device["checks"])
      told = told || one["checked"] == 77;
  EXPECT_TRUE(told) << listed.out;
}

TEST_F(CheckedCommand, DoesNotRunWhatIsWrong) {
  auto right = generate();
  ASSERT_EQ(right.code, 0) << right.err;
  std::string variant = readRecords()["devices"][0]["checks"][0]["variant"];
  auto markWrong = [&] {
    Json found = readRecords();
    for (Json &check : found["devices"][0]["checks"])
      check["wrong"] = {{{"case", "matmul/f32"}, {"reason", "all of it"}}};
    folder.write("cache/gptc/devices.json", found.dump());
  };
  markWrong();
  auto wrong = generate();
  if (wrong.code == 0) {
    // Another variant takes its place, and is checked in its turn.
    EXPECT_THAT(wrong.err,
                HasSubstr("note: variant '" + variant + "' is not used on"));
    EXPECT_EQ(wrong.out, right.out);
    markWrong();
    wrong = generate();
  }
  EXPECT_EQ(wrong.code, 1);
  EXPECT_EQ(std::count(wrong.err.begin(), wrong.err.end(), '\n'), 1)
      << wrong.err;
  EXPECT_THAT(wrong.err, HasSubstr("computes matmul/f32 wrongly"));
  EXPECT_THAT(wrong.err, HasSubstr("gptc devices --check"));
  // Whoever names it has it.
  auto named = generate("vulkan:" + variant);
  EXPECT_EQ(named.code, 0) << named.err;
  EXPECT_EQ(named.out, right.out);
}

} // namespace
} // namespace gptc::vulkan
