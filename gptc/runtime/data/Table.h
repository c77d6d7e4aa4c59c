//===- Table.h - A file of named columns -----------------------*- C++ -*-===//
//
// CSV is that of RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180) with a
// header line. TSV is what the files of GLUE are: a header, a tab between two
// cells, and no quoting, so that a quote is a character like any other. JSON
// lines are one object a line.
//
// All three are UTF-8, with or without a byte order mark; lines end with \n or
// \r\n, the last one may lack its end, and lines with nothing in them are
// passed over. An empty cell, or an empty string of JSON, is a text like any
// other.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_DATA_TABLE_H
#define GPTC_RUNTIME_DATA_TABLE_H

#include "gptc/runtime/base/Error.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gptc {

enum class TableFormat { Csv, Tsv, JsonLines };

/// What a file holds by the ending of its name, in capitals or not: .csv, .tsv,
/// or .jsonl, .ndjson and .json. InvalidArgument for another ending.
Expected<TableFormat> tableFormatOf(const std::string &path);

/// What becomes of the columns that are not asked for.
enum class OtherColumns { Drop, Keep };

struct TableLimits {
  size_t cellBytes = size_t(16) << 20; ///< The most of one cell or name.
  size_t columns = size_t(1) << 14;    ///< The most names, those left out too.
};

/// Rows of text under named columns. Owns its text: memory is that of the
/// cells, and 8 bytes more for each cell and each row. Movable; immutable, so
/// that threads may share it.
class Table {
public:
  /// The file, as errors name it.
  const std::string &path() const { return path_; }
  /// The names of the columns, no two of them equal unless one was asked for
  /// twice.
  const std::vector<std::string> &columns() const { return columns_; }
  /// The first column of a name.
  std::optional<size_t> find(std::string_view name) const;
  size_t rows() const { return lines_.size(); }
  /// The text of a cell, valid UTF-8, which may have line breaks and zeros.
  /// Lives until the table goes away or is moved.
  std::string_view cell(size_t row, size_t column) const;
  /// The line of the file that a row begins on, from 1.
  uint64_t line(size_t row) const { return lines_[row]; }

private:
  friend class TableBuilder;

  std::string path_;
  std::vector<std::string> columns_;
  /// All cells, row by row, and where each ends.
  std::string text_;
  std::vector<size_t> ends_;
  std::vector<uint64_t> lines_;
};

/// Reads the columns of a file that are asked for, in this order; with Keep,
/// all columns in the order of the file, among which those asked for must be.
/// For JSON lines the order is that in which keys first come.
///
/// Strings of JSON come unescaped, numbers and booleans as they are written. A
/// column that is asked for has one of these in every line. In a column that is
/// kept beside them, null or no value is an empty cell; with Drop, values that
/// nobody asked for may be anything.
///
/// NotFound for a file that does not exist and for a column that no row has
/// (the error names those there are); InvalidArgument for folders, pipes,
/// devices and unknown endings; Corrupt, with file and line, for what violates
/// the format, a row with more or fewer cells than the header, two columns of
/// one name, a file without rows; Unsupported beyond the limits, or for objects
/// so unlike that the table would be mostly empty; Io; OutOfMemory. The file
/// must not shrink while it is read.
Expected<Table> readTable(const std::string &path,
                          std::span<const std::string> columns,
                          OtherColumns others = OtherColumns::Drop);

/// The names of all columns of a file: its header, or all keys of its JSON
/// lines. Fails as readTable does; rows of CSV and TSV are not looked at.
Expected<std::vector<std::string>> readColumnNames(const std::string &path);

/// The same of bytes that are there already; `name` stands for the file in
/// errors. The table keeps no reference to the bytes.
Expected<Table> parseTable(std::string_view bytes, const std::string &name,
                           TableFormat format,
                           std::span<const std::string> columns,
                           OtherColumns others, const TableLimits &limits = {});
Expected<std::vector<std::string>>
parseColumnNames(std::string_view bytes, const std::string &name,
                 TableFormat format, const TableLimits &limits = {});

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_TABLE_H
