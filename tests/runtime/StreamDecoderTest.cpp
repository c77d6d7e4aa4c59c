#include "gptc/runtime/text/StreamDecoder.h"
#include "gptc/runtime/text/StopMatcher.h"
#include "tests/runtime/TextGoldens.h"

#include <random>

namespace gptc {
namespace {

using namespace test;

/// Whether no valid character is cut at the end of `piece`, were `next` to
/// follow.
bool endsBetweenCharacters(const std::string &all, size_t cut) {
  for (size_t begin = cut > 3 ? cut - 3 : 0; begin < cut; ++begin) {
    Character character = characterAt(all, begin);
    if (character.valid && begin + character.length > cut)
      return false;
  }
  return true;
}

void expectStream(const Tokenizer &tokenizer, const Ids &ids) {
  StreamDecoder decoder(tokenizer);
  std::string whole = decode(tokenizer, ids), text;
  for (int32_t id : ids) {
    text += decoder.push(id).value();
    EXPECT_TRUE(endsBetweenCharacters(whole, text.size()));
  }
  EXPECT_EQ(text + decoder.finish(), whole);
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, GivesWhatDecodeGives) {
  for (const char *kind : {"gpt1", "gpt2"}) {
    TokenizerPointer tokenizer = tiny(kind);
    nlohmann::json golden = readGolden(std::string(kind) + "-tiny.json");
    for (const auto &item : golden["cases"])
      expectStream(*tokenizer, item["ids"].get<Ids>());
    std::mt19937 random(2);
    for (int round = 0; round < 500; ++round) {
      Ids ids(random() % 20);
      for (int32_t &id : ids)
        id = int32_t(random() % tokenizer->vocabularySize());
      expectStream(*tokenizer, ids);
    }
  }
}

TEST(StreamDecoder, HoldsBackAnIncompleteCharacter) {
  TokenizerPointer tokenizer = tiny("gpt2");
  StreamDecoder decoder(*tokenizer);
  Ids bytes;
  for (std::string byte : {"\xf0", "\x9f", "\x98", "\x8d"})
    bytes.push_back(tokenizer->encode(byte)[0]);
  EXPECT_EQ(decoder.push(bytes[0]).value(), "");
  EXPECT_EQ(decoder.push(bytes[1]).value(), "");
  EXPECT_EQ(decoder.push(bytes[2]).value(), "");
  EXPECT_EQ(decoder.push(bytes[3]).value(), "\xf0\x9f\x98\x8d");
  EXPECT_EQ(decoder.push(bytes[0]).value(), "");
  EXPECT_EQ(decoder.push(bytes[0]).value(), "\xf0");
  EXPECT_EQ(decoder.finish(), "\xf0");
}

TEST(StreamDecoder, SpacesComeWithTheNextWord) {
  TokenizerPointer tokenizer = tiny("gpt1");
  StreamDecoder decoder(*tokenizer);
  int32_t comma = tokenizer->encode(",")[0];
  EXPECT_EQ(decoder.push(comma).value(), ",");
  EXPECT_EQ(decoder.push(comma).value(), " ,");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, GoesOnAfterAnUnknownId) {
  TokenizerPointer tokenizer = tiny("gpt1");
  StreamDecoder decoder(*tokenizer);
  int32_t comma = tokenizer->encode(",")[0];
  EXPECT_EQ(decoder.push(comma).value(), ",");
  EXPECT_FALSE(decoder.push(-5).has_value());
  EXPECT_EQ(decoder.push(comma).value(), " ,");
}

TEST(IncompleteAtEnd, CountsBytesThatMoreCouldComplete) {
  EXPECT_EQ(incompleteAtEnd(""), 0U);
  EXPECT_EQ(incompleteAtEnd("a"), 0U);
  EXPECT_EQ(incompleteAtEnd("a\xc3"), 1U);
  EXPECT_EQ(incompleteAtEnd("\xe4\xbd"), 2U);
  EXPECT_EQ(incompleteAtEnd("\xf0\x9f\x98"), 3U);
  EXPECT_EQ(incompleteAtEnd("\xf0\x9f\x98\x80"), 0U);
  EXPECT_EQ(incompleteAtEnd("\x80\x80\x80"), 0U);
  // Overlong forms, surrogates and what lies above U+10FFFF cannot become
  // valid.
  EXPECT_EQ(incompleteAtEnd("\xc1"), 0U);
  EXPECT_EQ(incompleteAtEnd("\xe0\x80"), 0U);
  EXPECT_EQ(incompleteAtEnd("\xe0\xa0"), 2U);
  EXPECT_EQ(incompleteAtEnd("\xed\xa0"), 0U);
  EXPECT_EQ(incompleteAtEnd("\xed\x9f"), 2U);
  EXPECT_EQ(incompleteAtEnd("\xf0\x80"), 0U);
  EXPECT_EQ(incompleteAtEnd("\xf4\x90"), 0U);
  EXPECT_EQ(incompleteAtEnd("\xf4\x8f\xbf"), 3U);
  EXPECT_EQ(incompleteAtEnd("\xf5"), 0U);
}

/// What comes out of a stream cut into pieces of `length`, and whether it
/// stopped.
std::pair<std::string, bool> stream(const std::vector<std::string> &stops,
                                    const std::string &text, size_t length) {
  StopMatcher matcher = StopMatcher::create(stops).value();
  std::string out;
  for (size_t i = 0; i < text.size(); i += length)
    out += matcher.push(std::string_view(text).substr(i, length));
  out += matcher.finish();
  return {out, matcher.stopped()};
}

TEST(StopMatcher, EndsBeforeTheFirstStopText) {
  auto check = [](const std::vector<std::string> &stops,
                  const std::string &text, const std::string &expected,
                  bool stopped) {
    for (size_t length = 1; length <= text.size(); ++length) {
      auto [out, ended] = stream(stops, text, length);
      EXPECT_EQ(out, expected) << text << " by " << length;
      EXPECT_EQ(ended, stopped);
    }
  };
  check({}, "abc", "abc", false);
  check({"x"}, "abc", "abc", false);
  check({"b"}, "abc", "a", true);
  check({"\n\n"}, "a\nb\n\nc", "a\nb", true);
  check({"aab"}, "aaaab", "aa", true);
  check({"abac"}, "abababac!", "abab", true);
  check({"cd", "abcde"}, "xabcdef", "xab", true);
  check({"bcd", "cd"}, "abcde", "a", true);
  check({"END"}, "the EN", "the EN", false);
}

TEST(StopMatcher, ReleasesWhatIsCertain) {
  StopMatcher matcher = StopMatcher::create({"stop", "top!"}).value();
  EXPECT_EQ(matcher.push("we s"), "we ");
  EXPECT_EQ(matcher.push("to"), "");
  EXPECT_EQ(matcher.push("o"), "stoo");
  EXPECT_EQ(matcher.push("stop"), "");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.push("more"), "");
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, RefusesAnEmptyStopText) {
  auto matcher = StopMatcher::create({"a", ""});
  ASSERT_FALSE(matcher.has_value());
  EXPECT_EQ(matcher.error().code(), ErrorCode::InvalidArgument);
}

} // namespace
} // namespace gptc
