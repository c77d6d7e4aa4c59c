//===- ReferenceTest.cpp - Whole models on the CPU and the reference ------===//

#include "tests/support/Command.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gptc {
namespace {

using Json = nlohmann::json;

const std::string models = GPTC_SOURCE_DIR "/tests/golden/models";

class Reference : public testing::TestWithParam<const char *> {};

/// Every entry point in f32, with weights from the checkpoint and embedded.
TEST_P(Reference, AgreesWithTheCpuOnEveryEntry) {
  TemporaryFolder folder;
  std::string file = folder / "both.gptc";
  for (bool embed : {false, true}) {
    std::vector<std::string> arguments{
        "compile",  models + "/" + GetParam(),
        "-o",       file,
        "--target", "cpu,reference",
        "--dtype",  "f32",
        "--entry",  "prefill,decode,logits,score",
        "--cpu",    "x86-64-v3"};
    if (embed)
      arguments.push_back("--embed-weights");
    auto compiled = gptcCommand(arguments);
    ASSERT_EQ(compiled.code, 0) << compiled.err;
    for (std::string entry : {"logits", "decode", "score"}) {
      auto compared =
          gptcCommand({"compare", file, "--backends", "cpu,reference",
                       "--entry", entry, "--json"});
      ASSERT_EQ(compared.code, 0) << compared.err;
      Json json = Json::parse(compared.out);
      ASSERT_FALSE(json["results"].empty());
      for (const Json &result : json["results"])
        EXPECT_LT(result["relative_error"].get<double>(), 2e-5)
            << entry << " " << result.dump();
      // Every dispatch computes something that the reference computes too.
      EXPECT_GT(json["scopes"].size(), 4U);
      EXPECT_GT(json["dispatches_compared"], 4);
      EXPECT_EQ(json["dispatches_without_counterpart"], 0);
      for (const Json &scope : json["scopes"])
        EXPECT_LT(scope["relative_error"].get<double>(), 2e-5)
            << entry << " " << scope.dump();
    }
  }
}

/// The loss and every gradient, in both types.
TEST_P(Reference, AgreesWithTheCpuOnGradients) {
  TemporaryFolder folder;
  std::string file = folder / "both.gptc";
  for (std::string type : {"f32", "bf16"}) {
    auto compiled = gptcCommand({"compile", models + "/" + GetParam(), "-o",
                                 file, "--target", "cpu,reference", "--dtype",
                                 type, "--entry", "loss_and_gradients",
                                 "--batch", "2", "--cpu", "x86-64-v3"});
    ASSERT_EQ(compiled.code, 0) << compiled.err;
    auto compared = gptcCommand({"compare", file, "--backends", "cpu,reference",
                                 "--entry", "loss_and_gradients", "--json"});
    ASSERT_EQ(compared.code, 0) << compared.err;
    Json json = Json::parse(compared.out);
    ASSERT_GT(json["results"].size(), 10u);
    for (const Json &result : json["results"]) {
      std::string name = result["name"];
      EXPECT_TRUE(name == "loss" || name.starts_with("gradient:")) << name;
      EXPECT_LT(result["relative_error"].get<double>(),
                type == "f32" ? 1e-4 : 0.1)
          << type << " " << result.dump();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Reference,
                         testing::Values("gpt1-gelu", "gpt3-band",
                                         "neo-local-untied", "gpt2-gelu"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// However often the step is timed, what is compared is one step of both from
/// equal parameters.
TEST(ReferenceTarget, AStepOfTrainingIsComparedOnEqualState) {
  TemporaryFolder folder;
  std::string file = folder / "both.gptc";
  auto compiled = gptcCommand({"compile", models + "/gpt2-gelu", "-o", file,
                               "--target", "cpu,reference", "--dtype", "f32",
                               "--entry", "train_step", "--cpu", "x86-64-v3"});
  ASSERT_EQ(compiled.code, 0) << compiled.err;
  Json first;
  for (const char *repeats : {"1", "7"}) {
    auto compared =
        gptcCommand({"compare", file, "--backends", "cpu,reference", "--entry",
                     "train_step", "--repeat", repeats, "--json"});
    ASSERT_EQ(compared.code, 0) << compared.err;
    Json json = Json::parse(compared.out);
    for (const Json &result : json["results"])
      EXPECT_LT(result["relative_error"].get<double>(), 1e-4) << result.dump();
    ASSERT_GT(json["scopes"].size(), 10u);
    if (first.is_null())
      first = json;
    EXPECT_EQ(json["results"], first["results"]);
    EXPECT_EQ(json["scopes"], first["scopes"]);
  }
}

TEST(ReferenceTarget, GeneratesAndScoresAsTheCpuDoes) {
  TemporaryFolder folder;
  std::string file = folder / "both.gptc";
  auto compiled = gptcCommand({"compile", models + "/gpt2-gelu", "-o", file,
                               "--target", "cpu,reference", "--dtype", "f32",
                               "--entry", "prefill,decode,score", "--cpu",
                               "x86-64-v3", "--batch", "2"});
  ASSERT_EQ(compiled.code, 0) << compiled.err;
  for (const std::vector<std::string> &more :
       {std::vector<std::string>{},
        {"--temperature", "1", "--seed", "7", "--max-tokens", "5"}}) {
    std::string ids[2];
    for (const char *backend : {"cpu", "reference"}) {
      std::vector<std::string> arguments{
          "generate",     file,          "--prompt-ids", "5,9,2,77,1",
          "--ignore-end", "--print-ids", "--backend",    backend};
      arguments.insert(arguments.end(), more.begin(), more.end());
      auto result = gptcCommand(arguments);
      ASSERT_EQ(result.code, 0) << result.err;
      ids[backend == std::string("reference")] = result.out;
    }
    EXPECT_GT(ids[0].size(), 5U);
    EXPECT_EQ(ids[0], ids[1]);
  }
  // Longer than the context, so that it runs in windows.
  std::string text = "1";
  for (int i = 1; i < 40; ++i)
    text += "," + std::to_string(i * 7 % 101);
  double scores[2];
  for (const char *backend : {"cpu", "reference"}) {
    auto result = gptcCommand(
        {"score", file, "--ids", text, "--json", "--backend", backend});
    ASSERT_EQ(result.code, 0) << result.err;
    scores[backend == std::string("reference")] =
        Json::parse(result.out)["log_likelihood"].get<double>();
  }
  EXPECT_LT(scores[0], -1);
  EXPECT_NEAR(scores[0], scores[1], 1e-3);
}

TEST(ReferenceTarget, IsAskedForWhereItIsMissing) {
  TemporaryFolder folder;
  std::string file = folder / "cpu.gptc";
  auto compiled = gptcCommand({"compile", models + "/gpt2-gelu", "-o", file,
                               "--cpu", "x86-64-v3", "--entry", "decode"});
  ASSERT_EQ(compiled.code, 0) << compiled.err;
  for (const std::vector<std::string> &arguments :
       {std::vector<std::string>{"compare", file, "--backends",
                                 "cpu,reference"},
        {"generate", file, "--prompt-ids", "1", "--backend", "reference"},
        {"score", file, "--ids", "1,2", "--backend", "reference"}}) {
    auto result = gptcCommand(arguments);
    EXPECT_EQ(result.code, 1);
    EXPECT_NE(result.err.find("--target cpu,reference"), std::string::npos)
        << result.err;
  }
}

} // namespace
} // namespace gptc
