//===- TextGenerationTest.cpp - How generated texts go and end ------------===//

#include "gptc/runtime/session/TextGeneration.h"
#include "gptc/runtime/base/File.h"
#include "tests/support/CompiledModels.h"
#include "tests/support/Matchers.h"

#include <nlohmann/json.hpp>

namespace gptc {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;

class TextGeneration : public testing::Test {
protected:
  void SetUp() override {
    if (std::string reason = reasonToSkip(); !reason.empty())
      GTEST_SKIP() << reason;
  }

  static std::unique_ptr<Session> open(const std::string &folder,
                                       const std::string &options) {
    auto program = loadedModel(folder, options, 2);
    if (!program)
      return nullptr;
    auto session = Session::create(std::move(program));
    if (!session) {
      ADD_FAILURE() << session.error().message();
      return nullptr;
    }
    return std::move(*session);
  }

  /// The prompt and tokens that PyTorch generates greedily of gpt2-wide.
  static std::pair<Ids, Ids> greedy() {
    auto text = readTextFile(goldenModel("gpt2-wide") + "/answers.json");
    Json json = Json::parse(*text)["greedy"];
    return {json["prompt"].get<Ids>(), json["tokens"].get<Ids>()};
  }

  static const std::string shakespeare;
};

const std::string TextGeneration::shakespeare =
    GPTC_SOURCE_DIR "/examples/shakespeare";

TEST_F(TextGeneration, EndsWithTheTokensAskedFor) {
  auto session = open(goldenModel("gpt2-wide"), "--dtype f32");
  ASSERT_NE(session, nullptr);
  auto [prompt, expected] = greedy();
  for (uint64_t count : {0, 1, 7, 100}) {
    GenerationOptions options;
    options.maxTokens = count;
    GenerationTimes times;
    ASSERT_VALUE(auto results,
                 generate(*session, nullptr, {{prompt}}, options, {}, &times));
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].finish, Finish::MaxTokens);
    EXPECT_EQ(results[0].ids, Ids(expected.begin(), expected.begin() + count));
    EXPECT_EQ(results[0].text, "");
    EXPECT_EQ(times.tokens, count);
    EXPECT_EQ(times.promptTokens, prompt.size());
  }
}

TEST_F(TextGeneration, MovesMappedWeightsWhereItPays) {
  auto session = open(goldenModel("gpt2-wide"), "--embed-weights --dtype f32");
  ASSERT_NE(session, nullptr);
  const Executable &program = *session->runner().program();
  auto [prompt, expected] = greedy();
  for (uint64_t count : {7, 200}) {
    GenerationOptions options;
    options.maxTokens = count;
    ASSERT_VALUE(auto results,
                 generate(*session, nullptr, {{prompt}}, options));
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].ids, Ids(expected.begin(), expected.begin() + count));
    EXPECT_EQ(program.mappedBytes(), count == 7 ? program.weightsBytes() : 0);
  }
}

TEST_F(TextGeneration, EndsWhereTheContextIsFull) {
  auto session = open(goldenModel("gpt2-wide"), "--dtype f32");
  ASSERT_NE(session, nullptr);
  auto [prompt, expected] = greedy();
  GenerationOptions options;
  options.maxTokens = 1000;
  ASSERT_VALUE(auto results, generate(*session, nullptr, {{prompt}}, options));
  EXPECT_EQ(results[0].finish, Finish::Context);
  // The last token needs no place in the cache, yet counts as the text's.
  EXPECT_EQ(prompt.size() + results[0].ids.size(), session->capacity());
  ASSERT_LE(expected.size(), results[0].ids.size());
  results[0].ids.resize(expected.size());
  EXPECT_EQ(results[0].ids, expected);
  // A prompt that fills the context is followed by what its last position says.
  Ids full(256, 1);
  session->reset();
  ASSERT_SUCCESS(session->feed(std::vector<std::span<const int32_t>>{full}));
  auto logits = session->logits(0);
  auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  ASSERT_VALUE(results, generate(*session, nullptr, {{full}}, options));
  EXPECT_EQ(results[0].finish, Finish::Context);
  EXPECT_EQ(results[0].ids, Ids{int32_t(best)});
  options.maxTokens = 0;
  ASSERT_VALUE(results, generate(*session, nullptr, {{full}}, options));
  EXPECT_EQ(results[0].finish, Finish::MaxTokens);
  EXPECT_TRUE(results[0].ids.empty());
}

TEST_F(TextGeneration, EndsAtEndOfTextUnlessIgnored) {
  auto [prompt, expected] = greedy();
  // The same checkpoint, with one of the tokens to come as the end.
  int32_t end = expected[9];
  auto first = std::find(expected.begin(), expected.end(), end);
  ASSERT_GT(first, expected.begin());
  TemporaryFolder folder;
  std::filesystem::copy(goldenModel("gpt2-wide"), folder.path(),
                        std::filesystem::copy_options::recursive);
  Json config = Json::parse(folder.read("config.json"));
  config["eos_token_id"] = end;
  folder.write("config.json", config.dump());
  auto session = open(folder.path(), "--dtype f32");
  ASSERT_NE(session, nullptr);
  GenerationOptions options;
  options.maxTokens = 20;
  ASSERT_VALUE(auto results, generate(*session, nullptr, {{prompt}}, options));
  EXPECT_EQ(results[0].finish, Finish::EndOfText);
  EXPECT_EQ(results[0].ids, Ids(expected.begin(), first));
  options.ignoreEnd = true;
  ASSERT_VALUE(results, generate(*session, nullptr, {{prompt}}, options));
  EXPECT_EQ(results[0].finish, Finish::MaxTokens);
  EXPECT_EQ(results[0].ids, Ids(expected.begin(), expected.begin() + 20));
}

TEST_F(TextGeneration, EndsBeforeAStopText) {
  auto session = open(shakespeare, "--dtype f32");
  ASSERT_NE(session, nullptr);
  ASSERT_VALUE(auto tokenizer, tokenizerOf(session->artifact()));
  ASSERT_NE(tokenizer, nullptr);
  std::vector<Ids> prompts{tokenizer->encode("ROMEO:\n")};
  GenerationOptions options;
  options.maxTokens = 60;
  ASSERT_VALUE(auto whole,
               generate(*session, tokenizer.get(), prompts, options));
  const std::string &text = whole[0].text;
  EXPECT_EQ(whole[0].finish, Finish::MaxTokens);
  ASSERT_GT(text.size(), 40U);
  // Any piece of the text, also from the middle of a token, ends it there.
  for (size_t at : {size_t(0), size_t(11), size_t(30)}) {
    std::string stop = text.substr(at, 6);
    options.stop = {"\x01never", stop};
    std::string streamed;
    int ends = 0;
    auto onGenerated = [&](uint32_t, int32_t id, std::string_view part) {
      streamed += part;
      ends += id == -1;
    };
    ASSERT_VALUE(auto results, generate(*session, tokenizer.get(), prompts,
                                        options, onGenerated));
    EXPECT_EQ(results[0].finish, Finish::StopText);
    EXPECT_EQ(results[0].text, text.substr(0, text.find(stop)));
    EXPECT_EQ(streamed, results[0].text);
    EXPECT_EQ(ends, 1);
    EXPECT_LT(results[0].ids.size(), whole[0].ids.size());
  }
}

TEST_F(TextGeneration, BatchesDrawWhatEachDrawsAlone) {
  auto session = open(shakespeare, "--dtype f32 --batch 3");
  ASSERT_NE(session, nullptr);
  ASSERT_VALUE(auto tokenizer, tokenizerOf(session->artifact()));
  ASSERT_NE(tokenizer, nullptr);
  std::vector<Ids> prompts;
  for (const char *text : {"JULIET:\n", "First Citizen:\nWe", "O"})
    prompts.push_back(tokenizer->encode(text));
  GenerationOptions options;
  options.maxTokens = 24;
  options.sampling.temperature = 0.8F;
  options.sampling.topK = 20;
  options.sampling.seed = 100;
  ASSERT_VALUE(auto together,
               generate(*session, tokenizer.get(), prompts, options));
  ASSERT_VALUE(auto again,
               generate(*session, tokenizer.get(), prompts, options));
  ASSERT_EQ(together.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(again[i].ids, together[i].ids);
    EXPECT_EQ(again[i].text, together[i].text);
    GenerationOptions alone = options;
    alone.sampling.seed += i;
    ASSERT_VALUE(auto one, generate(*session, tokenizer.get(),
                                    std::span(&prompts[i], 1), alone));
    EXPECT_EQ(one[0].ids, together[i].ids) << i;
    EXPECT_EQ(one[0].text, together[i].text) << i;
  }
}

TEST_F(TextGeneration, ErrorsNameWhatIsWrong) {
  auto session = open(goldenModel("gpt2-wide"), "--dtype f32");
  ASSERT_NE(session, nullptr);
  auto code = ErrorCode::InvalidArgument;
  auto run = [&](const std::vector<Ids> &prompts,
                 const GenerationOptions &options = {}) {
    return generate(*session, nullptr, prompts, options);
  };
  EXPECT_THAT(run({{}}), FailsWith(code, "the prompt is empty"));
  EXPECT_THAT(run({Ids(257, 1)}), FailsWith(code, "257 tokens"));
  EXPECT_THAT(run({{211}}), FailsWith(code, "token 211"));
  EXPECT_THAT(run({{1}, {1}}), FailsWith(code, "2 sequences"));
  GenerationOptions options;
  options.stop = {"x"};
  EXPECT_THAT(run({{1}}, options), FailsWith(code, "need a tokenizer"));
  options = {};
  options.sampling.topP = 2;
  EXPECT_FALSE(run({{1}}, options));
}

} // namespace
} // namespace gptc
