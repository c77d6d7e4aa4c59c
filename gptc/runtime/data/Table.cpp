//===- Table.cpp ----------------------------------------------------------===//

#include "gptc/runtime/data/Table.h"

#include "gptc/runtime/base/File.h"
#include "gptc/runtime/data/RowReader.h"

#include <algorithm>
#include <filesystem>
#include <new>

namespace gptc {

Expected<TableFormat> tableFormatOf(const std::string &path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char &letter : ending)
    if (letter >= 'A' && letter <= 'Z')
      letter = char(letter - 'A' + 'a');
  if (ending == ".csv")
    return TableFormat::Csv;
  if (ending == ".tsv")
    return TableFormat::Tsv;
  if (ending == ".jsonl" || ending == ".ndjson" || ending == ".json")
    return TableFormat::JsonLines;
  return failure(ErrorCode::InvalidArgument,
                 "the name '{}' does not tell what the file holds, expected "
                 "one that ends in .csv, in .tsv, or in .jsonl, .ndjson or "
                 ".json for JSON lines",
                 path);
}

std::optional<size_t> Table::find(std::string_view name) const {
  auto found = std::find(columns_.begin(), columns_.end(), name);
  if (found == columns_.end())
    return std::nullopt;
  return size_t(found - columns_.begin());
}

std::string_view Table::cell(size_t row, size_t column) const {
  size_t index = row * columns_.size() + column;
  size_t begin = index == 0 ? 0 : ends_[index - 1];
  return std::string_view(text_).substr(begin, ends_[index] - begin);
}

static std::string listOf(const std::vector<std::string> &names) {
  constexpr size_t most = 20;
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), most); ++i)
    list += (i > 0 ? ", " : "") + shown(names[i]);
  if (names.size() > most)
    list += fmt::format(" and {} more", names.size() - most);
  return list;
}

/// Takes the rows that a reader gives into a table.
class TableBuilder {
public:
  TableBuilder(const TableSource &source, TableFormat format)
      : source(source), reader(makeRowReader(source, format)) {}

  Expected<Table> build(std::span<const std::string> asked,
                        OtherColumns others) {
    GPTC_TRY(std::vector<std::string> names, reader->columns());
    GPTC_CHECK(choose(names, asked, others));
    TableRow row;
    while (true) {
      GPTC_TRY(bool more, reader->next(row));
      if (!more)
        break;
      GPTC_CHECK(add(row));
    }
    if (table.rows() == 0)
      return failure(ErrorCode::Corrupt,
                     "'{}' has a header and no rows below it", source.name);
    table.path_ = source.name;
    return std::move(table);
  }

private:
  struct Chosen {
    size_t column = 0; ///< Of those that the reader gives.
    bool asked = false;
  };

  Status choose(const std::vector<std::string> &names,
                std::span<const std::string> asked, OtherColumns others) {
    for (const std::string &name : asked) {
      auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end())
        return failure(ErrorCode::NotFound, "'{}' has no column {}; it has {}",
                       source.name, shown(name), listOf(names));
      chosen.push_back({size_t(found - names.begin()), true});
    }
    if (others == OtherColumns::Keep) {
      std::vector<Chosen> all(names.size());
      for (size_t i = 0; i < names.size(); ++i)
        all[i].column = i;
      for (const Chosen &one : chosen)
        all[one.column].asked = true;
      chosen = std::move(all);
    }
    for (const Chosen &one : chosen)
      table.columns_.push_back(names[one.column]);
    return {};
  }

  Status add(const TableRow &row) {
    for (size_t i = 0; i < chosen.size(); ++i) {
      const Cell &cell = row.cells[chosen[i].column];
      GPTC_CHECK(check(row.line, cell, chosen[i], table.columns_[i]));
      table.text_ += cell.text;
      table.ends_.push_back(table.text_.size());
      missing += cell.kind == Cell::Kind::Missing;
    }
    table.lines_.push_back(row.line);
    // Of many objects without a common key, the table would be far larger.
    if (missing > source.bytes.size())
      return failure(ErrorCode::Unsupported,
                     "'{}' is no table: up to line {}, of {} different keys "
                     "most are missing in most lines",
                     source.name, row.line, chosen.size());
    return {};
  }

  /// Whether a cell is text, or may be empty instead.
  Status check(uint64_t line, const Cell &cell, const Chosen &one,
               const std::string &name) const {
    const char *found = nullptr;
    switch (cell.kind) {
    case Cell::Kind::Text:
      return {};
    case Cell::Kind::Missing:
      if (!one.asked)
        return {};
      return source.bad(line, fmt::format("it has no key {}", shown(name)));
    case Cell::Kind::Null:
      if (!one.asked)
        return {};
      found = "null";
      break;
    case Cell::Kind::Object:
      found = "an object";
      break;
    case Cell::Kind::Array:
      found = "an array";
      break;
    }
    return source.bad(line, fmt::format("its {} is {}, expected a string, a "
                                        "number or a boolean",
                                        shown(name), found));
  }

  const TableSource source;
  std::unique_ptr<RowReader> reader;
  std::vector<Chosen> chosen;
  Table table;
  uint64_t missing = 0;
};

Expected<Table> parseTable(std::string_view bytes, const std::string &name,
                           TableFormat format,
                           std::span<const std::string> columns,
                           OtherColumns others, const TableLimits &limits) {
  GPTC_TRY(TableSource source, TableSource::open(bytes, name, limits));
  return TableBuilder(source, format).build(columns, others);
}

Expected<std::vector<std::string>> parseColumnNames(std::string_view bytes,
                                                    const std::string &name,
                                                    TableFormat format,
                                                    const TableLimits &limits) {
  GPTC_TRY(TableSource source, TableSource::open(bytes, name, limits));
  return makeRowReader(source, format)->columns();
}

/// What `parse` makes of the text of a file and its format.
template <typename Parse>
static auto parseFile(const std::string &path, Parse parse)
    -> decltype(parse(std::string_view(), TableFormat())) {
  GPTC_TRY(MappedFile file, MappedFile::open(path));
  GPTC_TRY(TableFormat format, tableFormatOf(path));
  std::string_view text(reinterpret_cast<const char *>(file.bytes().data()),
                        file.bytes().size());
  try {
    return parse(text, format);
  } catch (const std::bad_alloc &) {
    return failure(ErrorCode::OutOfMemory,
                   "there is not enough memory to read '{}', which has {} "
                   "bytes; split it",
                   path, text.size());
  }
}

Expected<Table> readTable(const std::string &path,
                          std::span<const std::string> columns,
                          OtherColumns others) {
  return parseFile(path, [&](std::string_view text, TableFormat format) {
    return parseTable(text, path, format, columns, others);
  });
}

Expected<std::vector<std::string>> readColumnNames(const std::string &path) {
  return parseFile(path, [&](std::string_view text, TableFormat format) {
    return parseColumnNames(text, path, format);
  });
}

} // namespace gptc
