#include "gptc/runtime/data/Table.h"
#include "tests/support/Matchers.h"
#include "tests/support/TemporaryFolder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace gptc {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;

using Names = std::vector<std::string>;
using Rows = std::vector<std::vector<std::string>>;

Rows rowsOf(const Table &table) {
  Rows rows(table.rows());
  for (size_t i = 0; i < table.rows(); ++i)
    for (size_t j = 0; j < table.columns().size(); ++j)
      rows[i].emplace_back(table.cell(i, j));
  return rows;
}

std::vector<uint64_t> linesOf(const Table &table) {
  std::vector<uint64_t> lines;
  for (size_t i = 0; i < table.rows(); ++i)
    lines.push_back(table.line(i));
  return lines;
}

const char *endingOf(TableFormat format) {
  return format == TableFormat::Csv   ? ".csv"
         : format == TableFormat::Tsv ? ".tsv"
                                      : ".jsonl";
}

Expected<Table> parse(TableFormat format, std::string_view text,
                      const Names &columns = {},
                      OtherColumns others = OtherColumns::Keep,
                      const TableLimits &limits = {}) {
  return parseTable(text, "f"s + endingOf(format), format, columns, others,
                    limits);
}

Expected<Table> csv(std::string_view text, const TableLimits &limits = {}) {
  return parse(TableFormat::Csv, text, {}, OtherColumns::Keep, limits);
}
Expected<Table> tsv(std::string_view text) {
  return parse(TableFormat::Tsv, text);
}
Expected<Table> json(std::string_view text, const Names &columns = {},
                     OtherColumns others = OtherColumns::Keep,
                     const TableLimits &limits = {}) {
  return parse(TableFormat::JsonLines, text, columns, others, limits);
}

/// All cells of a text that is a table.
Rows cellsOf(const Expected<Table> &table) {
  EXPECT_TRUE(table) << table.error().message();
  return table ? rowsOf(*table) : Rows();
}

TEST(Table, ReadsCsv) {
  ASSERT_VALUE(Table table, csv("label,text\n"
                                "yes,plain\n"
                                "no,\"a, \"\"quoted\"\"\n\r\nline\"\r\n"
                                "\"\",\"\"\n"
                                " a , é世😀\n"
                                ",last"));
  EXPECT_THAT(table.columns(), ElementsAre("label", "text"));
  EXPECT_EQ(rowsOf(table), (Rows{{"yes", "plain"},
                                 {"no", "a, \"quoted\"\n\r\nline"},
                                 {"", ""},
                                 {" a ", " é世😀"},
                                 {"", "last"}}));
  EXPECT_THAT(linesOf(table), ElementsAre(2, 3, 6, 7, 8));
  EXPECT_EQ(table.path(), "f.csv");
  EXPECT_EQ(table.find("text"), 1U);
  EXPECT_EQ(table.find("Text"), std::nullopt);
}

TEST(Table, QuotesWithinCellsOfCsvAreTheirs) {
  EXPECT_EQ(cellsOf(csv("a,b\n5\" disk, \"x\"\n\"\"\"\",\"\"\"a\"\"\"\n")),
            (Rows{{"5\" disk", " \"x\""}, {"\"", "\"a\""}}));
}

TEST(Table, NamesMayBeQuotedAndOneEmpty) {
  ASSERT_VALUE(Table table, csv(",\"a,b\",\"c\nd\"\n0,1,2\n"));
  EXPECT_THAT(table.columns(), ElementsAre("", "a,b", "c\nd"));
  EXPECT_THAT(linesOf(table), ElementsAre(3));
}

TEST(Table, ReadsTsvWithoutQuoting) {
  ASSERT_VALUE(Table table,
               tsv("index\tsentence1\tsentence2\tscore\n"
                   "0\t\"He said, \"no.\tShe \"\"left\"\".\t2.500\r\n"
                   "1\t\t\"\t5\n"));
  EXPECT_EQ(rowsOf(table),
            (Rows{{"0", "\"He said, \"no.", "She \"\"left\"\".", "2.500"},
                  {"1", "", "\"", "5"}}));
  EXPECT_THAT(linesOf(table), ElementsAre(2, 3));
}

TEST(Table, LineEndsMarksAndEmptyLinesMakeNoDifference) {
  for (TableFormat format : {TableFormat::Csv, TableFormat::Tsv}) {
    std::string comma = format == TableFormat::Csv ? "," : "\t";
    for (std::string mark : {"", "\xef\xbb\xbf"})
      for (std::string end : {"\n", "\r\n"})
        for (std::string last : {"", end.c_str(), "\r", "\n\n\r\n"}) {
          std::string text = mark + end + "a" + comma + "b" + end + "1" +
                             comma + "2" + end + end + "3" + comma + last;
          ASSERT_VALUE(Table table, parse(format, text));
          EXPECT_THAT(table.columns(), ElementsAre("a", "b"));
          EXPECT_EQ(rowsOf(table), (Rows{{"1", "2"}, {"3", ""}}));
          EXPECT_THAT(linesOf(table), ElementsAre(3, 5));
        }
  }
  EXPECT_EQ(cellsOf(json("\xef\xbb\xbf{\"a\": 1}\r\n \t\n\n{\"a\": 2}")),
            (Rows{{"1"}, {"2"}}));
}

TEST(Table, ACarriageReturnWithinALineIsACharacter) {
  EXPECT_EQ(cellsOf(csv("a,b\nx\ry,z\n")), (Rows{{"x\ry", "z"}}));
  EXPECT_EQ(cellsOf(tsv("a\tb\nx\ry\tz\r\r\n")), (Rows{{"x\ry", "z\r"}}));
}

TEST(Table, OneColumnHasEmptyCellsInQuotesAlone) {
  ASSERT_VALUE(Table table, csv("a\n\n\"\"\nx\n\n"));
  EXPECT_EQ(rowsOf(table), (Rows{{""}, {"x"}}));
  EXPECT_THAT(linesOf(table), ElementsAre(3, 4));
}

TEST(Table, ZerosAreText) {
  EXPECT_EQ(cellsOf(csv("a\n\0x\0\n"s)), (Rows{{"\0x\0"s}}));
  EXPECT_EQ(cellsOf(json(R"({"a": "\u0000x"})")), (Rows{{"\0x"s}}));
}

TEST(Table, ReadsJsonLines) {
  ASSERT_VALUE(Table table,
               json(R"({"text": "a\n\"b\" \u00e9\ud83d\ude00", "label": 1})"
                    "\n\n"
                    R"({"label": true, "text": "", "score": -2.50})"
                    "\n"
                    R"({"text": "x", "score": 12345678901234567890123,)"
                    R"( "label": false})"));
  EXPECT_THAT(table.columns(), ElementsAre("text", "label", "score"));
  EXPECT_EQ(rowsOf(table), (Rows{{"a\n\"b\" é😀", "1", ""},
                                 {"", "true", "-2.50"},
                                 {"x", "false", "12345678901234567890123"}}));
  EXPECT_THAT(linesOf(table), ElementsAre(1, 3, 4));
  EXPECT_EQ(cellsOf(json("{\"n\": -7}\n{\"n\": 18446744073709551615}\n"
                         "{\"n\": 1e3}")),
            (Rows{{"-7"}, {"18446744073709551615"}, {"1e3"}}));
}

TEST(Table, GivesTheColumnsThatAreAskedForInTheirOrder) {
  for (TableFormat format :
       {TableFormat::Csv, TableFormat::Tsv, TableFormat::JsonLines}) {
    std::string text = format == TableFormat::Csv ? "a,b,c\n1,2,3\n4,5,6\n"
                       : format == TableFormat::Tsv
                           ? "a\tb\tc\n1\t2\t3\n4\t5\t6\n"
                           : "{\"a\":1,\"b\":2,\"c\":3}\n"
                             "{\"c\":6,\"b\":5,\"a\":4}\n";
    ASSERT_VALUE(Table some,
                 parse(format, text, {"c", "a"}, OtherColumns::Drop));
    EXPECT_THAT(some.columns(), ElementsAre("c", "a"));
    EXPECT_EQ(rowsOf(some), (Rows{{"3", "1"}, {"6", "4"}}));
    ASSERT_VALUE(Table twice,
                 parse(format, text, {"b", "b"}, OtherColumns::Drop));
    EXPECT_EQ(rowsOf(twice), (Rows{{"2", "2"}, {"5", "5"}}));
    ASSERT_VALUE(Table all, parse(format, text, {"c"}, OtherColumns::Keep));
    EXPECT_THAT(all.columns(), ElementsAre("a", "b", "c"));
    EXPECT_EQ(rowsOf(all), (Rows{{"1", "2", "3"}, {"4", "5", "6"}}));
    ASSERT_VALUE(Table none, parse(format, text, {}, OtherColumns::Drop));
    EXPECT_EQ(none.rows(), 2U);
    EXPECT_TRUE(none.columns().empty());
    EXPECT_THAT(parse(format, text, {"a", "d"}, OtherColumns::Drop),
                FailsWith(ErrorCode::NotFound,
                          "f"s + endingOf(format) +
                              "' has no column 'd'; it has 'a', 'b', 'c'"));
  }
}

TEST(Table, ValuesOfJsonThatNobodyAskedForMayBeAnything) {
  std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  std::string text = R"({"text": "a", "meta": {"text": 1, "text": 2}, "n": )" +
                     deep + "}\n{\"text\": \"b\", \"meta\": null}\n";
  ASSERT_VALUE(Table table, json(text, {"text"}, OtherColumns::Drop));
  EXPECT_EQ(rowsOf(table), (Rows{{"a"}, {"b"}}));
  EXPECT_THAT(json(text, {"text"}),
              FailsWith(ErrorCode::Corrupt,
                        "f.jsonl:1: its 'meta' is an object, expected a "
                        "string, a number or a boolean"));
  EXPECT_EQ(cellsOf(json("{\"a\": \"x\", \"b\": null}\n{\"a\": \"y\"}", {"a"})),
            (Rows{{"x", ""}, {"y", ""}}));
}

TEST(Table, SaysWhatIsWrongWithCsv) {
  EXPECT_THAT(csv("a,b\n1,2\n\"x\ny\",2,3\n"),
              FailsWith(ErrorCode::Corrupt,
                        "f.csv:3: the row has 3 cells, expected 2 as the "
                        "header has; put a cell with a comma into quotes"));
  EXPECT_THAT(csv("a,b\n1\n"),
              FailsWith(ErrorCode::Corrupt,
                        "f.csv:2: the row has 1 cell, expected 2 as the header "
                        "has; leave a cell empty for what is missing"));
  EXPECT_THAT(csv("a,b\n1,2\n1,\"2\n\n3,4\n"),
              FailsWith(ErrorCode::Corrupt,
                        "f.csv:3: the quote that begins a cell here is never "
                        "closed; close it, or double a quote"));
  EXPECT_THAT(csv("a,b\n\"1\n\" x,2\n"),
              FailsWith(ErrorCode::Corrupt,
                        "f.csv:3: a closing quote is followed by ' ', expected "
                        "a comma or the end of the line"));
  EXPECT_THAT(csv("a\n\"1\"é\n"),
              FailsWith(ErrorCode::Corrupt, "is followed by 'é', expected"));
  EXPECT_THAT(csv("a\n\"1\"\rx\n"),
              FailsWith(ErrorCode::Corrupt, "is followed by '\\x0d'"));
  EXPECT_THAT(csv("a,b,a\n1,2,3\n"),
              FailsWith(ErrorCode::Corrupt,
                        "f.csv:1: the header has the column 'a' twice"));
}

TEST(Table, SaysWhatIsWrongWithTsv) {
  EXPECT_THAT(tsv("a\tb\n1\t2\t3\n"),
              FailsWith(ErrorCode::Corrupt,
                        "f.tsv:2: the row has 3 cells, expected 2 as the "
                        "header has; a cell cannot hold a tab"));
  EXPECT_THAT(tsv("a\tb\n1\n"), FailsWith(ErrorCode::Corrupt, "f.tsv:2: "));
  EXPECT_THAT(tsv("a\t\"a\"\ta\n1\t2\t3\n"),
              FailsWith(ErrorCode::Corrupt, "the column 'a' twice"));
}

TEST(Table, SaysWhatIsWrongWithJsonLines) {
  auto fails = [](std::string_view line, std::string_view reason) {
    std::string text = "{\"a\": 1}\n\n" + std::string(line) + "\n";
    EXPECT_THAT(
        json(text, {"a"}, OtherColumns::Drop),
        FailsWith(ErrorCode::Corrupt, "f.jsonl:3: " + std::string(reason)));
  };
  fails("{\"b\": 1}", "it has no key 'a'");
  fails("{}", "it has no key 'a'");
  fails("{\"a\": null}",
        "its 'a' is null, expected a string, a number or a boolean");
  fails("{\"a\": {}}", "its 'a' is an object, expected");
  fails("{\"a\": [\"x\"]}", "its 'a' is an array, expected");
  fails("{\"a\": 1, \"b\": 2, \"b\": 2}", "it has the key 'b' twice");
  fails("[{\"a\": 1}]", "it is no JSON object");
  fails("\"a\"", "it is no JSON object");
  fails("{\"a\": 1", "it is no JSON from byte 8 on");
  fails("{\"a\": 1} x", "it is no JSON from byte 10 on");
  fails("{'a': 1}", "it is no JSON from byte 2 on");
  fails("{\"a\": \"\\ud800\"}", "it is no JSON from");
  fails("{\"a\": \"x\ty\"}", "it is no JSON from");
  fails("{\"a\": NaN}", "it is no JSON from");
  fails("{\"a\": 1e999}", "it has a number out of range");
}

TEST(Table, RefusesWhatIsNoUtf8) {
  EXPECT_THAT(csv("a,b\n1,2\nx\xff,3\n"),
              FailsWith(ErrorCode::Corrupt, "f.csv:3: it is no UTF-8 at byte "
                                            "2; save the file as UTF-8"));
  EXPECT_THAT(tsv("\xff\xfe"
                  "a\0"s),
              FailsWith(ErrorCode::Corrupt, "f.tsv:1: it is no UTF-8"));
  EXPECT_THAT(json("{\"a\": \"\xed\xa0\x80\"}"),
              FailsWith(ErrorCode::Corrupt, "f.jsonl:1: it is no UTF-8"));
  EXPECT_THAT(csv("a\nx\xe4\xb8"), FailsWith(ErrorCode::Corrupt, "f.csv:2: "));
}

TEST(Table, RefusesWhatIsEmpty) {
  for (std::string text : {"", "\n\r\n", "\xef\xbb\xbf"})
    for (TableFormat format :
         {TableFormat::Csv, TableFormat::Tsv, TableFormat::JsonLines})
      EXPECT_THAT(parse(format, text),
                  FailsWith(ErrorCode::Corrupt,
                            "'f"s + endingOf(format) + "' is empty, expected"));
  EXPECT_THAT(csv("a,b\n\n"),
              FailsWith(ErrorCode::Corrupt,
                        "'f.csv' has a header and no rows below it"));
  EXPECT_THAT(tsv("a"), FailsWith(ErrorCode::Corrupt, "no rows below it"));
  EXPECT_THAT(json("{}\n{}\n"), FailsWith(ErrorCode::Corrupt, "is empty"));
}

TEST(Table, RefusesWhatIsBeyondItsLimits) {
  TableLimits limits{5, 2};
  EXPECT_TRUE(csv("a,b\n12345,\"1\"\"\"\"2\"\n", limits));
  EXPECT_THAT(csv("a\n123456\n", limits),
              FailsWith(ErrorCode::Unsupported,
                        "f.csv:2: a cell has more than 5 bytes"));
  EXPECT_THAT(csv("a\n\"123\n456\"\n", limits),
              FailsWith(ErrorCode::Unsupported,
                        "f.csv:2: a quoted cell, whose closing quote may be "
                        "missing, has more than 5 bytes"));
  EXPECT_THAT(csv("a\n\"12345\"\"\"\n", limits),
              FailsWith(ErrorCode::Unsupported, "f.csv:2: a cell has more"));
  EXPECT_THAT(csv("a,b,c\n1,2,3\n", limits),
              FailsWith(ErrorCode::Unsupported,
                        "f.csv:1: the header has 3 columns, expected at most "
                        "2"));
  auto limited = [&](std::string_view text) {
    return json(text, {}, OtherColumns::Keep, limits);
  };
  EXPECT_TRUE(limited("{\"12345\": \"12345\", \"b\": 12345}"));
  for (std::string line : {"{\"a\": \"123456\"}", "{\"a\": 123456}",
                           "{\"123456\": 1}", "{\"a\": 1.23456}"})
    EXPECT_THAT(limited("{\"a\": 1}\n" + line),
                FailsWith(ErrorCode::Unsupported,
                          "f.jsonl:2: a key or value has more than 5 bytes"));
  // Also where nobody asked for it: the parser would keep it.
  for (const char *line :
       {R"({"a": {"b": ["123456"]}})", R"({"a": [123456]})", R"({"a":      1})",
        R"({"a": "\"\\\"\"\"\""})", R"({"a": [12, 123456)"})
    EXPECT_THAT(json(line, {}, OtherColumns::Drop, limits),
                FailsWith(ErrorCode::Unsupported,
                          "f.jsonl:1: a key or value has more than 5 bytes"))
        << line;
  for (const char *line :
       {R"({"a": "\"\\\"\"\""})", R"({"a": "\u00e9\u00e9x"})",
        R"({"a": "[,:{}"  ,  "b":     12345})", R"({"a":"\\","b":"1,2,3"})"})
    EXPECT_TRUE(limited(line)) << line;
  EXPECT_THAT(
      limited("{\"a\": 1, \"b\": 2, \"c\": 3}"),
      FailsWith(ErrorCode::Unsupported, "f.jsonl:1: it has more than 2 keys"));
  EXPECT_THAT(limited("{\"a\": 1, \"b\": 2}\n{\"c\": 3}"),
              FailsWith(ErrorCode::Unsupported,
                        "f.jsonl:2: up to here are more than 2 different"));
}

TEST(Table, TheLimitOfACellIs16MiB) {
  std::string most(size_t(16) << 20, 'x');
  EXPECT_EQ(cellsOf(csv("a\n" + most + "\n"))[0][0].size(), most.size());
  EXPECT_THAT(csv("a,b\n1,2\n3," + most + "x\n"),
              FailsWith(ErrorCode::Unsupported,
                        "f.csv:3: a cell has more than 16777216 bytes"));
  EXPECT_THAT(json("{\"a\": \"" + most + "x\"}"),
              FailsWith(ErrorCode::Unsupported, "f.jsonl:1: "));
}

TEST(Table, RefusesObjectsWithoutCommonKeys) {
  std::string text;
  for (int i = 0; i < 2000; ++i)
    text += "{\"a\": 1, \"k" + std::to_string(i) + "\": 2}\n";
  EXPECT_THAT(json(text), FailsWith(ErrorCode::Unsupported,
                                    "'f.jsonl' is no table: up to line"));
  ASSERT_VALUE(Table table, json(text, {"a"}, OtherColumns::Drop));
  EXPECT_EQ(table.rows(), 2000U);
}

TEST(Table, LongAndManyNamesAreCutInErrors) {
  std::string text = std::string(50, 'n') + "\n", header;
  for (int i = 0; i < 25; ++i)
    header += (i > 0 ? "," : "") + ("c" + std::to_string(i));
  EXPECT_THAT(parse(TableFormat::Csv, "é" + text + "1\n", {"x"}),
              FailsWith(ErrorCode::NotFound,
                        "it has 'é" + std::string(39, 'n') + "…'"));
  EXPECT_THAT(parse(TableFormat::Csv, header + "\n1\n", {"x"}),
              FailsWith(ErrorCode::NotFound, "'c18', 'c19' and 5 more"));
  EXPECT_THAT(parse(TableFormat::Csv, "\"a\nb\"\n1\n", {"x"}),
              FailsWith(ErrorCode::NotFound, "it has 'a\\x0ab'"));
}

TEST(Table, NamesAreReadAlone) {
  auto names = [](TableFormat format, std::string_view text) {
    auto found = parseColumnNames(text, "f", format);
    EXPECT_TRUE(found) << found.error().message();
    return found.value_or(Names());
  };
  EXPECT_THAT(names(TableFormat::Csv, "question,\"answer_0\"\r\n1,2,3,\"\n"),
              ElementsAre("question", "answer_0"));
  EXPECT_THAT(names(TableFormat::Tsv, "a\tb"), ElementsAre("a", "b"));
  EXPECT_THAT(names(TableFormat::JsonLines,
                    "{\"question\": 1, \"answer_0\": {}}\n"
                    "{\"answer_1\": 1, \"question\": [{\"x\": 1}]}\n"),
              ElementsAre("question", "answer_0", "answer_1"));
  EXPECT_THAT(parseColumnNames("a,a\n", "f", TableFormat::Csv),
              FailsWith(ErrorCode::Corrupt, "f:1: the header has"));
  EXPECT_THAT(parseColumnNames("{\"a\": 1}\nx\n", "f", TableFormat::JsonLines),
              FailsWith(ErrorCode::Corrupt, "f:2: it is no JSON from byte 1"));
}

TEST(TableFile, TheEndingTellsTheFormat) {
  TemporaryFolder folder;
  const std::vector<std::pair<std::string, std::string>> files = {
      {"a.csv", "x,y\n1,2\n"},
      {"a.b.CSV", "x,y\n1,2\n"},
      {"a.tsv", "x\ty\n1\t2\n"},
      {"a.jsonl", "{\"x\": 1, \"y\": 2}\n"},
      {"a.ndjson", "{\"x\": 1, \"y\": 2}\n"},
      {"a.json", "{\"x\": 1, \"y\": 2}\n"}};
  for (const auto &[name, content] : files) {
    std::string path = folder.write(name, content);
    EXPECT_EQ(*readColumnNames(path), (Names{"x", "y"}));
    ASSERT_VALUE(Table some, readTable(path, Names{"y"}));
    EXPECT_EQ(some.path(), path);
    EXPECT_EQ(rowsOf(some), (Rows{{"2"}}));
    ASSERT_VALUE(Table all, readTable(path, Names{"y"}, OtherColumns::Keep));
    EXPECT_EQ(rowsOf(all), (Rows{{"1", "2"}}));
  }
  for (const char *name : {"a.txt", "a", ".csv", "a.csv.gz"})
    EXPECT_THAT(readTable(folder.write(name, "x\n1\n"), Names{"x"}),
                FailsWith(ErrorCode::InvalidArgument,
                          "does not tell what the file holds, expected one "
                          "that ends in .csv, in .tsv, or in .jsonl"));
}

TEST(TableFile, RefusesWhatIsNoFile) {
  TemporaryFolder folder;
  EXPECT_THAT(readTable(folder / "none.csv", Names{"x"}),
              FailsWith(ErrorCode::NotFound, "none.csv"));
  std::filesystem::create_directory(folder / "folder.csv");
  EXPECT_THAT(
      readTable(folder / "folder.csv", Names{"x"}),
      FailsWith(ErrorCode::InvalidArgument, "it is a folder, expected a file"));
  ASSERT_EQ(::mkfifo((folder / "pipe.csv").c_str(), 0600), 0);
  EXPECT_THAT(readTable(folder / "pipe.csv", Names{"x"}),
              FailsWith(ErrorCode::InvalidArgument,
                        "it is a pipe or device, expected a file"));
  EXPECT_THAT(readColumnNames("/dev/null"),
              FailsWith(ErrorCode::InvalidArgument, "a pipe or device"));
  EXPECT_THAT(readTable(folder.write("empty.csv", ""), Names{"x"}),
              FailsWith(ErrorCode::Corrupt, "is empty"));
}

} // namespace
} // namespace gptc
