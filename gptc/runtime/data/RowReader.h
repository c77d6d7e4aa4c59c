//===- RowReader.h - The rows of a table, one by one -----------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_ROWREADER_H
#define GPTC_RUNTIME_DATA_ROWREADER_H

#include "gptc/runtime/data/Table.h"

#include <memory>

namespace gptc {

/// What a row has in one column.
struct Cell {
  /// Text alone stands in a cell; the others are of JSON.
  enum class Kind { Text, Missing, Null, Object, Array };

  Kind kind = Kind::Missing;
  std::string text;
};

struct TableRow {
  uint64_t line = 0; ///< The first of the row, from 1.
  /// One for each column. A reader reuses the memory of those it gets.
  std::vector<Cell> cells;
};

/// The UTF-8 that rows are read from. Refers to its parts, which must live on.
struct TableSource {
  std::string_view bytes;
  const std::string &name;
  const TableLimits &limits;

  /// Checks bytes, and leaves out a byte order mark. Corrupt if they are no
  /// UTF-8.
  static Expected<TableSource> open(std::string_view bytes,
                                    const std::string &name,
                                    const TableLimits &limits);
  /// The error of a line, with its file in front.
  tl::unexpected<Error> bad(uint64_t line, const std::string &reason) const;
  tl::unexpected<Error> tooLong(uint64_t line, const std::string &what) const;
};

/// Reads rows in order. Not for several threads at once.
class RowReader {
public:
  virtual ~RowReader() = default;
  /// The names of the columns, each another. Called once, before all rows.
  virtual Expected<std::vector<std::string>> columns() = 0;
  /// Reads the next row; false where there is none.
  virtual Expected<bool> next(TableRow &row) = 0;
};

/// The reader of a format; the two below are what it chooses from.
std::unique_ptr<RowReader> makeRowReader(const TableSource &source,
                                         TableFormat format);
std::unique_ptr<RowReader> makeDelimitedReader(const TableSource &source,
                                               TableFormat format);
std::unique_ptr<RowReader> makeJsonRowReader(const TableSource &source);

/// A text of the file within quotes, as a message shows it: cut if it is long,
/// on one line.
std::string shown(std::string_view text);

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_ROWREADER_H
