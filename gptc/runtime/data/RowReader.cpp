//===- RowReader.cpp ------------------------------------------------------===//

#include "gptc/runtime/data/RowReader.h"

#include "gptc/runtime/text/Unicode.h"

#include <algorithm>

namespace gptc {

Expected<TableSource> TableSource::open(std::string_view bytes,
                                        const std::string &name,
                                        const TableLimits &limits) {
  if (size_t at = invalidUtf8(bytes); at != std::string_view::npos) {
    std::string_view before = bytes.substr(0, at);
    size_t lineBegin = before.rfind('\n') + 1; // npos + 1 is 0.
    auto line = 1 + uint64_t(std::count(before.begin(), before.end(), '\n'));
    return failure(ErrorCode::Corrupt,
                   "{}:{}: it is no UTF-8 at byte {}; save the file as UTF-8",
                   name, line, at - lineBegin + 1);
  }
  // Some programs put a mark first.
  constexpr std::string_view mark = "\xef\xbb\xbf";
  if (bytes.starts_with(mark))
    bytes.remove_prefix(mark.size());
  return TableSource{bytes, name, limits};
}

tl::unexpected<Error> TableSource::bad(uint64_t line,
                                       const std::string &reason) const {
  return failure(ErrorCode::Corrupt, "{}:{}: {}", name, line, reason);
}

tl::unexpected<Error> TableSource::tooLong(uint64_t line,
                                           const std::string &what) const {
  return failure(ErrorCode::Unsupported,
                 "{}:{}: {} has more than {} bytes, which are the most", name,
                 line, what, limits.cellBytes);
}

std::string shown(std::string_view text) {
  constexpr size_t most = 40;
  std::string result = "'";
  size_t at = 0;
  for (size_t count = 0; at < text.size() && count < most; ++count) {
    size_t length = characterAt(text, at).length;
    if (uint8_t(text[at]) < 0x20 || text[at] == 0x7f)
      result += fmt::format("\\x{:02x}", uint8_t(text[at]));
    else
      result += text.substr(at, length);
    at += length;
  }
  return result + (at < text.size() ? "…'" : "'");
}

std::unique_ptr<RowReader> makeRowReader(const TableSource &source,
                                         TableFormat format) {
  return format == TableFormat::JsonLines ? makeJsonRowReader(source)
                                          : makeDelimitedReader(source, format);
}

} // namespace gptc
