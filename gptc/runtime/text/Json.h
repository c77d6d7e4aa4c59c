//===- Json.h - JSON of untrusted files ------------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_JSON_H
#define GPTC_RUNTIME_TEXT_JSON_H

#include "gptc/runtime/base/Error.h"

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gptc {

using Json = nlohmann::json;

/// One member of an object, in the order of the file. The value is discarded
/// where it is an object or an array.
struct JsonMember {
  std::string key;
  Json value;
};

/// Parses the JSON object that a file is. Fails with Corrupt, naming the file,
/// if it is malformed, no object, or nested deeper than 64. The members of the
/// object that the keys `path` lead to come into `members` instead: a large
/// object takes several times as long to build as to read.
Expected<Json> parseJsonObject(std::string_view text, const std::string &file,
                               std::span<const std::string_view> path = {},
                               std::vector<JsonMember> *members = nullptr);

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_JSON_H
