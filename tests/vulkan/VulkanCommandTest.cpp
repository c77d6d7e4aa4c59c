//===- VulkanCommandTest.cpp - The command line on Vulkan devices ---------===//

#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "tests/support/Command.h"
#include "tests/vulkan/Driver.h"

#include <algorithm>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gptc::vulkan {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

class VulkanCommand : public testing::Test {
protected:
  /// A tiny model of 101 tokens for both backends, and for Vulkan alone.
  static void SetUpTestSuite() {
    folder = new TemporaryFolder;
    both = *folder / "both.gptc";
    alone = *folder / "alone.gptc";
    for (const auto &[path, targets] :
         {std::pair(both, "cpu,vulkan"), std::pair(alone, "vulkan")}) {
      auto compiled = gptcCommand(
          {"compile", GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu", "-o",
           path, "--target", targets, "--entry", "prefill,decode,score"});
      ASSERT_EQ(compiled.code, 0) << compiled.err;
    }
  }
  static void TearDownTestSuite() {
    delete folder;
    folder = nullptr;
  }
  void SetUp() override {
    if (std::string reason = vulkan::reasonWithoutDevice(); !reason.empty())
      GTEST_SKIP() << reason;
  }

  static void expectFailure(const CommandResult &result,
                            const std::string &text) {
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, testing::StartsWith("gptc: "));
    EXPECT_THAT(result.err, HasSubstr(text));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1)
        << result.err;
  }

  static CommandResult generate(std::vector<std::string> more) {
    std::vector<std::string> arguments{
        "generate",    "--prompt-ids",  "5,9,2", "--max-tokens",
        "12",          "--temperature", "0",     "--ignore-end",
        "--print-ids", "--threads",     "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return gptcCommand(arguments);
  }

  static TemporaryFolder *folder;
  static std::string both, alone;
};

TemporaryFolder *VulkanCommand::folder = nullptr;
std::string VulkanCommand::both, VulkanCommand::alone;

TEST_F(VulkanCommand, PlanTellsWhatFits) {
  for (const auto &[model, fits] :
       {std::pair(both, true), std::pair(std::string("gpt3-175b"), false)}) {
    auto planned = gptcCommand({"plan", model, "--target", "vulkan", "--json"});
    ASSERT_EQ(planned.code, 0) << planned.err;
    Json devices = Json::parse(planned.out)["devices"];
    ASSERT_FALSE(devices.empty());
    for (const Json &device : devices) {
      EXPECT_EQ(device["fits"], fits) << device;
      EXPECT_EQ(device["advice"].get<std::string>().empty(), fits) << device;
      EXPECT_GT(device["free_bytes"], 0);
    }
    auto told = gptcCommand({"plan", model, "--target", "vulkan"});
    EXPECT_THAT(told.out, HasSubstr(fits ? " free: fits\n"
                                         : " free: too large; its weights"));
  }
  expectFailure(gptcCommand({"plan", both, "--target", "reference"}),
                "has no programs to plan for on reference");
}

TEST_F(VulkanCommand, GeneratesWhatTheCpuDoes) {
  auto cpu = generate({both});
  ASSERT_EQ(cpu.code, 0) << cpu.err;
  for (const auto &arguments : std::vector<std::vector<std::string>>{
           {both, "--backend", "vulkan"},
           {both, "--backend", "vulkan", "--device", "0"},
           {alone}}) {
    auto result = generate(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.out, cpu.out);
  }
}

TEST_F(VulkanCommand, ListsComparesAndMeasures) {
  auto devices = gptcCommand({"devices", "--json"});
  Json list = Json::parse(devices.out)["vulkan"]["devices"];
  ASSERT_FALSE(list.empty());
  for (const char *key : {"name", "kind", "driver", "vulkan", "uuid",
                          "memory_bytes", "features", "usable", "reason"})
    EXPECT_TRUE(list[0].contains(key)) << key;

  auto compared = gptcCommand({"compare", both, "--backends", "cpu,vulkan",
                               "--entry", "decode", "--json"});
  ASSERT_EQ(compared.code, 0) << compared.err;
  Json json = Json::parse(compared.out);
  EXPECT_LT(json["results"][0]["relative_error"].get<double>(), 1e-5);
  EXPECT_GT(json["dispatches_compared"].get<int>(), 0);
  EXPECT_THAT(json["sides"][1]["backend"].get<std::string>(),
              testing::StartsWith("vulkan "));

  auto measured = gptcCommand({"bench", both, "--backend", "vulkan", "--entry",
                               "decode", "--repeat", "2", "--json"});
  ASSERT_EQ(measured.code, 0) << measured.err;
  json = Json::parse(measured.out);
  EXPECT_GT(json["roof"]["read_gb_s"].get<double>(), 0);
  EXPECT_GT(json["roof"]["gflop_s"]["f32"].get<double>(), 0);
  EXPECT_GT(json["entries"][0]["kernels"][0]["seconds"].get<double>(), 0);
}

TEST_F(VulkanCommand, SaysWhatIsWrong) {
  expectFailure(generate({both, "--device", "0"}), "add --backend vulkan");
  expectFailure(generate({both, "--backend", "vulkan", "--device", "77"}),
                "there is no Vulkan device 77, and none has that in its name; "
                "there are 0 '");
  expectFailure(generate({both, "--backend", "vulkan:none"}),
                "holds no Vulkan variant 'none'");
  expectFailure(generate({both, "--backend", "vulkan", "--cpu", "x86-64-v3"}),
                "is an instruction set of the CPU");
  expectFailure(generate({alone, "--backend", "cpu"}),
                "holds nothing for the CPU");
  // A driver that only says that it is there.
  ::setenv("VK_DRIVER_FILES",
           GPTC_DEPS_DIR "/vulkan/icd/libVkICD_mock_icd.json", 1);
  expectFailure(generate({both, "--backend", "vulkan"}),
                "no Vulkan device can be used: 'Vulkan Mock Device' lacks "
                "buffer device addresses");
  ::setenv("VK_DRIVER_FILES", "/nowhere.json", 1);
  expectFailure(generate({both, "--backend", "vulkan"}),
                "the Vulkan loader finds no driver");
  auto planned = gptcCommand(
      {"plan", GPTC_SOURCE_DIR "/examples/shakespeare", "--target", "vulkan"});
  EXPECT_EQ(planned.code, 0);
  EXPECT_THAT(planned.out, HasSubstr("on no device of this machine: the Vulkan "
                                     "loader finds no driver"));
  expectFailure(generate({both, "--backend", "vulkan:"}),
                "'vulkan:' names no variant");
  auto devices = gptcCommand({"devices"});
  EXPECT_EQ(devices.code, 0);
  EXPECT_THAT(devices.out, HasSubstr("vulkan: the Vulkan loader finds no "
                                     "driver; install"));
}

} // namespace
} // namespace gptc::vulkan
