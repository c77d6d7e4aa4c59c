//===- Json.cpp -----------------------------------------------------------===//

#include "gptc/runtime/text/Json.h"

#include <algorithm>

namespace gptc {

namespace {

constexpr int deepest = 64;

/// Whether brackets outside of strings nest deeper than allowed. Looked at
/// before parsing, for a parsed file takes many times its size where it is all
/// brackets.
bool tooDeep(std::string_view text) {
  int depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '{' || c == '[') {
      if (++depth > deepest)
        return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

/// Diverts the members of one object from what is being parsed.
class MemberCollector {
public:
  MemberCollector(std::span<const std::string_view> path,
                  std::vector<JsonMember> &members)
      : path(path), members(members) {}

  /// What nlohmann calls at each event; false leaves something out.
  bool operator()(int depth, Json::parse_event_t event, Json &parsed) {
    size_t level = size_t(depth);
    if (event == Json::parse_event_t::key) {
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
      members.push_back({parsed.get<std::string>(), Json::value_t::discarded});
      expectsValue = true;
      return false;
    }
    if (expectsValue && level == path.size() + 1) {
      if (event == Json::parse_event_t::value)
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

Expected<Json> parseJsonObject(std::string_view text, const std::string &file,
                               std::span<const std::string_view> path,
                               std::vector<JsonMember> *members) {
  if (tooDeep(text))
    return failure(ErrorCode::Corrupt, "{} is nested deeper than {} levels",
                   file, deepest);
  try {
    Json::parser_callback_t collector;
    if (members != nullptr)
      collector = MemberCollector(path, *members);
    Json json = Json::parse(text, collector);
    if (!json.is_object())
      return failure(ErrorCode::Corrupt, "{} holds {}, expected a JSON object",
                     file, json.type_name());
    return json;
  } catch (const Json::exception &error) {
    // nlohmann's own sentence, without its number in brackets.
    std::string_view reason = error.what();
    if (size_t bracket = reason.find("] "); bracket != std::string_view::npos)
      reason.remove_prefix(bracket + 2);
    return failure(ErrorCode::Corrupt, "{} is not valid JSON: {}", file,
                   reason);
  }
}

} // namespace gptc
