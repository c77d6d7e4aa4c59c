//===- Safetensors.h - Making safetensors files ----------------*- C++ -*-===//

#ifndef GPTC_TESTS_SUPPORT_SAFETENSORS_H
#define GPTC_TESTS_SUPPORT_SAFETENSORS_H

#include <cstdint>
#include <cstring>
#include <fmt/format.h>
#include <string>

namespace gptc {

/// One entry of a header; `shape` as "2,3".
inline std::string tensorEntry(const std::string &name, const std::string &type,
                               const std::string &shape, uint64_t begin,
                               uint64_t end) {
  return fmt::format(
      R"("{}": {{"dtype": "{}", "shape": [{}], "data_offsets": [{}, {}]}})",
      name, type, shape, begin, end);
}

/// A file whose header is the object of `entries`.
inline std::string safetensors(const std::string &entries,
                               const std::string &data) {
  std::string header = "{" + entries + "}";
  uint64_t length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + header + data;
}

} // namespace gptc

#endif // GPTC_TESTS_SUPPORT_SAFETENSORS_H
