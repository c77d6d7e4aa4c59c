//===- JsonLine.h - The text in a line of JSON -----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_JSONLINE_H
#define GPTC_RUNTIME_DATA_JSONLINE_H

#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace gptc {

/// The string under `key` of the object that `line` is; other members may be
/// anything. The error says what is wrong with the line, as "it has no key
/// 'text'".
tl::expected<std::string, std::string> textOfJsonLine(std::string_view line,
                                                      const std::string &key);

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_JSONLINE_H
