//===- Json.h - JSON from outside ------------------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_BASE_JSON_H
#define GPTC_RUNTIME_BASE_JSON_H

#include "gptc/runtime/base/Error.h"

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gptc {

/// Bounds that keep the tree of a hostile text below a gigabyte and every
/// recursion over it off the end of the stack.
inline constexpr size_t longestJson = size_t(32) << 20;
inline constexpr int deepestJson = 32;

/// Parses untrusted JSON; `name` stands for the file in errors, which say at
/// which byte the text stops being JSON. Equal keys in one object are Corrupt.
Expected<nlohmann::json> parseJson(std::string_view text,
                                   const std::string &name);

/// One member of an object, in the order of the text. The value is discarded
/// where it is an object or an array.
struct JsonMember {
  std::string key;
  nlohmann::json value;
};

/// The same, but the members of the object that the keys `path` lead to come
/// into `members` instead of the tree, which is several times as fast for a
/// large object. Among them equal keys are not looked for.
Expected<nlohmann::json> parseJson(std::string_view text,
                                   const std::string &name,
                                   std::span<const std::string_view> path,
                                   std::vector<JsonMember> &members);

} // namespace gptc

#endif // GPTC_RUNTIME_BASE_JSON_H
