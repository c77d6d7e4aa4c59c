//===- Json.h - JSON from outside ------------------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_BASE_JSON_H
#define GPTC_RUNTIME_BASE_JSON_H

#include "gptc/runtime/base/Error.h"

#include <nlohmann/json.hpp>
#include <string_view>

namespace gptc {

/// Bounds that keep the tree of a hostile text below a gigabyte and every
/// recursion over it off the end of the stack.
inline constexpr size_t longestJson = size_t(32) << 20;
inline constexpr int deepestJson = 32;

/// Parses untrusted JSON; `name` stands for the file in errors, which say at
/// which byte the text stops being JSON. Equal keys in one object are Corrupt.
Expected<nlohmann::json> parseJson(std::string_view text,
                                   const std::string &name);

} // namespace gptc

#endif // GPTC_RUNTIME_BASE_JSON_H
