//===- Json.cpp -----------------------------------------------------------===//

#include "gptc/runtime/base/Json.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace gptc {

/// The deepest nesting of arrays and objects. Exact up to the first byte that
/// is no JSON, where the parser stops anyway.
static int depthOf(std::string_view text) {
  int depth = 0, deepest = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      i += c == '\\';
      inString = c != '"';
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

namespace {

/// Diverts the members of one object from what is being parsed.
class MemberCollector {
public:
  MemberCollector(std::span<const std::string_view> path,
                  std::vector<JsonMember> &members)
      : path(path), members(members) {}

  /// What nlohmann calls at each event; false leaves something out.
  bool operator()(int depth, nlohmann::json::parse_event_t event,
                  nlohmann::json &parsed) {
    size_t level = size_t(depth);
    if (event == nlohmann::json::parse_event_t::key) {
      expectsValue = false;
      if (level <= path.size()) {
        const auto &key = parsed.get_ref<const std::string &>();
        // On the path are as many keys as were right so far.
        matched = std::min(matched, level - 1);
        if (matched == level - 1 && key == path[level - 1])
          matched = level;
        return true;
      }
      if (level != path.size() + 1 || matched != path.size())
        return true;
      members.push_back(
          {parsed.get<std::string>(), nlohmann::json::value_t::discarded});
      expectsValue = true;
      return false;
    }
    if (expectsValue && level == path.size() + 1) {
      if (event == nlohmann::json::parse_event_t::value)
        members.back().value = parsed;
      expectsValue = false;
    }
    return true;
  }

private:
  std::span<const std::string_view> path;
  std::vector<JsonMember> &members;
  size_t matched = 0;
  bool expectsValue = false;
};

} // namespace

static Expected<nlohmann::json> parse(std::string_view text,
                                      const std::string &name,
                                      MemberCollector *collector) {
  if (text.size() > longestJson)
    return failure(ErrorCode::Unsupported,
                   "'{}' has {} bytes of JSON, expected at most {}", name,
                   text.size(), longestJson);
  if (int depth = depthOf(text); depth > deepestJson)
    return failure(ErrorCode::Corrupt,
                   "'{}' is damaged: its JSON nests {} deep, expected at most "
                   "{}",
                   name, depth, deepestJson);
  // The tree would keep the last of equal keys in silence.
  std::array<std::set<std::string>, deepestJson + 1> keys;
  std::optional<std::string> repeated;
  auto watch = [&](int level, nlohmann::json::parse_event_t event,
                   nlohmann::json &value) {
    if (collector != nullptr && !(*collector)(level, event, value))
      return false;
    if (event == nlohmann::json::parse_event_t::object_start)
      keys[size_t(level) + 1].clear();
    if (event == nlohmann::json::parse_event_t::key &&
        !keys[size_t(level)].insert(value.get<std::string>()).second)
      repeated = value.get<std::string>();
    return true;
  };
  try {
    nlohmann::json json = nlohmann::json::parse(text, watch);
    // To the parser a zero is the end, and in a string it is an error.
    if (size_t zero = text.find('\0'); zero != std::string_view::npos)
      return failure(ErrorCode::Corrupt, "'{}' is no JSON from byte {} on",
                     name, zero + 1);
    if (repeated)
      return failure(ErrorCode::Corrupt,
                     "'{}' is damaged: its JSON has the key '{}' twice in one "
                     "object",
                     name, *repeated);
    return json;
  } catch (const nlohmann::json::parse_error &error) {
    if (std::string_view(error.what()).find("surrogate") !=
        std::string_view::npos)
      return failure(ErrorCode::Corrupt,
                     "'{}' has half of a character at byte {}: \\uD800 to "
                     "\\uDFFF stand in pairs",
                     name, error.byte);
    return failure(ErrorCode::Corrupt, "'{}' is no JSON from byte {} on", name,
                   error.byte);
  } catch (const nlohmann::json::exception &) {
    return failure(ErrorCode::Corrupt,
                   "'{}' is damaged: its JSON has a number out of range", name);
  }
}

Expected<nlohmann::json> parseJson(std::string_view text,
                                   const std::string &name) {
  return parse(text, name, nullptr);
}

Expected<nlohmann::json> parseJson(std::string_view text,
                                   const std::string &name,
                                   std::span<const std::string_view> path,
                                   std::vector<JsonMember> &members) {
  MemberCollector collector(path, members);
  return parse(text, name, &collector);
}

} // namespace gptc
