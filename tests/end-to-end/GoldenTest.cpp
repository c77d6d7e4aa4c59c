//===- GoldenTest.cpp - Compiled checkpoints against PyTorch --------------===//
//
// tests/golden/models holds checkpoints of odd shapes with the answers that
// PyTorch gives in double precision. Every one is compiled for both
// instruction sets, and run for each that this machine has.
//
//===----------------------------------------------------------------------===//

#include "gptc/compiler/Driver.h"
#include "gptc/runtime/base/File.h"
#include "gptc/runtime/program/Program.h"
#include "gptc/runtime/session/Scoring.h"
#include "gptc/runtime/session/TextGeneration.h"

#include <algorithm>
#include <filesystem>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const std::string models = GPTC_SOURCE_DIR "/tests/golden/models";

std::vector<std::string> modelNames() {
  std::vector<std::string> names;
  for (const auto &entry : fs::directory_iterator(models))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

struct Case {
  std::string model;
  std::string variant;
};

std::vector<Case> allCases() {
  std::vector<Case> cases;
  for (const std::string &model : modelNames())
    for (const char *variant : {"x86-64-v4", "x86-64-v3"})
      cases.push_back({model, variant});
  return cases;
}

std::string nameOf(const testing::TestParamInfo<Case> &info) {
  std::string name = info.param.model + "_" + info.param.variant;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Range of a set of logits, by which errors are measured.
double rangeOf(const std::vector<double> &logits) {
  auto [least, most] = std::minmax_element(logits.begin(), logits.end());
  return std::max(1e-6, *most - *least);
}

class Golden : public testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    folder = models + "/" + GetParam().model;
    auto text = readTextFile(folder + "/answers.json");
    ASSERT_TRUE(text) << text.error().message();
    answers = Json::parse(*text);
  }

  /// Compiles the checkpoint and loads it for the case's instruction set;
  /// null where this machine lacks it.
  std::unique_ptr<Program> load(const std::string &type,
                                std::vector<std::string> entries,
                                unsigned threads = 2,
                                Products products = Products::Fastest) {
    CompileRequest request;
    request.model = folder;
    request.output = testing::TempDir() + std::to_string(::getpid()) + ".gptc";
    request.dtype = type;
    request.entries = std::move(entries);
    request.cpu = GetParam().variant;
    auto compiled = compileModel(request);
    if (!compiled) {
      ADD_FAILURE() << compiled.error().message();
      return nullptr;
    }
    auto artifact = Artifact::open(request.output);
    if (!artifact) {
      ADD_FAILURE() << artifact.error().message();
      return nullptr;
    }
    fs::remove(request.output);
    const auto &features =
        (*artifact)->findTarget("cpu")->variants[0]->features;
    if (auto missing = missingFeatures(features); !missing.empty()) {
      skipped = "this CPU lacks " + missing.front();
      return nullptr;
    }
    auto program = Program::load(*artifact, {threads, "", "", products});
    if (!program && products == Products::OneDnn &&
        program.error().code() == ErrorCode::Unsupported) {
      skipped = program.error().message();
      return nullptr;
    }
    if (!program) {
      ADD_FAILURE() << program.error().message();
      return nullptr;
    }
    return std::move(*program);
  }

  /// Largest error of the last logits over all prompts, by their range.
  std::vector<double> errors(Session &session) {
    std::vector<double> found;
    auto prompts = answers["prompts"].get<std::vector<std::vector<int32_t>>>();
    for (size_t i = 0; i < prompts.size(); ++i) {
      auto expected = answers["last_logits"][i].get<std::vector<double>>();
      session.reset();
      std::span<const int32_t> prompt = prompts[i];
      auto status = session.feed({&prompt, 1});
      if (!status) {
        ADD_FAILURE() << status.error().message();
        return {};
      }
      auto logits = session.logits(0);
      EXPECT_EQ(logits.size(), expected.size());
      double most = 0;
      for (size_t v = 0; v < logits.size(); ++v)
        most = std::max(most, std::abs(double(logits[v]) - expected[v]));
      EXPECT_TRUE(std::isfinite(most));
      found.push_back(most / rangeOf(expected));
    }
    return found;
  }

  std::string folder, skipped;
  Json answers;
};

TEST_P(Golden, LogitsAreWithinOneTenThousandth) {
  auto program = load("f32", {"prefill", "decode"});
  if (!skipped.empty())
    GTEST_SKIP() << skipped;
  ASSERT_NE(program, nullptr);
  auto session = Session::create(std::move(program));
  ASSERT_TRUE(session) << session.error().message();
  for (double error : errors(**session))
    EXPECT_LT(error, 1e-4);
}

TEST_P(Golden, GreedyTextIsEqualTokenForToken) {
  auto program = load("f32", {"prefill", "decode"}, 3);
  if (!skipped.empty())
    GTEST_SKIP() << skipped;
  ASSERT_NE(program, nullptr);
  auto session = Session::create(std::move(program));
  ASSERT_TRUE(session) << session.error().message();
  std::vector<std::vector<int32_t>> prompts{
      answers["greedy"]["prompt"].get<std::vector<int32_t>>()};
  auto expected = answers["greedy"]["tokens"].get<std::vector<int32_t>>();
  GenerationOptions options;
  options.maxTokens = expected.size();
  options.ignoreEnd = true;
  auto generated = generate(**session, nullptr, prompts, options);
  ASSERT_TRUE(generated) << generated.error().message();
  EXPECT_EQ(generated->front().ids, expected);
}

TEST_P(Golden, ScoresAreThoseOfPyTorch) {
  auto text = answers["score"]["text"].get<std::vector<int32_t>>();
  if (text.size() < 2)
    GTEST_SKIP() << "a context of one predicts nothing";
  auto program = load("f32", {"score"});
  if (!skipped.empty())
    GTEST_SKIP() << skipped;
  ASSERT_NE(program, nullptr);
  auto scores = score(*program, text, 0);
  ASSERT_TRUE(scores) << scores.error().message();
  auto expected = answers["score"]["log_likelihood"].get<std::vector<double>>();
  ASSERT_EQ(scores->size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR((*scores)[i], expected[i], 2e-4 * (1 + std::abs(expected[i])));
}

/// The largest error that PyTorch makes in a type.
double errorOfPyTorch(const Json &answers, const std::string &type) {
  auto errors = answers[type + "_error"].get<std::vector<double>>();
  return *std::max_element(errors.begin(), errors.end());
}

/// Errors of single prompts are largely luck: the largest is compared with
/// twice the largest of PyTorch.
void expectWithinTwice(const std::vector<double> &ours, double theirs) {
  ASSERT_FALSE(ours.empty());
  EXPECT_LE(*std::max_element(ours.begin(), ours.end()), 2 * theirs);
}

TEST_P(Golden, Bf16StaysWithinTwicePyTorchsError) {
  auto program = load("bf16", {"prefill", "decode"});
  if (!skipped.empty())
    GTEST_SKIP() << skipped;
  ASSERT_NE(program, nullptr);
  auto session = Session::create(std::move(program));
  ASSERT_TRUE(session) << session.error().message();
  expectWithinTwice(errors(**session), errorOfPyTorch(answers, "bf16"));
}

TEST_P(Golden, F16StaysWithinTwicePyTorchsError) {
  auto program = load("f16", {"prefill", "decode"});
  if (!skipped.empty())
    GTEST_SKIP() << skipped;
  ASSERT_NE(program, nullptr);
  auto session = Session::create(std::move(program));
  ASSERT_TRUE(session) << session.error().message();
  // It rounds to an eighth of what bf16 rounds to: what one type's luck hides
  // of a model that amplifies errors, the other's tells.
  expectWithinTwice(errors(**session),
                    std::max(errorOfPyTorch(answers, "f16"),
                             errorOfPyTorch(answers, "bf16") / 8));
}

TEST_P(Golden, Bf16ProductsByOneDnnStayWithinIt) {
  if (GetParam().variant == "x86-64-v3")
    GTEST_SKIP() << "oneDNN's products are for x86-64-v4";
  auto program = load("bf16", {"prefill", "decode"}, 2, Products::OneDnn);
  if (!skipped.empty())
    GTEST_SKIP() << skipped;
  ASSERT_NE(program, nullptr);
  EXPECT_TRUE(program->usesLibrary());
  auto session = Session::create(std::move(program));
  ASSERT_TRUE(session) << session.error().message();
  expectWithinTwice(errors(**session), errorOfPyTorch(answers, "bf16"));
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::ValuesIn(allCases()), nameOf);

TEST(GoldenModels, AreThere) { EXPECT_GE(modelNames().size(), 20U); }

} // namespace
} // namespace gptc
