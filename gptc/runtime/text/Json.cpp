//===- Json.cpp -----------------------------------------------------------===//

#include "gptc/runtime/text/Json.h"

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

} // namespace

Expected<Json> parseJsonObject(std::string_view text, const std::string &file) {
  if (tooDeep(text))
    return failure(ErrorCode::Corrupt, "{} is nested deeper than {} levels",
                   file, deepest);
  try {
    Json json = Json::parse(text);
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
