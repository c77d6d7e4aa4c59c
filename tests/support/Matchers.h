//===- Matchers.h - What an error should say -------------------*- C++ -*-===//

#ifndef GPTC_TESTS_SUPPORT_MATCHERS_H
#define GPTC_TESTS_SUPPORT_MATCHERS_H

#include "gptc/runtime/base/Error.h"

#include <gmock/gmock.h>

namespace gptc {

/// An Expected that holds one sentence on one line with `text` in it.
MATCHER_P2(FailsWith, code, text, "") {
  if (arg.has_value()) {
    *result_listener << "which has a value";
    return false;
  }
  const std::string &message = arg.error().message();
  *result_listener << toString(arg.error().code()) << ": " << message;
  return arg.error().code() == code &&
         message.find(text) != std::string::npos &&
         message.find('\n') == std::string::npos && message.back() != '.';
}

} // namespace gptc

/// The value of an Expected expression; ends the test at its error.
#define ASSERT_VALUE(declaration, expression)                                  \
  auto GPTC_CONCAT(expected_, __LINE__) = (expression);                        \
  ASSERT_TRUE(GPTC_CONCAT(expected_, __LINE__))                                \
      << GPTC_CONCAT(expected_, __LINE__).error().message();                   \
  declaration = *std::move(GPTC_CONCAT(expected_, __LINE__))

/// Asserts that a Status expression succeeds.
#define ASSERT_SUCCESS(expression)                                             \
  do {                                                                         \
    auto gptcStatus = (expression);                                            \
    ASSERT_TRUE(gptcStatus) << gptcStatus.error().message();                   \
  } while (false)

#endif // GPTC_TESTS_SUPPORT_MATCHERS_H
