#include "gptc/runtime/text/BertCleanup.h"
#include "tests/runtime/TextGoldens.h"

namespace gptc {
namespace {

using namespace test;

TEST(Gpt1Tokenizer, GivesTheIdsOfTransformers) {
  expectCases(*tiny("gpt1"), readGolden("gpt1-tiny.json"));
}

TEST(Gpt1Tokenizer, GivesThePublishedIds) {
  TokenizerPointer tokenizer = publishedTokenizer("gpt1");
  if (!tokenizer)
    GTEST_SKIP() << "no published vocabulary in " << published;
  EXPECT_EQ(tokenizer->vocabularySize(), 40478U);
  EXPECT_EQ(tokenizer->endOfText(), std::nullopt);
  expectCases(*tokenizer, readGolden("gpt1-published.json"));
}

TEST(Gpt1Tokenizer, SplitsAtEveryCodePointAsTransformersDoes) {
  TokenizerPointer tokenizer = tiny("gpt1");
  expectDigests("gpt1-tiny.json", [&](const std::string &text) {
    return tokenizer->encode(text);
  });
}

TEST(BertCleanup, IsThatOfTransformersForEveryCodePoint) {
  expectDigests("bert-cleanup.json", [](const std::string &text) {
    std::string clean = cleanUp(text);
    return std::vector<uint8_t>(clean.begin(), clean.end());
  });
}

TEST(BertCleanup, LeavesInvalidBytesOut) {
  EXPECT_EQ(cleanUp("a\xff"
                    "b\xc3 \xed\xa0\x80"
                    "c\xf0\x9f"),
            "ab c");
}

TEST(BertCleanup, PutsManyMarksInOrder) {
  // Musical stems (216) after tone marks (224), a million of them.
  std::string text = "a", first, second;
  for (int i = 0; i < 100000; ++i) {
    text += "\xe3\x80\xae\xf0\x9d\x85\xa5";
    first += "\xf0\x9d\x85\xa5";
    second += "\xe3\x80\xae";
  }
  EXPECT_EQ(cleanUp(text), "a" + first + second);
}

TEST(Gpt1Tokenizer, ReadsEitherForm) {
  TokenizerPointer one = tiny("gpt1");
  auto other = Tokenizer::create(tinyFiles("gpt1", "vocab.json merges.txt"));
  ASSERT_TRUE(other.has_value()) << other.error().message();
  nlohmann::json golden = readGolden("gpt1-tiny.json");
  for (const auto &item : golden["cases"]) {
    auto text = item["text"].get<std::string>();
    EXPECT_EQ(one->encode(text), (*other)->encode(text));
  }
}

TEST(Gpt1Tokenizer, IsChosenByTheConfiguration) {
  TokenizerFiles files = tinyFiles("gpt1", "tokenizer.json");
  EXPECT_EQ(decode(*Tokenizer::create(files).value(),
                   Tokenizer::create(files).value()->encode("A  day")),
            "a day");
  files["config.json"] = R"({"model_type": "openai-gpt"})";
  EXPECT_EQ(decode(*Tokenizer::create(files).value(),
                   Tokenizer::create(files).value()->encode("A  day")),
            "a day");
  files["config.json"] = R"({"model_type": "gpt2"})";
  EXPECT_NE(Tokenizer::create(files).value()->encode("a</w>"),
            tiny("gpt1")->encode("a</w>"));
}

TEST(Gpt1Tokenizer, WordEndsAreSpacesBetweenWordsOnly) {
  TokenizerPointer tokenizer = tiny("gpt1");
  Ids ids = tokenizer->encode("Day  after\nday, and");
  EXPECT_EQ(decode(*tokenizer, ids), "day after day , and");
  EXPECT_EQ(decode(*tokenizer, {}), "");
}

TEST(Gpt1Tokenizer, FindsNormalizedTokensAfterTheCleanUp) {
  TokenizerFiles files = tinyFiles("gpt1", "tokenizer.json");
  auto end = int32_t(Tokenizer::create(files).value()->vocabularySize());
  files["tokenizer_config.json"] = fmt::format(
      R"({{"added_tokens_decoder": {{"{}": {{"content": "QX", "normalized": true}}}}}})",
      end);
  TokenizerPointer tokenizer = Tokenizer::create(files).value();
  EXPECT_EQ(tokenizer->encode("qx"), Ids{end});
  EXPECT_EQ(tokenizer->encode("Q\xcc\x81X"), Ids{end});
  EXPECT_EQ(decode(*tokenizer, Ids{end}), "qx");
}

} // namespace
} // namespace gptc
