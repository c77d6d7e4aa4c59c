#include "tests/runtime/TextGoldens.h"

#include <chrono>
#include <random>

namespace gptc {
namespace {

using namespace test;

TEST(Gpt2Tokenizer, GivesTheIdsOfTransformers) {
  expectCases(*tiny("gpt2"), readGolden("gpt2-tiny.json"));
}

TEST(Gpt2Tokenizer, GivesThePublishedIds) {
  TokenizerPointer tokenizer = publishedTokenizer("gpt2");
  if (!tokenizer)
    GTEST_SKIP() << "no published vocabulary in " << published;
  EXPECT_EQ(tokenizer->vocabularySize(), 50257U);
  EXPECT_EQ(tokenizer->endOfText(), 50256);
  EXPECT_EQ(tokenizer->encode("Hello world"), (Ids{15496, 995}));
  expectCases(*tokenizer, readGolden("gpt2-published.json"));
}

TEST(Gpt2Tokenizer, ClassifiesEveryCodePoint) {
  TokenizerPointer tokenizer = tiny("gpt2");
  expectDigests("gpt2-tiny.json", [&](const std::string &text) {
    return tokenizer->encode(text);
  });
}

TEST(Gpt2Tokenizer, GivesAnyBytesBack) {
  TokenizerPointer tokenizer = tiny("gpt2");
  std::mt19937 random(1);
  std::string alphabet = "\xc3\xa9\xf0\x9f\x98\x80\xe4\xed\xa0\xff\xfe \n'1a";
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 40, '\0');
    for (char &byte : text)
      byte = round % 2 != 0 ? char(random())
                            : alphabet[random() % alphabet.size()];
    EXPECT_EQ(decode(*tokenizer, tokenizer->encode(text)), text);
  }
}

TEST(Gpt2Tokenizer, MergesLongWordsInTime) {
  TokenizerPointer tokenizer = publishedTokenizer("gpt2");
  if (!tokenizer)
    tokenizer = tiny("gpt2");
  for (std::string unit : {"a", "ab", "the", "\xe4\xbd\xa0", "!", "12", " "}) {
    std::string text;
    while (text.size() < 1000000)
      text += unit;
    auto begin = std::chrono::steady_clock::now();
    Ids ids = tokenizer->encode(text);
    std::chrono::duration<double> time =
        std::chrono::steady_clock::now() - begin;
    EXPECT_EQ(decode(*tokenizer, ids), text);
    EXPECT_LT(time.count(), 20) << "quadratic in the length of '" << unit;
  }
}

TEST(Gpt2Tokenizer, MergesLongWordsLikeShortOnes) {
  // Words below and above the length where the algorithm changes.
  TokenizerPointer tokenizer = tiny("gpt2");
  Ids once = tokenizer->encode(" summer");
  std::string text;
  Ids expected;
  for (int i = 0; i < 40; ++i) {
    text += " summer";
    expected.insert(expected.end(), once.begin(), once.end());
    EXPECT_EQ(tokenizer->encode(text), expected);
  }
}

TEST(Gpt2Tokenizer, ReadsEitherForm) {
  TokenizerPointer one = tiny("gpt2");
  auto other = Tokenizer::create(tinyFiles("gpt2", "vocab.json merges.txt"));
  ASSERT_TRUE(other.has_value()) << other.error().message();
  EXPECT_EQ(one->vocabularySize(), (*other)->vocabularySize());
  nlohmann::json golden = readGolden("gpt2-tiny.json");
  for (const auto &item : golden["cases"]) {
    auto text = item["text"].get<std::string>();
    EXPECT_EQ(one->encode(text), (*other)->encode(text));
  }
}

TEST(Gpt2Tokenizer, TakesWindowsLineEndsAndNoVersionLine) {
  TokenizerFiles files = tinyFiles("gpt2", "tokenizer.json");
  std::string windows;
  for (char c : files["merges.txt"])
    windows += c == '\n' ? "\r\n" : std::string(1, c);
  std::string bare =
      files["merges.txt"].substr(files["merges.txt"].find('\n') + 1);
  TokenizerPointer plain = Tokenizer::create(files).value();
  for (const std::string &merges : {windows, bare}) {
    files["merges.txt"] = merges;
    TokenizerPointer tokenizer = Tokenizer::create(files).value();
    std::string text = "Shall I compare thee to a summer's day?";
    EXPECT_EQ(tokenizer->encode(text), plain->encode(text));
  }
}

TEST(Gpt2Tokenizer, PutsASpaceBeforeWhereAsked) {
  TokenizerFiles files = tinyFiles("gpt2", "tokenizer.json");
  TokenizerPointer plain = Tokenizer::create(files).value();
  files["tokenizer_config.json"] = R"({"add_prefix_space": true})";
  TokenizerPointer tokenizer = Tokenizer::create(files).value();
  EXPECT_EQ(tokenizer->encode("day"), plain->encode(" day"));
  EXPECT_EQ(tokenizer->encode(" day"), plain->encode(" day"));
  EXPECT_EQ(tokenizer->encode("a<|endoftext|>b"),
            plain->encode(" a<|endoftext|> b"));
}

TEST(Gpt2Tokenizer, FindsAddedTokens) {
  TokenizerFiles files = tinyFiles("gpt2", "tokenizer.json");
  auto end = int32_t(Tokenizer::create(files).value()->vocabularySize());
  files["added_tokens.json"] =
      fmt::format(R"({{"<a>": {}, "<a>b": {}}})", end, end + 1);
  files["tokenizer_config.json"] = fmt::format(
      R"({{"added_tokens_decoder": {{"{}": {{"content": "[STRIP]", "lstrip": true,
      "rstrip": true, "normalized": false, "special": true}}}},
      "eos_token": "[STRIP]"}})",
      end + 2);
  TokenizerPointer tokenizer = Tokenizer::create(files).value();
  EXPECT_EQ(tokenizer->vocabularySize(), uint64_t(end) + 3);
  EXPECT_EQ(tokenizer->endOfText(), end + 2);
  int32_t a = tokenizer->encode("a")[0], b = tokenizer->encode("b")[0];
  EXPECT_EQ(tokenizer->encode("<a>b<a>a"), (Ids{end + 1, end, a}));
  EXPECT_EQ(tokenizer->encode("a \n[STRIP]\t b"), (Ids{a, end + 2, b}));
  EXPECT_EQ(decode(*tokenizer, Ids{end, a, end + 2}), "<a>a[STRIP]");
}

TEST(Gpt2Tokenizer, KnowsTheEndOfText) {
  TokenizerFiles files = tinyFiles("gpt2", "tokenizer.json");
  EXPECT_EQ(Tokenizer::create(files).value()->endOfText(), 0);
  files["special_tokens_map.json"] = R"({"eos_token": {"content": "!"}})";
  auto tokenizer = Tokenizer::create(files).value();
  EXPECT_EQ(tokenizer->endOfText(), tokenizer->encode("!")[0]);
}

TEST(Gpt2Tokenizer, NamesAnIdOutsideOfTheVocabulary) {
  TokenizerPointer tokenizer = tiny("gpt2");
  for (int32_t id : {-1, int32_t(tokenizer->vocabularySize()), INT32_MAX}) {
    auto text = tokenizer->decode(Ids{1, id});
    ASSERT_FALSE(text.has_value());
    EXPECT_EQ(text.error().code(), ErrorCode::InvalidArgument);
    EXPECT_NE(text.error().message().find(std::to_string(id)),
              std::string::npos);
  }
}

struct Malformed {
  const char *name, *vocabulary, *merges, *sentence;
};

class MalformedFiles : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedFiles, GiveOneSentence) {
  TokenizerFiles files{{"vocab.json", GetParam().vocabulary},
                       {"merges.txt", GetParam().merges}};
  std::string error = errorOf(files);
  EXPECT_NE(error.find(GetParam().sentence), std::string::npos) << error;
  EXPECT_EQ(error.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Tokenizer, MalformedFiles,
    testing::Values(
        Malformed{"Truncated", R"({"a": 0, "b")", "", "vocab.json"},
        Malformed{"Array", R"(["a"])", "", "expected a JSON object"},
        Malformed{"Text", R"({"a": "0"})", "", "'a' is not an integer"},
        Malformed{"Nested", R"({"a": {"b": 0}})", "", "'a' is not an integer"},
        Malformed{"Fraction", R"({"a": 0.5})", "", "'a' is not an integer"},
        Malformed{"Negative", R"({"a": -1})", "", "the id -1"},
        Malformed{"Huge", R"({"a": 16777216})", "", "the id 16777216"},
        Malformed{"SameId", R"({"a": 0, "b": 0})", "", "the same id 0"},
        Malformed{"SameToken", R"({"a": 0, "a": 1})", "", "'a' twice"},
        Malformed{"BadUtf8", "{\"\xff\": 0}", "", "vocab.json"},
        Malformed{"UnknownPart", R"({"a": 0})", "a b\n", "'b'"},
        Malformed{"UnknownResult", R"({"a": 0, "b": 1})", "a b\n", "'ab'"},
        Malformed{"OneToken", R"({"a": 0})", "#version: 0.2\naa\n", "line 2"},
        Malformed{"ThreeTokens", R"({"a": 0})", "a a a\n", "line 1"},
        Malformed{"EmptyToken", R"({"a": 0})", " a\n", "line 1"}),
    [](const auto &info) { return info.param.name; });

TEST(TokenizerFiles, MissingOnesAreNamed) {
  EXPECT_NE(errorOf({}).find("all three are missing"), std::string::npos);
  EXPECT_NE(errorOf({{"vocab.json", "{}"}}).find("merges.txt is missing"),
            std::string::npos);
  EXPECT_NE(errorOf({{"merges.txt", ""}}).find("vocab.json is missing"),
            std::string::npos);
  EXPECT_TRUE(readTokenizerFiles("/nowhere/at/all").value().empty());
}

TEST(TokenizerFiles, DeepNestingIsRefused) {
  std::string deep = "{\"a\":" + std::string(1000000, '[');
  EXPECT_NE(errorOf({{"tokenizer.json", deep}}).find("nests"),
            std::string::npos);
}

TEST(TokenizerFiles, WhatIsNotDoneIsRefused) {
  auto files = tinyFiles("gpt2", "vocab.json merges.txt");
  auto original = nlohmann::json::parse(files["tokenizer.json"]);
  auto refused = [&](const char *pointer, nlohmann::json value) {
    auto changed = original;
    changed[nlohmann::json::json_pointer(pointer)] = std::move(value);
    files["tokenizer.json"] = changed.dump();
    auto tokenizer = Tokenizer::create(files);
    return !tokenizer && tokenizer.error().code() == ErrorCode::Unsupported;
  };
  EXPECT_TRUE(refused("/model/type", "WordPiece"));
  EXPECT_TRUE(refused("/model/dropout", 0.1));
  EXPECT_TRUE(refused("/model/byte_fallback", true));
  EXPECT_TRUE(refused("/model/ignore_merges", true));
  EXPECT_TRUE(refused("/normalizer", {{"type", "NFC"}}));
  EXPECT_TRUE(refused("/pre_tokenizer/type", "Whitespace"));
  EXPECT_TRUE(refused("/pre_tokenizer/use_regex", false));
  EXPECT_TRUE(refused("/added_tokens/0/single_word", true));
  EXPECT_FALSE(refused("/model/dropout", nullptr));
}

/// Without them the tokenizers library makes other ids of the same vocabulary.
TEST(TokenizerFiles, WhatAKindNeedsIsNotTakenForGranted) {
  auto errorWithout = [](const std::string &kind, const char *stage,
                         bool erase) {
    auto files = tinyFiles(kind, "vocab.json merges.txt");
    auto json = nlohmann::json::parse(files["tokenizer.json"]);
    json[stage] = nullptr;
    if (erase)
      json.erase(stage);
    files["tokenizer.json"] = json.dump();
    return errorOf(files);
  };
  for (bool erase : {false, true}) {
    EXPECT_NE(errorWithout("gpt2", "pre_tokenizer", erase)
                  .find("no pre-tokenizer, and GPT-2 has ByteLevel; "),
              std::string::npos);
    EXPECT_NE(errorWithout("gpt1", "pre_tokenizer", erase)
                  .find("no pre-tokenizer, and GPT-1 has BertPreTokenizer; "),
              std::string::npos);
    EXPECT_NE(errorWithout("gpt1", "normalizer", erase)
                  .find("no normalizer, and GPT-1 has BertNormalizer; "),
              std::string::npos);
    EXPECT_EQ(errorWithout("gpt2", "normalizer", erase), "no error");
  }
}

/// As AutoTokenizer of transformers 5.24 and tokenizers 0.23 do.
TEST(TokenizerFiles, TheClassSaysWhetherTheEndOfTextIsSpecialUnasked) {
  auto files = tinyFiles("gpt2", "vocab.json merges.txt");
  auto json = nlohmann::json::parse(files["tokenizer.json"]);
  json["added_tokens"] = nlohmann::json::array();
  files["tokenizer.json"] = json.dump();
  auto idsWith = [&](const std::string &config, const std::string &own) {
    files["config.json"] = config;
    files["tokenizer_config.json"] = own;
    auto tokenizer = Tokenizer::create(files);
    EXPECT_TRUE(tokenizer) << tokenizer.error().message();
    return tokenizer ? (*tokenizer)->encode("a<|endoftext|>b the day") : Ids();
  };
  const Ids special{65, 0, 66, 272, 269, 310};
  const Ids text{65,  28, 92, 313, 68, 79,  70,  84,
                 378, 84, 92, 30,  66, 272, 269, 310};
  const char *gpt2 = R"({"model_type": "gpt2"})";
  EXPECT_EQ(idsWith("{}", "{}"), text);
  EXPECT_EQ(idsWith(gpt2, "{}"), special);
  EXPECT_EQ(idsWith("{}", R"({"tokenizer_class": "GPT2TokenizerFast"})"),
            special);
  for (const char *name : {"PreTrainedTokenizerFast", "TokenizersBackend"}) {
    std::string own = fmt::format(R"({{"tokenizer_class": "{}"}})", name);
    EXPECT_EQ(idsWith(gpt2, own), text);
    EXPECT_EQ(idsWith("{}", own), text);
  }
  EXPECT_EQ(idsWith(gpt2, R"({"tokenizer_class": "PreTrainedTokenizerFast",
                              "eos_token": "<|endoftext|>"})"),
            special);
  json.erase("added_tokens");
  files["tokenizer.json"] = json.dump();
  EXPECT_EQ(idsWith("{}", "{}"), text);
}

} // namespace
} // namespace gptc
