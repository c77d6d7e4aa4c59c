//===- Error.h - Errors are values -----------------------------*- C++ -*-===//
//
// Every fallible function of gptc returns Expected<T>. An Error is one clear
// sentence for the user: what went wrong, where, what was expected, what was
// found and what to do. Nothing below the command line prints or aborts.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_BASE_ERROR_H
#define GPTC_RUNTIME_BASE_ERROR_H

#include <fmt/format.h>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace gptc {

/// What kind of failure an Error is. Callers branch on this, never on text.
enum class ErrorCode {
  InvalidArgument, ///< The caller or user asked for something impossible.
  NotFound,        ///< A named file, tensor, entry point or device is missing.
  Corrupt,         ///< Outside data violates its format.
  Unsupported,     ///< Well-formed, but outside of what gptc honours.
  OutOfMemory,     ///< The machine or device lacks the memory that is needed.
  DeviceLost,      ///< A GPU stopped working; what it held is gone.
  Io,              ///< The operating system failed to read or write.
  Internal,        ///< A defect of gptc itself.
};

/// Returns the code in words, for JSON and logs ("invalid argument").
const char *toString(ErrorCode code);

/// A failure. Value type; safe to copy and to move between threads.
class [[nodiscard]] Error {
public:
  Error(ErrorCode code, std::string message)
      : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  /// The sentence, without a trailing newline.
  const std::string &message() const { return message_; }

  /// Returns the same error with `where` and a colon put in front.
  Error in(const std::string &where) const {
    return Error(code_, where + ": " + message_);
  }

private:
  ErrorCode code_;
  std::string message_;
};

template <typename T> using Expected = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;

/// Builds the unexpected side of an Expected from a fmt format string.
template <typename... Args>
tl::unexpected<Error> failure(ErrorCode code, fmt::format_string<Args...> text,
                              Args &&...args) {
  return tl::unexpected<Error>(
      Error(code, fmt::format(text, std::forward<Args>(args)...)));
}

/// The sentence for an errno value, in the form "cannot ACTION 'PATH':
/// REASON", with code Io (or NotFound for ENOENT).
Error systemError(int errnoValue, const std::string &action,
                  const std::string &path);

} // namespace gptc

#define GPTC_CONCAT_INNER(a, b) a##b
#define GPTC_CONCAT(a, b) GPTC_CONCAT_INNER(a, b)

/// Evaluates an Expected expression; returns its error, or assigns its value.
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration takes none.
#define GPTC_TRY(declaration, expression)                                      \
  auto GPTC_CONCAT(expected_, __LINE__) = (expression);                        \
  if (!GPTC_CONCAT(expected_, __LINE__))                                       \
    return ::tl::unexpected(                                                   \
        std::move(GPTC_CONCAT(expected_, __LINE__)).error());                  \
  declaration = *std::move(GPTC_CONCAT(expected_, __LINE__))
// NOLINTEND(bugprone-macro-parentheses)

/// Evaluates a Status expression and returns its error, if any.
#define GPTC_CHECK(expression)                                                 \
  do {                                                                         \
    if (auto gptcStatus = (expression); !gptcStatus)                           \
      return ::tl::unexpected(std::move(gptcStatus).error());                  \
  } while (false)

#endif // GPTC_RUNTIME_BASE_ERROR_H
