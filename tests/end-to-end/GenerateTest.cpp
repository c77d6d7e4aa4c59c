//===- GenerateTest.cpp - Equal ids whichever way they are made -----------===//

#include "gptc/runtime/program/Program.h"
#include "gptc/runtime/session/TextGeneration.h"
#include "tests/support/Command.h"
#include "tests/support/Matchers.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>
#include <sys/mman.h>

namespace gptc {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Vocabulary 113, context 67.
const std::string model = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-sharded";

class Generate : public testing::Test {
protected:
  static void SetUpTestSuite() {
    folder = new TemporaryFolder();
    for (const char *batch : {"1", "3"}) {
      auto compiled = gptcCommand({"compile", model, "-o", *folder / batch,
                                   "--cpu", "x86-64-v3", "--dtype", "f32",
                                   "--batch", batch, "--embed-weights"});
      ASSERT_EQ(compiled.code, 0) << compiled.err;
    }
  }
  static void TearDownTestSuite() {
    delete folder;
    folder = nullptr;
  }

  static std::string generated(std::vector<std::string> more) {
    more.insert(more.begin(),
                {"generate", *folder / "1", "--prompt-ids",
                 "7,1,99,3,5,12,44,7,1,99,3,5,12,44,60,2,1,8", "--print-ids",
                 "--ignore-end", "--max-tokens", "40"});
    auto result = gptcCommand(more);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  }

  static TemporaryFolder *folder;
};

TemporaryFolder *Generate::folder = nullptr;

TEST_F(Generate, AnyNumberOfThreadsGivesTheSameIds) {
  for (const std::vector<std::string> &more :
       {std::vector<std::string>{},
        {"--temperature", "1.2", "--top-k", "50", "--seed", "11"}}) {
    std::string ids[3];
    for (int threads = 1; threads <= 3; ++threads) {
      auto arguments = more;
      arguments.insert(arguments.end(), {"--threads", std::to_string(threads)});
      ids[threads - 1] = generated(arguments);
    }
    EXPECT_EQ(std::count(ids[0].begin(), ids[0].end(), ','), 39);
    EXPECT_EQ(ids[0], ids[1]);
    EXPECT_EQ(ids[0], ids[2]);
  }
}

TEST_F(Generate, ASeedReproduces) {
  auto with = [](const char *seed) {
    return generated({"--temperature", "1", "--top-p", "0.95", "--seed", seed});
  };
  std::string first = with("5");
  EXPECT_EQ(first, with("5"));
  EXPECT_NE(first, with("6"));
}

TEST_F(Generate, WithoutATokenThereIsNoFirstOne) {
  std::vector<std::string> arguments{"generate", *folder / "1",  "--prompt-ids",
                                     "7,1",      "--max-tokens", "0"};
  auto result = gptcCommand(arguments);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err,
              testing::StartsWith("0 tokens after a prompt of 2: "));
  EXPECT_THAT(result.err, testing::Not(testing::HasSubstr("first token")));
  arguments.emplace_back("--json");
  Json json = Json::parse(gptcCommand(arguments).out);
  EXPECT_TRUE(json.at("first_token_seconds").is_null()) << json;
  arguments[5] = "1";
  json = Json::parse(gptcCommand(arguments).out);
  EXPECT_GT(json.at("first_token_seconds"), 0.0);
}

TEST_F(Generate, ResidentMemoryIsItsOwnWhateverStartsIt) {
  // A child begins on its parent's pages, and the kernel counts them for it.
  constexpr size_t size = size_t(512) << 20;
  void *pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  auto result =
      gptcCommand({"generate", *folder / "1", "--prompt-ids", "7,1", "--json"});
  ::munmap(pages, size);
  ASSERT_EQ(result.code, 0) << result.err;
  auto peak = Json::parse(result.out).at("peak_rss_bytes").get<uint64_t>();
  EXPECT_GT(peak, uint64_t(1) << 20);
  EXPECT_LT(peak, size / 2);
}

TEST_F(Generate, ASingleTokenHasNoRate) {
  std::vector<std::string> arguments{"generate", *folder / "1",  "--prompt-ids",
                                     "7,1",      "--max-tokens", "1"};
  auto result = gptcCommand(arguments);
  EXPECT_THAT(result.err, testing::HasSubstr("first token after"));
  EXPECT_THAT(result.err, testing::Not(testing::HasSubstr("tokens/s")));
  arguments.emplace_back("--json");
  Json json = Json::parse(gptcCommand(arguments).out);
  EXPECT_TRUE(json.at("tokens_per_s").is_null()) << json;
}

TEST_F(Generate, AFullContextEndsItAndSaysSo) {
  auto result =
      gptcCommand({"generate", *folder / "1", "--prompt-ids", "1,2,3",
                   "--ignore-end", "--max-tokens", "1000", "--print-ids"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), ','), 63);
  EXPECT_NE(result.err.find("context of 67"), std::string::npos);
  // One token more where the prompt fills it.
  std::string full = "1";
  for (int i = 1; i < 67; ++i)
    full += ",1";
  result = gptcCommand({"generate", *folder / "1", "--prompt-ids", full,
                        "--ignore-end", "--print-ids"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out.find(','), std::string::npos);
  EXPECT_GT(result.out.size(), 1U);
  EXPECT_NE(result.err.find("context of 67"), std::string::npos);
}

/// Ids that a compiled model continues prompts with, side by side.
std::vector<std::vector<int32_t>>
continuations(const std::string &file,
              const std::vector<std::vector<int32_t>> &prompts) {
  auto artifact = Artifact::open(file);
  EXPECT_TRUE(artifact) << artifact.error().message();
  auto program = Program::load(*artifact, {2, "", ""});
  EXPECT_TRUE(program) << program.error().message();
  auto session = Session::create(std::move(*program));
  EXPECT_TRUE(session) << session.error().message();
  GenerationOptions options;
  options.maxTokens = 30;
  options.ignoreEnd = true;
  auto results = generate(**session, nullptr, prompts, options);
  EXPECT_TRUE(results) << results.error().message();
  std::vector<std::vector<int32_t>> ids;
  for (const Generated &one : *results)
    ids.push_back(one.ids);
  return ids;
}

TEST_F(Generate, PromptsSideBySideAreAsEachAlone) {
  std::vector<std::vector<int32_t>> prompts{{5}, {}, {1, 2, 3, 4, 5}};
  for (int i = 0; i < 50; ++i)
    prompts[1].push_back((i * 37 + 5) % 113);
  for (size_t count : {2, 3}) {
    std::vector<std::vector<int32_t>> some(prompts.begin(),
                                           prompts.begin() + int64_t(count));
    auto together = continuations(*folder / "3", some);
    ASSERT_EQ(together.size(), count);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(together[i], continuations(*folder / "1", {some[i]})[0]) << i;
      EXPECT_FALSE(together[i].empty());
    }
  }
}

TEST_F(Generate, PromptsDrawTheSameInAnyBatch) {
  auto lines = folder->write("draw", R"({"prompt": "JULIET:"}
{"prompt": "First Citizen:\nWe are accounted poor citizens, the"}
{"prompt": "O"}

{"prompt": "O"}
{"prompt": "KING RICHARD"}
)");
  std::string outputs[3];
  for (int batch = 1; batch <= 3; ++batch) {
    std::string file = *folder / "draw.gptc";
    auto compiled =
        gptcCommand({"compile", GPTC_SOURCE_DIR "/examples/shakespeare", "-o",
                     file, "--cpu", "x86-64-v3", "--context", "64", "--batch",
                     std::to_string(batch)});
    ASSERT_EQ(compiled.code, 0) << compiled.err;
    auto result =
        gptcCommand({"generate", file, "--prompts", lines, "--max-tokens", "20",
                     "--temperature", "0.9", "--seed", "3"});
    ASSERT_EQ(result.code, 0) << result.err;
    outputs[batch - 1] = result.out;
  }
  EXPECT_EQ(std::count(outputs[0].begin(), outputs[0].end(), '\n'), 5);
  EXPECT_EQ(outputs[1], outputs[0]);
  EXPECT_EQ(outputs[2], outputs[0]);
  // Equal prompts in different places draw differently.
  std::istringstream out(outputs[0]);
  std::vector<Json> answers;
  for (std::string line; std::getline(out, line);)
    answers.push_back(Json::parse(line));
  EXPECT_NE(answers[2]["text"], answers[3]["text"]);
}

TEST_F(Generate, LinesOfPromptsRunInBatches) {
  // A model whose vocabulary has the tokenizer's first 211 ids.
  std::string checkpoint = *folder / "text";
  fs::copy(GPTC_SOURCE_DIR "/tests/golden/models/gpt2-wide", checkpoint);
  fs::copy(GPTC_SOURCE_DIR "/tests/golden/text/gpt2", checkpoint);
  std::string file = *folder / "text.gptc";
  auto compiled = gptcCommand({"compile", checkpoint, "-o", file, "--cpu",
                               "x86-64-v3", "--batch", "2", "--context", "64"});
  ASSERT_EQ(compiled.code, 0) << compiled.err;
  auto lines = folder->write("prompts", R"({"prompt": "to"}
{"prompt": "t"}

{"prompt": "ox"}
)");
  auto result =
      gptcCommand({"generate", file, "--prompts", lines, "--max-tokens", "4"});
  ASSERT_EQ(result.code, 0) << result.err;
  std::istringstream out(result.out);
  std::vector<Json> answers;
  for (std::string line; std::getline(out, line);)
    answers.push_back(Json::parse(line));
  ASSERT_EQ(answers.size(), 3U);
  const char *prompts[] = {"to", "t", "ox"};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(answers[i]["prompt"], prompts[i]);
    // As each alone.
    auto alone = gptcCommand({"generate", file, "--prompt", prompts[i],
                              "--max-tokens", "4", "--json"});
    ASSERT_EQ(alone.code, 0) << alone.err;
    EXPECT_EQ(answers[i]["ids"], Json::parse(alone.out)["ids"]);
    EXPECT_EQ(answers[i]["text"], Json::parse(alone.out)["text"]);
  }
}

} // namespace
} // namespace gptc
