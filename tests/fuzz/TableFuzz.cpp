// Reads the input as a table, in the format that its first byte chooses, and
// what is one once more as the CSV that it is written as.

#include "gptc/runtime/data/CsvWriter.h"
#include "gptc/runtime/text/Unicode.h"
#include "tests/fuzz/Fuzz.h"

#include <algorithm>

using namespace gptc;

namespace {

constexpr TableLimits limits{50, 9};

Expected<Table> parse(std::string_view text, TableFormat format,
                      std::span<const std::string> columns,
                      OtherColumns others) {
  return parseTable(text, "f", format, columns, others, limits);
}

void requireWhole(const Table &table, std::string_view text) {
  require(table.rows() > 0);
  auto most = uint64_t(std::count(text.begin(), text.end(), '\n')) + 1;
  for (size_t i = 0; i < table.rows(); ++i) {
    require(table.line(i) >= 1 && table.line(i) <= most);
    require(i == 0 || table.line(i - 1) < table.line(i));
    for (size_t j = 0; j < table.columns().size(); ++j) {
      std::string_view cell = table.cell(i, j);
      require(cell.size() <= limits.cellBytes &&
              invalidUtf8(cell) == std::string_view::npos);
    }
  }
}

std::string toCsv(const Table &table) {
  std::vector<std::string_view> cells(table.columns().begin(),
                                      table.columns().end());
  std::string text;
  appendCsvRow(text, cells);
  for (size_t i = 0; i < table.rows(); ++i) {
    for (size_t j = 0; j < cells.size(); ++j)
      cells[j] = table.cell(i, j);
    appendCsvRow(text, cells);
  }
  return text;
}

void requireEqual(const Table &left, const Table &right) {
  require(left.columns() == right.columns() && left.rows() == right.rows());
  for (size_t i = 0; i < left.rows(); ++i)
    for (size_t j = 0; j < left.columns().size(); ++j)
      require(left.cell(i, j) == right.cell(i, j));
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  constexpr TableFormat formats[] = {TableFormat::Csv, TableFormat::Tsv,
                                     TableFormat::JsonLines};
  TableFormat format = formats[data[0] % std::size(formats)];
  std::string_view text(reinterpret_cast<const char *>(data) + 1, size - 1);
  auto names = parseColumnNames(text, "f", format, limits);
  auto table = parse(text, format, {}, OtherColumns::Keep);
  if (!names) {
    requireSentence(names.error());
    require(!table && table.error().message() == names.error().message());
    return 0;
  }
  // One column alone, as it is among all of them.
  for (size_t column = 0; column < names->size(); ++column) {
    std::span asked = std::span(*names).subspan(column, 1);
    auto some = parse(text, format, asked, OtherColumns::Drop);
    if (!some) {
      requireSentence(some.error());
      require(!table || format == TableFormat::JsonLines);
      continue;
    }
    requireWhole(*some, text);
    for (size_t i = 0; table && i < table->rows(); ++i)
      require(some->cell(i, 0) == table->cell(i, column));
  }
  if (!table) {
    requireSentence(table.error());
    return 0;
  }
  require(table->columns() == *names);
  requireWhole(*table, text);
  std::string written = toCsv(*table);
  auto again = parse(written, TableFormat::Csv, {}, OtherColumns::Keep);
  require(again.has_value());
  requireEqual(*table, *again);
  require(toCsv(*again) == written);
  return 0;
}
