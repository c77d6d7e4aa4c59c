// Cuts a text into records, in blocks of different sizes, which must make no
// difference, and reads each as a line of JSON.

#include "gptc/runtime/data/JsonLine.h"
#include "gptc/runtime/data/RecordReader.h"
#include "tests/fuzz/Fuzz.h"

#include <algorithm>

using namespace gptc;

namespace {

struct Found {
  std::string text;
  uint64_t byte, line;
  bool first, last, tooLong;
  bool operator==(const Found &) const = default;
};

std::vector<Found> recordsOf(std::string_view text, RecordKind kind,
                             size_t block, size_t step) {
  auto source = [text, step](std::span<char> out) mutable -> Expected<size_t> {
    size_t count = std::min({out.size(), step, text.size()});
    std::copy_n(text.begin(), count, out.begin());
    text.remove_prefix(count);
    return count;
  };
  RecordReader reader(source, kind, "--", {block, 100});
  std::vector<Found> found;
  while (true) {
    auto next = reader.next();
    require(next.has_value());
    if (next->records.empty())
      return found;
    for (const Record &record : next->records)
      found.push_back({std::string(next->text(record)), record.byte,
                       record.line, record.first, record.last, record.tooLong});
  }
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  for (RecordKind kind : {RecordKind::JsonLines, RecordKind::Separated}) {
    auto records = recordsOf(text, kind, 1 << 12, 1 << 12);
    require(records == recordsOf(text, kind, 3, 2));
    require(records == recordsOf(text, kind, 64, 50));
    for (const Found &record : records)
      require(record.tooLong ||
              (!record.text.empty() && record.text.size() <= 100 &&
               record.text == text.substr(record.byte, record.text.size())));
  }
  std::string together;
  for (const Found &record : recordsOf(text, RecordKind::Text, 16, 5))
    together += record.text;
  // White space alone is no document, but for a lot of it.
  bool isBlank =
      size > 0 && size <= 100 && text.find_first_not_of(" \t\r\n") == text.npos;
  require(together == (isBlank ? std::string_view() : text));
  for (size_t at = 0; at <= size;) {
    size_t end = std::min(text.find('\n', at), size);
    auto found = textOfJsonLine(text.substr(at, end - at), "text");
    require(found ? !found->empty() : !found.error().empty());
    at = end + 1;
  }
  return 0;
}
