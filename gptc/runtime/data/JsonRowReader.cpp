//===- JsonRowReader.cpp - Rows of JSON lines -----------------------------===//

#include "gptc/runtime/data/RowReader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

namespace gptc {

namespace {

struct Member {
  std::string key;
  Cell cell;
};

/// Takes the members of the object that a line is, without a tree and without
/// recursion: what they hold in turn is passed over.
class MemberReader final : public nlohmann::json_sax<nlohmann::json> {
public:
  MemberReader(std::vector<Member> &members, const TableLimits &limits)
      : members(members), limits(limits) {
    members.clear();
  }

  bool null() override { return put(Cell::Kind::Null, {}); }
  bool boolean(bool value) override {
    return put(Cell::Kind::Text, value ? "true" : "false");
  }
  bool number_integer(number_integer_t value) override {
    return put(Cell::Kind::Text, std::to_string(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return put(Cell::Kind::Text, std::to_string(value));
  }
  bool number_float(number_float_t, const string_t &written) override {
    return put(Cell::Kind::Text, written);
  }
  bool string(string_t &value) override {
    return put(Cell::Kind::Text, std::move(value));
  }
  bool binary(binary_t &) override { return false; }
  bool start_object(size_t) override {
    isObject |= depth == 0;
    put(Cell::Kind::Object, {});
    return ++depth;
  }
  bool start_array(size_t) override {
    put(Cell::Kind::Array, {});
    return ++depth;
  }
  bool end_object() override { return depth--; }
  bool end_array() override { return depth--; }
  bool key(string_t &value) override {
    if (depth != 1 || !isObject)
      return true;
    tooMany = members.size() == limits.columns;
    tooLong |= value.size() > limits.cellBytes;
    if (tooMany || tooLong)
      return false;
    members.push_back({std::move(value), {}});
    return true;
  }
  bool parse_error(size_t position, const std::string &,
                   const nlohmann::detail::exception &error) override {
    errorByte = position;
    outOfRange = error.id == 406;
    return false;
  }

  size_t depth = 0, errorByte = 0;
  bool isObject = false, outOfRange = false, tooMany = false, tooLong = false;

private:
  bool put(Cell::Kind kind, std::string text) {
    if (depth != 1 || !isObject)
      return true;
    tooLong |= text.size() > limits.cellBytes;
    members.back().cell = {kind, std::move(text)};
    return !tooLong;
  }

  std::vector<Member> &members;
  const TableLimits &limits;
};

/// Whether a string, a number or white space of a line is longer than a cell
/// may be. The parser keeps each of them whole before it hands it on.
bool hasLongToken(std::string_view line, size_t most) {
  if (line.size() <= most)
    return false;
  constexpr std::string_view spaces = " \t\r", marks = ",:{}[]";
  size_t length = 0;
  bool within = false, space = false; // A string, or white space.
  for (size_t at = 0; at < line.size(); ++at) {
    char c = line[at];
    if (c == '"' || (!within && marks.find(c) != marks.npos)) {
      within = c == '"' && !within;
      length = 0;
      continue;
    }
    if (!within && (spaces.find(c) != spaces.npos) != space) {
      space = !space;
      length = 0;
    }
    // What is escaped stands for one byte or more.
    if (within && c == '\\')
      at += line.substr(at + 1).starts_with('u') ? 5 : 1;
    if (++length > most)
      return true;
  }
  return false;
}

class JsonRowReader final : public RowReader {
public:
  explicit JsonRowReader(const TableSource &source) : source(source) {}

  Expected<std::vector<std::string>> columns() override {
    std::vector<std::string> names;
    // The last line that each key was found in.
    std::vector<uint64_t> found;
    while (true) {
      GPTC_TRY(bool more, readLine());
      if (!more)
        break;
      for (const Member &member : members) {
        auto [known, isNew] = columnOf.try_emplace(member.key, names.size());
        if (isNew) {
          if (names.size() == source.limits.columns)
            return failure(ErrorCode::Unsupported,
                           "{}:{}: up to here are more than {} different keys, "
                           "which are the most",
                           source.name, line, source.limits.columns);
          names.push_back(member.key);
          found.push_back(0);
        }
        if (std::exchange(found[known->second], line) == line)
          return source.bad(
              line, fmt::format("it has the key {} twice", shown(member.key)));
      }
    }
    if (line == 0 || names.empty())
      return failure(ErrorCode::Corrupt,
                     "'{}' is empty, expected lines of JSON objects with the "
                     "names of columns as keys",
                     source.name);
    at = 0;
    line = 0;
    return names;
  }

  Expected<bool> next(TableRow &row) override {
    GPTC_TRY(bool more, readLine());
    if (!more)
      return false;
    row.line = line;
    row.cells.resize(columnOf.size());
    for (size_t column : filled)
      row.cells[column] = {};
    filled.clear();
    for (Member &member : members) {
      size_t column = columnOf.find(member.key)->second;
      row.cells[column] = std::move(member.cell);
      filled.push_back(column);
    }
    return true;
  }

private:
  /// Reads the next line that is more than white space; false at the end.
  Expected<bool> readLine() {
    std::string_view text;
    do {
      if (at >= source.bytes.size())
        return false;
      size_t end = std::min(source.bytes.find('\n', at), source.bytes.size());
      text = source.bytes.substr(at, end - at);
      at = end + 1;
      ++line;
    } while (text.find_first_not_of(" \t\r") == std::string_view::npos);
    if (hasLongToken(text, source.limits.cellBytes))
      return source.tooLong(line, "a key or value");
    MemberReader reader(members, source.limits);
    bool parsed = nlohmann::json::sax_parse(text, &reader);
    if (reader.tooMany)
      return failure(ErrorCode::Unsupported,
                     "{}:{}: it has more than {} keys, which are the most",
                     source.name, line, source.limits.columns);
    if (reader.tooLong)
      return source.tooLong(line, "a key or value");
    if (reader.outOfRange)
      return source.bad(line, "it has a number out of range");
    if (!parsed)
      return source.bad(
          line, fmt::format("it is no JSON from byte {} on", reader.errorByte));
    if (!reader.isObject)
      return source.bad(line, "it is no JSON object");
    return true;
  }

  const TableSource source;
  size_t at = 0;
  uint64_t line = 0;
  std::vector<Member> members;
  std::unordered_map<std::string, size_t> columnOf;
  /// The columns that the row before had.
  std::vector<size_t> filled;
};

} // namespace

std::unique_ptr<RowReader> makeJsonRowReader(const TableSource &source) {
  return std::make_unique<JsonRowReader>(source);
}

} // namespace gptc
