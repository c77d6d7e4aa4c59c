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

Expected<nlohmann::json> parseJson(std::string_view text,
                                   const std::string &name) {
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
    if (event == nlohmann::json::parse_event_t::object_start)
      keys[size_t(level) + 1].clear();
    if (event == nlohmann::json::parse_event_t::key &&
        !keys[size_t(level)].insert(value.get<std::string>()).second)
      repeated = value.get<std::string>();
    return true;
  };
  try {
    nlohmann::json json = nlohmann::json::parse(text, watch);
    if (repeated)
      return failure(ErrorCode::Corrupt,
                     "'{}' is damaged: its JSON has the key '{}' twice in one "
                     "object",
                     name, *repeated);
    return json;
  } catch (const nlohmann::json::parse_error &error) {
    return failure(ErrorCode::Corrupt, "'{}' is no JSON from byte {} on", name,
                   error.byte);
  } catch (const nlohmann::json::exception &) {
    return failure(ErrorCode::Corrupt,
                   "'{}' is damaged: its JSON has a number out of range", name);
  }
}

} // namespace gptc
