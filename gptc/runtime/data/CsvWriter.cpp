//===- CsvWriter.cpp ------------------------------------------------------===//

#include "gptc/runtime/data/CsvWriter.h"

#include "gptc/runtime/base/File.h"
#include "gptc/runtime/data/RowReader.h"

#include <algorithm>

namespace gptc {

static bool needsQuotes(std::string_view cell) {
  // A byte order mark would be taken for the file's.
  return cell.find_first_of(",\"\n\r") != std::string_view::npos ||
         cell.starts_with("\xef\xbb\xbf");
}

void appendCsvRow(std::string &text, std::span<const std::string_view> cells) {
  // Without quotes it would be a line with nothing in it.
  if (cells.size() == 1 && cells[0].empty())
    text += "\"\"";
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0)
      text += ',';
    if (!needsQuotes(cells[i])) {
      text += cells[i];
      continue;
    }
    text += '"';
    for (char character : cells[i])
      text.append(character == '"' ? 2 : 1, character);
    text += '"';
  }
  text += '\n';
}

static Status checkAdded(const Table &table,
                         std::span<const AddedColumn> added) {
  for (size_t i = 0; i < added.size(); ++i) {
    if (added[i].cells.size() != table.rows())
      return failure(ErrorCode::InvalidArgument,
                     "the column {} has {} cells, expected {}, the rows of "
                     "'{}'",
                     shown(added[i].name), added[i].cells.size(), table.rows(),
                     table.path());
    bool twice = std::any_of(
        added.begin(), added.begin() + ptrdiff_t(i),
        [&](const AddedColumn &other) { return other.name == added[i].name; });
    if (twice || table.find(added[i].name))
      return failure(ErrorCode::InvalidArgument,
                     "'{}' has a column {} already, which is the name of one "
                     "that is to be added; rename it there",
                     table.path(), shown(added[i].name));
  }
  return {};
}

Status writeCsv(const std::string &path, const Table &table,
                std::span<const AddedColumn> added) {
  GPTC_CHECK(checkAdded(table, added));
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  std::vector<std::string_view> cells(table.columns().begin(),
                                      table.columns().end());
  for (const AddedColumn &column : added)
    cells.push_back(column.name);
  std::string text;
  appendCsvRow(text, cells);
  for (size_t row = 0; row < table.rows(); ++row) {
    for (size_t i = 0; i < cells.size(); ++i)
      cells[i] = i < table.columns().size()
                     ? table.cell(row, i)
                     : added[i - table.columns().size()].cells[row];
    appendCsvRow(text, cells);
    if (text.size() >= size_t(1) << 20) {
      GPTC_CHECK(file.write(std::as_bytes(std::span(text))));
      text.clear();
    }
  }
  GPTC_CHECK(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

} // namespace gptc
