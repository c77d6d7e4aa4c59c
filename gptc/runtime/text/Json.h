//===- Json.h - JSON of untrusted files ------------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_JSON_H
#define GPTC_RUNTIME_TEXT_JSON_H

#include "gptc/runtime/base/Error.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace gptc {

using Json = nlohmann::json;

/// Parses the JSON object that a file is. Fails with Corrupt, naming the file,
/// if it is malformed, no object, or nested deeper than 64.
Expected<Json> parseJsonObject(std::string_view text, const std::string &file);

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_JSON_H
