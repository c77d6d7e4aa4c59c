//===- VulkanFinetuneTest.cpp - Fine-tuning on Vulkan devices -------------===//

#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "tests/support/Command.h"
#include "tests/support/TinyModel.h"
#include "tests/vulkan/Driver.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gptc::vulkan {
namespace {

using Json = nlohmann::json;

class VulkanFinetune : public testing::Test {
protected:
  void SetUp() override {
    if (std::string reason = vulkan::reasonWithoutDevice(); !reason.empty())
      GTEST_SKIP() << reason;
    model = writeTinyModel(folder, "model");
  }

  static CommandResult command(const std::vector<std::string> &arguments) {
    CommandResult result = gptcCommand(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return result;
  }

  /// The lines of a run's log.
  std::vector<Json> log(const std::string &run) const {
    std::istringstream text(folder.read(run + "/log.jsonl"));
    std::vector<Json> lines;
    for (std::string line; std::getline(text, line);)
      lines.push_back(Json::parse(line));
    return lines;
  }

  /// Trains and predicts on both backends and holds one against the other.
  void compare(const std::string &task, const std::string &data,
               const std::vector<std::string> &more) {
    std::string table = folder.write("data.csv", data);
    for (const char *backend : {"cpu", "vulkan"}) {
      std::vector<std::string> arguments{
          "finetune", model,       "--task",   task,    "--train",
          table,      "--valid",   table,      "--out", folder / backend,
          "--batch",  "2",         "--epochs", "2",     "--learning-rate",
          "1e-3",     "--backend", backend};
      arguments.insert(arguments.end(), more.begin(), more.end());
      command(arguments);
    }
    std::vector<Json> cpu = log("cpu"), device = log("vulkan");
    ASSERT_EQ(cpu.size(), device.size());
    ASSERT_GE(cpu.size(), 2U);
    for (size_t i = 0; i < cpu.size(); ++i)
      for (const char *key : {"loss", "gradient_norm", "validation_loss"})
        if (cpu[i].contains(key) && !cpu[i][key].is_null()) {
          auto expected = cpu[i][key].get<double>();
          EXPECT_NEAR(device[i][key].get<double>(), expected, 1e-4 * expected)
              << key << " of step " << i + 1;
        }
    // It did learn, and not from the CPU's state.
    EXPECT_NE(cpu.front()["loss"], cpu.back()["loss"]);

    // The device's state, on the device.
    auto predicted =
        command({"predict", folder / "vulkan", "--input", table, "-o",
                 folder / "vulkan.csv", "--backend", "vulkan", "--json"});
    Json json = Json::parse(predicted.out);
    EXPECT_EQ(json["state_bytes"], 0);
    auto expected = device.back()["validation_loss"].get<double>();
    EXPECT_NEAR(json["loss"].get<double>(), expected, 1e-4 * expected);
    command({"predict", folder / "cpu", "--input", table, "-o",
             folder / "cpu.csv"});
    EXPECT_EQ(folder.read("vulkan.csv"), folder.read("cpu.csv"));
  }

  TemporaryFolder folder;
  std::string model;
};

// All weights are trained in VulkanTrainerTest.cpp; their many kernels take a
// software driver a minute to compile.

TEST_F(VulkanFinetune, LearnsToChooseAsTheCpuDoes) {
  compare("multiple-choice",
          "context,answer_0,answer_1,label\nWho sees?,ROMEO,JULIET,0\n"
          "Who loves whom?,JULIET,ROMEO,1\nWho?,PARIS,I,0\n",
          {"--lora", "3", "--lora-targets", "c_fc", "--auxiliary", "0"});
}

TEST_F(VulkanFinetune, SumsGradientsAsTheCpuDoes) {
  compare("classification",
          "text,label\nROMEO sees JULIET,x\nJULIET sees,y\nPARIS,x\n",
          {"--lora", "2", "--lora-targets", "c_attn", "--accumulate", "2"});
}

} // namespace
} // namespace gptc::vulkan
