#include "gptc/runtime/data/CsvWriter.h"
#include "tests/support/Matchers.h"
#include "tests/support/TemporaryFolder.h"

#include <gtest/gtest.h>

namespace gptc {
namespace {

using namespace std::string_literals;

using Names = std::vector<std::string>;

Expected<Table> csv(std::string_view text) {
  return parseTable(text, "f.csv", TableFormat::Csv, {}, OtherColumns::Keep);
}

TEST(CsvWriter, QuotesWhatNeedsQuotes) {
  auto line = [](std::vector<std::string_view> cells) {
    std::string text;
    appendCsvRow(text, cells);
    return text;
  };
  EXPECT_EQ(line({"a", " b c ", "", "'d'", "é\t"}), "a, b c ,,'d',é\t\n");
  EXPECT_EQ(line({"a,b", "\"", "x\ny", "\r", "\"q\""}),
            "\"a,b\",\"\"\"\",\"x\ny\",\"\r\",\"\"\"q\"\"\"\n");
  EXPECT_EQ(line({""}), "\"\"\n");
  EXPECT_EQ(line({"", ""}), ",\n");
}

TEST(CsvWriter, WhatIsWrittenIsReadBack) {
  // Every text of up to three of these, in every column.
  const Names pieces = {"a",  "\"", ",",   "\n", "\r",          "\t",
                        "\\", " ",  "\0"s, "世", "\xef\xbb\xbf"};
  Names texts = {""};
  for (size_t length = 1, begin = 0; length <= 3; ++length) {
    size_t end = texts.size();
    for (; begin < end; ++begin)
      for (const std::string &piece : pieces)
        texts.push_back(texts[begin] + piece);
  }
  for (size_t columns : {1, 2, 3}) {
    std::string text;
    for (size_t i = 0; i < texts.size(); ++i) {
      std::vector<std::string_view> cells;
      for (size_t j = 0; j < columns; ++j)
        cells.push_back(texts[(i + j * 7) % texts.size()]);
      appendCsvRow(text, cells);
    }
    // The texts of the header are not equal, as they follow one another.
    ASSERT_VALUE(Table table, csv(text));
    ASSERT_EQ(table.rows() + 1, texts.size());
    for (size_t i = 0; i < table.rows(); ++i)
      for (size_t j = 0; j < columns; ++j)
        ASSERT_EQ(table.cell(i, j), texts[(i + 1 + j * 7) % texts.size()]);
  }
}

TEST(CsvWriter, WritesATableWithMoreColumns) {
  TemporaryFolder folder;
  std::string path = folder.write(
      "in.jsonl", "{\"text\": \"a, b\", \"id\": 1}\n{\"text\": \"\\\"\"}\n");
  ASSERT_VALUE(Table table, readTable(path, Names{"text"}, OtherColumns::Keep));
  Names prediction = {"yes", "no\n"}, score = {"0.5", "1"};
  std::vector<AddedColumn> added = {{"prediction", prediction},
                                    {"score,", score}};
  ASSERT_SUCCESS(writeCsv(folder / "out.csv", table, added));
  EXPECT_EQ(folder.read("out.csv"), "text,id,prediction,\"score,\"\n"
                                    "\"a, b\",1,yes,0.5\n"
                                    "\"\"\"\",,\"no\n\",1\n");
  // Over the file that it was read from.
  ASSERT_VALUE(Table again,
               readTable(folder / "out.csv", {}, OtherColumns::Keep));
  Names last = {"x", "y"};
  ASSERT_SUCCESS(writeCsv(folder / "out.csv", again,
                          std::vector<AddedColumn>{{"z", last}}));
  EXPECT_EQ(folder.read("out.csv"), "text,id,prediction,\"score,\",z\n"
                                    "\"a, b\",1,yes,0.5,x\n"
                                    "\"\"\"\",,\"no\n\",1,y\n");
  EXPECT_EQ(folder.count(), 2U);
}

TEST(CsvWriter, WritesManyRows) {
  TemporaryFolder folder;
  std::string text = "a,b\n";
  for (int i = 0; i < 300'000; ++i)
    text += std::to_string(i) + ",\"x,\"\n";
  std::string path = folder.write("in.csv", text);
  ASSERT_VALUE(Table table, readTable(path, {}, OtherColumns::Keep));
  ASSERT_SUCCESS(writeCsv(folder / "out.csv", table, {}));
  EXPECT_EQ(folder.read("out.csv"), text);
}

TEST(CsvWriter, RefusesColumnsThatDoNotFit) {
  TemporaryFolder folder;
  ASSERT_VALUE(Table table, csv("text,prediction\na,b\n"));
  Names one = {"x"}, two = {"x", "y"};
  auto write = [&](const std::vector<AddedColumn> &added) {
    return writeCsv(folder / "out.csv", table, added);
  };
  EXPECT_THAT(write({{"prediction", one}}),
              FailsWith(ErrorCode::InvalidArgument,
                        "'f.csv' has a column 'prediction' already"));
  EXPECT_THAT(write({{"p", one}, {"p", one}}),
              FailsWith(ErrorCode::InvalidArgument, "a column 'p' already"));
  EXPECT_THAT(write({{"p", two}}),
              FailsWith(ErrorCode::InvalidArgument,
                        "the column 'p' has 2 cells, expected 1"));
  EXPECT_EQ(folder.count(), 0U);
  EXPECT_THAT(writeCsv(folder / "none/out.csv", table, {}),
              FailsWith(ErrorCode::NotFound, "none/out.csv"));
  EXPECT_THAT(writeCsv(folder.path(), table, {}),
              FailsWith(ErrorCode::InvalidArgument, "folder"));
}

} // namespace
} // namespace gptc
