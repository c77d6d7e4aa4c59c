//===- CsvWriter.h - A table as CSV ----------------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_CSVWRITER_H
#define GPTC_RUNTIME_DATA_CSVWRITER_H

#include "gptc/runtime/data/Table.h"

namespace gptc {

/// A column that is not in the file that a table was read from. Refers to its
/// cells, one for each row.
struct AddedColumn {
  std::string name;
  std::span<const std::string> cells;
};

/// Appends a line of CSV as RFC 4180 has it, but ended by \n alone. Cells are
/// quoted where it takes quotes to read them back as they are.
void appendCsvRow(std::string &text, std::span<const std::string_view> cells);

/// Writes a header, and all columns of a table with others behind them. The
/// file appears whole or not at all, and may be the one that the table was read
/// from. InvalidArgument for a name that there is already, for a column with
/// more or fewer cells than the table has rows, and where no file can be
/// written; Io.
Status writeCsv(const std::string &path, const Table &table,
                std::span<const AddedColumn> added);

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_CSVWRITER_H
