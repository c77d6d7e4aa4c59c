//===- JsonLine.cpp -------------------------------------------------------===//

#include "gptc/runtime/data/JsonLine.h"

#include "gptc/runtime/text/Unicode.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gptc {

namespace {

/// Takes the one string and lets all else pass, without a tree and without
/// recursion.
class TextFinder final : public nlohmann::json_sax<nlohmann::json> {
public:
  explicit TextFinder(const std::string &name) : name(name) {}

  bool null() override { return other(); }
  bool boolean(bool) override { return other(); }
  bool number_integer(number_integer_t) override { return other(); }
  bool number_unsigned(number_unsigned_t) override { return other(); }
  bool number_float(number_float_t, const string_t &) override {
    return other();
  }
  bool binary(binary_t &) override { return other(); }
  bool string(string_t &value) override {
    if (!expected)
      return other();
    expected = false;
    text = std::move(value);
    hasText = true;
    return true;
  }
  bool start_object(size_t) override {
    other();
    isObject |= depth == 0;
    return ++depth;
  }
  bool start_array(size_t) override {
    other();
    return ++depth;
  }
  bool end_object() override { return depth--; }
  bool end_array() override { return depth--; }
  bool key(string_t &value) override {
    if (depth == 1 && isObject && value == name) {
      expected = true;
      ++found;
    }
    return true;
  }
  bool parse_error(size_t position, const std::string &,
                   const nlohmann::detail::exception &error) override {
    errorByte = position;
    outOfRange = error.id == 406;
    return false;
  }

  const std::string &name;
  std::string text;
  size_t depth = 0, errorByte = 0, found = 0;
  /// Whether the value of the key comes next.
  bool expected = false;
  bool isObject = false, hasText = false, outOfRange = false;

private:
  bool other() {
    expected = false;
    return true;
  }
};

} // namespace

tl::expected<std::string, std::string> textOfJsonLine(std::string_view line,
                                                      const std::string &key) {
  TextFinder finder(key);
  if (!nlohmann::json::sax_parse(line, &finder)) {
    if (size_t at = invalidUtf8(line); at != std::string_view::npos)
      return tl::unexpected(fmt::format("it is no UTF-8 at byte {}", at + 1));
    if (finder.outOfRange)
      return tl::unexpected<std::string>("it has a number out of range");
    return tl::unexpected(
        fmt::format("it is no JSON from byte {} on", finder.errorByte));
  }
  if (!finder.isObject)
    return tl::unexpected<std::string>("it is no JSON object");
  if (finder.found == 0)
    return tl::unexpected(fmt::format("it has no key '{}'", key));
  if (finder.found > 1)
    return tl::unexpected(fmt::format("it has the key '{}' twice", key));
  if (!finder.hasText)
    return tl::unexpected(fmt::format("its '{}' is no string", key));
  if (finder.text.empty())
    return tl::unexpected(fmt::format("its '{}' is empty", key));
  return std::move(finder.text);
}

} // namespace gptc
