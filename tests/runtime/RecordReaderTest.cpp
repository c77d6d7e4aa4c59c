#include "gptc/runtime/data/RecordReader.h"
#include "gptc/runtime/data/JsonLine.h"
#include "gptc/runtime/text/Tokenizer.h"
#include "tests/support/Matchers.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace gptc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Gives `text` from `at` on in reads of at most `step` bytes.
RecordReader::Source sourceOf(const std::string &text, uint64_t at,
                              size_t step) {
  return [&text, at, step](std::span<char> out) mutable -> Expected<size_t> {
    size_t count = std::min({out.size(), step, text.size() - size_t(at)});
    std::copy_n(text.data() + at, count, out.data());
    at += count;
    return count;
  };
}

struct Found {
  std::string text;
  uint64_t byte, line;
  bool first, last, tooLong;
  bool operator==(const Found &) const = default;
};

std::vector<Found> recordsOf(const std::string &text, RecordKind kind,
                             const std::string &separator,
                             RecordReader::Limits limits, size_t step = 1000,
                             uint64_t byte = 0, uint64_t line = 1) {
  RecordReader reader(sourceOf(text, byte, step), kind, separator, limits, byte,
                      line);
  std::vector<Found> found;
  while (true) {
    auto block = reader.next();
    EXPECT_TRUE(block);
    if (block->records.empty())
      return found;
    for (const Record &record : block->records)
      found.push_back({std::string(block->text(record)), record.byte,
                       record.line, record.first, record.last, record.tooLong});
  }
}

std::vector<std::string> textsOf(const std::vector<Found> &found) {
  std::vector<std::string> texts;
  for (const Found &record : found)
    texts.push_back(record.tooLong ? "TOO LONG" : record.text);
  return texts;
}

TEST(RecordReader, LinesAreRecords) {
  std::string text = "one\n\ntwo\r\n \t\nthree";
  auto found = recordsOf(text, RecordKind::JsonLines, "", {});
  EXPECT_THAT(textsOf(found), ElementsAre("one", "two", "three"));
  EXPECT_EQ(found[1].line, 3U);
  EXPECT_EQ(found[1].byte, 5U);
  EXPECT_EQ(found[2].line, 5U);
  EXPECT_EQ(recordsOf(text + "\n", RecordKind::JsonLines, "", {}), found);
  EXPECT_TRUE(recordsOf("", RecordKind::JsonLines, "", {}).empty());
  EXPECT_TRUE(recordsOf("\n\n", RecordKind::JsonLines, "", {}).empty());
}

TEST(RecordReader, SeparatorsAreWholeLines) {
  auto separated = [](const std::string &text, const std::string &separator) {
    return textsOf(recordsOf(text, RecordKind::Separated, separator, {}));
  };
  EXPECT_THAT(separated("a\nb\n--\nc -- d\n--x\n--\r\n--\n--\ne", "--"),
              ElementsAre("a\nb", "c -- d\n--x", "e"));
  EXPECT_THAT(separated("--\na\n--", "--"), ElementsAre("a"));
  EXPECT_THAT(separated("a\nb\n\nc\r\n\r\n\n\nd\n", ""),
              ElementsAre("a\nb", "c", "d"));
  EXPECT_THAT(separated("a\nb\n", "--"), ElementsAre("a\nb"));
  auto found =
      recordsOf("a\n\n--\n\nb\n--\nc", RecordKind::Separated, "--", {});
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[1].line, 4U);
  EXPECT_EQ(found[2].line, 7U);
}

TEST(RecordReader, RecordsThatAreTooLongAreNamedAndSkipped) {
  RecordReader::Limits limits{4, 10};
  for (size_t step : {1, 3, 1000}) {
    std::string lines = "short\n" + std::string(11, 'x') + "\n" +
                        std::string(10, 'y') + "\n" + std::string(500, 'z') +
                        "\nend\n" + std::string(400, 'w');
    auto found = recordsOf(lines, RecordKind::JsonLines, "", limits, step);
    EXPECT_THAT(textsOf(found), ElementsAre("short", "TOO LONG", "yyyyyyyyyy",
                                            "TOO LONG", "end", "TOO LONG"));
    EXPECT_EQ(found[3].line, 4U);
    EXPECT_EQ(found[3].byte, 29U);
    EXPECT_EQ(found[4].line, 5U);
    std::string text = "a\n--\n" + std::string(40, 'x') +
                       "\n--y\nz\n--\nb\n--\n" + std::string(9, '-') +
                       "--\n\n--\nc";
    found = recordsOf(text, RecordKind::Separated, "--", limits, step);
    EXPECT_THAT(textsOf(found),
                ElementsAre("a", "TOO LONG", "b", "TOO LONG", "c"));
    EXPECT_EQ(found[1].line, 3U);
    EXPECT_EQ(found[2].line, 7U);
    EXPECT_EQ(found[4].line, 12U);
  }
}

TEST(RecordReader, WhiteSpaceIsNoRecordHoweverLongItIs) {
  std::string lines =
      "a\n" + std::string(500, '\r') + "\nb\n" + std::string(500, ' ');
  std::string mixed = "a\n" + std::string(500, '\t') + "x\nb\n";
  std::string separated = "a\n--\n" + std::string(500, '\n') + "--\nb\n--\n" +
                          std::string(500, ' ') + "\n--";
  RecordKind jsonLines = RecordKind::JsonLines, parts = RecordKind::Separated;
  for (size_t block : {4, 1000}) {
    RecordReader::Limits limits{block, 10};
    EXPECT_THAT(textsOf(recordsOf(lines, jsonLines, "", limits)),
                ElementsAre("a", "b"));
    EXPECT_THAT(textsOf(recordsOf(mixed, jsonLines, "", limits)),
                ElementsAre("a", "TOO LONG", "b"));
    EXPECT_THAT(textsOf(recordsOf(separated, parts, "--", limits)),
                ElementsAre("a", "b"));
  }
}

TEST(RecordReader, AFileOfWhiteSpaceIsNoRecord) {
  RecordKind text = RecordKind::Text;
  for (size_t block : {4, 1000}) {
    for (size_t length : {1, 3, 5, 500})
      EXPECT_TRUE(
          recordsOf(std::string(length, '\n'), text, "", {block, 600}, 7)
              .empty());
    // All of it where anything else is in it, and an empty one to be told of.
    std::string late = std::string(500, ' ') + "a ";
    std::string joined;
    for (const Found &piece : recordsOf(late, text, "", {block, 600}, 7))
      joined += piece.text;
    EXPECT_EQ(joined, late);
    EXPECT_EQ(recordsOf("", text, "", {block, 600}).size(), 1U);
  }
  // Of more than a document may have no more is held than that.
  std::string large(700, '\t'), joined;
  for (const Found &piece : recordsOf(large, text, "", {4, 600}, 7))
    joined += piece.text;
  EXPECT_EQ(joined, large);
}

TEST(RecordReader, RecordsDoNotDependOnBlocksAndCanBeTakenUpAnywhere) {
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += std::string(size_t(i * 7 % 23), char('a' + i % 3)) +
            (i % 5 == 0   ? "\n--\n"
             : i % 7 == 0 ? "\r\n"
                          : "\n");
  for (RecordKind kind : {RecordKind::JsonLines, RecordKind::Separated}) {
    auto expected = recordsOf(text, kind, "--", {1 << 20, 60});
    EXPECT_GT(expected.size(), 30U);
    bool tooLong = std::any_of(expected.begin(), expected.end(),
                               [](const Found &one) { return one.tooLong; });
    EXPECT_EQ(tooLong, kind == RecordKind::Separated);
    for (size_t block : {1, 2, 7, 64, 1000})
      for (size_t step : {1, 5, 1000})
        EXPECT_EQ(recordsOf(text, kind, "--", {block, 60}, step), expected);
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_EQ(recordsOf(text, kind, "--", {16, 60}, 9, expected[i].byte,
                          expected[i].line),
                std::vector<Found>(expected.begin() + std::ptrdiff_t(i),
                                   expected.end()));
  }
}

/// Texts of many kinds of white space, beside which cuts are made.
std::string oddText() {
  const char *pieces[] = {"word",   " ",    "  ",   "\n",     "\n\n", "don't",
                          "12",     "\t ",  "é",    "\u3000", "世界", "...",
                          "\u00a0", "\r\n", "\xff", "x"};
  std::string text;
  for (uint64_t i = 0; i < 4000; ++i)
    text += pieces[(i * i + i / 7) % std::size(pieces)];
  return text;
}

TEST(RecordReader, PiecesOfATextHaveTheTokensOfTheWhole) {
  for (const char *kind : {"gpt2", "gpt1"}) {
    auto files = readTokenizerFiles(std::string(GPTC_SOURCE_DIR) +
                                    "/tests/golden/text/" + kind);
    ASSERT_TRUE(files);
    ASSERT_VALUE(auto tokenizer, Tokenizer::create(*files));
    std::string text = oddText();
    std::vector<int32_t> whole = tokenizer->encode(text);
    // Half a block is longer than any stretch without a space.
    for (size_t block : {100, 150, 333, 1024}) {
      auto pieces = recordsOf(text, RecordKind::Text, "", {block, 10}, 77);
      ASSERT_GE(pieces.size(), text.size() / block);
      std::vector<int32_t> ids;
      std::string together;
      for (size_t i = 0; i < pieces.size(); ++i) {
        EXPECT_EQ(pieces[i].first, i == 0);
        EXPECT_EQ(pieces[i].last, i + 1 == pieces.size());
        EXPECT_EQ(pieces[i].byte, together.size());
        EXPECT_LE(pieces[i].text.size(), block);
        together += pieces[i].text;
        std::vector<int32_t> more = tokenizer->encode(pieces[i].text);
        ids.insert(ids.end(), more.begin(), more.end());
        if (i % 10 == 3)
          EXPECT_EQ(recordsOf(text, RecordKind::Text, "", {block, 10}, 1000,
                              pieces[i].byte),
                    std::vector<Found>(pieces.begin() + std::ptrdiff_t(i),
                                       pieces.end()));
      }
      EXPECT_EQ(together, text);
      EXPECT_EQ(ids, whole) << kind << " in pieces of " << block;
    }
  }
}

TEST(RecordReader, ATextWithoutSpacesIsCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += "世界";
  for (size_t block : {7, 8, 9, 10})
    for (const std::string &piece :
         textsOf(recordsOf(text, RecordKind::Text, "", {block, 10})))
      EXPECT_EQ(piece.size() % 3, 0U);
  auto one = recordsOf("x", RecordKind::Text, "", {1, 1});
  EXPECT_THAT(textsOf(one), ElementsAre("x"));
  EXPECT_THAT(textsOf(recordsOf("xyz", RecordKind::Text, "", {1, 1})),
              ElementsAre("x", "y", "z"));
}

TEST(RecordReader, FailsAsItsSourceDoes) {
  for (RecordKind kind :
       {RecordKind::Text, RecordKind::JsonLines, RecordKind::Separated}) {
    RecordReader reader(
        [](std::span<char>) -> Expected<size_t> {
          return failure(ErrorCode::Io, "the disk is gone");
        },
        kind, "", {});
    EXPECT_THAT(reader.next(), FailsWith(ErrorCode::Io, "the disk is gone"));
  }
}

/// What is wrong with a line, or its text.
std::string lineOf(const std::string &line, const std::string &key = "text") {
  auto text = textOfJsonLine(line, key);
  return text ? *text : "BAD: " + text.error();
}

TEST(JsonLine, FindsTheTextAmongOtherMembers) {
  EXPECT_EQ(lineOf(R"({"text": "a\nb \u00e9\ud83d\ude00 \"q\""})"),
            "a\nb é😀 \"q\"");
  EXPECT_EQ(lineOf(R"( {"id": 3, "meta": {"text": "no", "x": [1, {"text": 2}]},
                       "text": "yes", "n": null, "f": 1e5, "b": true} )"),
            "yes");
  EXPECT_EQ(lineOf(R"({"content": "c", "text": 3})", "content"), "c");
  EXPECT_EQ(lineOf(std::string("{\"text\": \"a\\u0000b\"}")),
            std::string("a\0b", 3));
  EXPECT_EQ(lineOf(R"({"a": "text", "text": "b"})"), "b");
  std::string deep(100'000, '[');
  EXPECT_EQ(lineOf("{\"x\": " + deep + std::string(100'000, ']') +
                   ", \"text\": \"t\"}"),
            "t");
}

TEST(JsonLine, SaysWhatIsWrong) {
  EXPECT_EQ(lineOf("{}"), "BAD: it has no key 'text'");
  EXPECT_EQ(lineOf(R"({"Text": "a"})"), "BAD: it has no key 'text'");
  EXPECT_EQ(lineOf(R"({"a": {"text": "a"}})"), "BAD: it has no key 'text'");
  EXPECT_EQ(lineOf(R"({"text": 3})"), "BAD: its 'text' is no string");
  EXPECT_EQ(lineOf(R"({"text": null, "a": "b"})"),
            "BAD: its 'text' is no string");
  EXPECT_EQ(lineOf(R"({"text": ["a"]})"), "BAD: its 'text' is no string");
  EXPECT_EQ(lineOf(R"({"text": {"a": "b"}})"), "BAD: its 'text' is no string");
  EXPECT_EQ(lineOf(R"({"text": ""})"), "BAD: its 'text' is empty");
  EXPECT_EQ(lineOf(R"({"text": "a", "text": "b"})"),
            "BAD: it has the key 'text' twice");
  EXPECT_EQ(lineOf(R"(["text", "a"])"), "BAD: it is no JSON object");
  EXPECT_EQ(lineOf(R"([{"text": "a"}])"), "BAD: it is no JSON object");
  EXPECT_EQ(lineOf("\"text\""), "BAD: it is no JSON object");
  EXPECT_EQ(lineOf(R"({"text": "a)"), "BAD: it is no JSON from byte 12 on");
  EXPECT_EQ(lineOf("plain text"), "BAD: it is no JSON from byte 1 on");
  EXPECT_EQ(lineOf(R"({"text": "a"} x)"), "BAD: it is no JSON from byte 15 on");
  EXPECT_EQ(lineOf("{\"text\": \"a\xff\"}"), "BAD: it is no UTF-8 at byte 12");
  EXPECT_THAT(lineOf(R"({"text": "\ud800"})"), HasSubstr("no JSON from"));
  EXPECT_THAT(lineOf(std::string("{\"text\": \"a\0\"}", 14)),
              HasSubstr("no JSON from"));
  EXPECT_EQ(lineOf(R"({"text": "a", "n": 1e999})"),
            "BAD: it has a number out of range");
}

} // namespace
} // namespace gptc
