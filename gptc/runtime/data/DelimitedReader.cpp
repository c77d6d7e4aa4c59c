//===- DelimitedReader.cpp - Rows of CSV and TSV --------------------------===//
//
// A quote that does not begin a cell is a character like any other, also in
// CSV: RFC 4180 leaves it undefined, and this is what most readers do.
//
//===----------------------------------------------------------------------===//

#include "gptc/runtime/data/RowReader.h"
#include "gptc/runtime/text/Unicode.h"

#include <algorithm>
#include <unordered_set>

namespace gptc {

namespace {

class DelimitedReader final : public RowReader {
public:
  DelimitedReader(const TableSource &source, TableFormat format)
      : source(source), bytes(source.bytes),
        delimiter(format == TableFormat::Csv ? ',' : '\t'),
        hasQuotes(format == TableFormat::Csv) {}

  Expected<std::vector<std::string>> columns() override {
    TableRow header;
    GPTC_TRY(size_t count, readRow(header, source.limits.columns));
    if (count == 0)
      return failure(ErrorCode::Corrupt,
                     "'{}' is empty, expected a line with the names of its "
                     "columns and rows below it",
                     source.name);
    if (count > source.limits.columns)
      return failure(ErrorCode::Unsupported,
                     "{}:{}: the header has {} columns, expected at most {}",
                     source.name, header.line, count, source.limits.columns);
    std::unordered_set<std::string_view> known;
    std::vector<std::string> names;
    for (const Cell &cell : std::span(header.cells).first(count))
      if (!known.insert(cell.text).second)
        return source.bad(header.line,
                          fmt::format("the header has the column {} twice; "
                                      "rename one of them",
                                      shown(cell.text)));
    for (Cell &cell : std::span(header.cells).first(count))
      names.push_back(std::move(cell.text));
    expected = count;
    return names;
  }

  Expected<bool> next(TableRow &row) override {
    GPTC_TRY(size_t count, readRow(row, expected));
    if (count == 0 || count == expected)
      return count > 0;
    return source.bad(
        row.line,
        fmt::format("the row has {} cell{}, expected {} as the header has; {}",
                    count, count == 1 ? "" : "s", expected,
                    count < expected ? "leave a cell empty for what is missing"
                    : hasQuotes      ? "put a cell with a comma into quotes"
                                     : "a cell cannot hold a tab"));
  }

private:
  /// The length of the line's end at `at`: 0 where the line goes on or the
  /// text ends without one.
  size_t lineEnd() const {
    if (at < bytes.size() && bytes[at] == '\n')
      return 1;
    if (at < bytes.size() && bytes[at] == '\r' &&
        (at + 1 == bytes.size() || bytes[at + 1] == '\n'))
      return std::min<size_t>(2, bytes.size() - at);
    return 0;
  }

  /// Takes the line's end. Whether there was one.
  bool takeLineEnd() {
    size_t length = lineEnd();
    at += length;
    line += length > 0;
    return length > 0;
  }

  /// Reads a row, and keeps at most `most` of its cells. How many it has; 0 at
  /// the end.
  Expected<size_t> readRow(TableRow &row, size_t most) {
    while (takeLineEnd()) {
    }
    if (at == bytes.size())
      return size_t(0);
    row.line = line;
    for (size_t count = 0;;) {
      if (count < most && row.cells.size() == count)
        row.cells.emplace_back();
      Cell &cell = count < most ? row.cells[count] : leftOut;
      cell.kind = Cell::Kind::Text;
      cell.text.clear();
      if (hasQuotes && at < bytes.size() && bytes[at] == '"')
        GPTC_CHECK(readQuoted(cell.text));
      else
        GPTC_CHECK(readPlain(cell.text));
      ++count;
      if (at < bytes.size() && bytes[at] == delimiter) {
        ++at;
        continue;
      }
      takeLineEnd();
      return count;
    }
  }

  Status append(std::string &cell, std::string_view more, uint64_t begin,
                const char *what) const {
    if (more.size() > source.limits.cellBytes - cell.size())
      return source.tooLong(begin, what);
    cell += more;
    return {};
  }

  Status readPlain(std::string &cell) {
    size_t begin = at;
    while (at < bytes.size() && bytes[at] != delimiter && lineEnd() == 0)
      ++at;
    return append(cell, bytes.substr(begin, at - begin), line, "a cell");
  }

  Status readQuoted(std::string &cell) {
    const uint64_t begin = line;
    while (true) {
      size_t end = bytes.find('"', ++at);
      if (end == std::string_view::npos)
        return source.bad(begin, "the quote that begins a cell here is never "
                                 "closed; close it, or double a quote that is "
                                 "part of the text");
      std::string_view part = bytes.substr(at, end - at);
      GPTC_CHECK(append(cell, part, begin,
                        "a quoted cell, whose closing quote may be missing,"));
      line += uint64_t(std::count(part.begin(), part.end(), '\n'));
      at = end + 1;
      if (at == bytes.size() || bytes[at] != '"')
        break;
      GPTC_CHECK(append(cell, "\"", begin, "a cell"));
    }
    if (at == bytes.size() || bytes[at] == delimiter || lineEnd() > 0)
      return {};
    Character next = characterAt(bytes, at);
    return source.bad(
        line, fmt::format("a closing quote is followed by {}, expected a comma "
                          "or the end of the line; double a quote that is part "
                          "of the text",
                          shown(bytes.substr(at, next.length))));
  }

  const TableSource source;
  const std::string_view bytes;
  const char delimiter;
  const bool hasQuotes;
  size_t at = 0, expected = 0;
  uint64_t line = 1;
  /// A cell beyond those that are kept.
  Cell leftOut;
};

} // namespace

std::unique_ptr<RowReader> makeDelimitedReader(const TableSource &source,
                                               TableFormat format) {
  return std::make_unique<DelimitedReader>(source, format);
}

} // namespace gptc
