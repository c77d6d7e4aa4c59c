//===- CommandExpectations.h - How the gptc command ends -------*- C++ -*-===//

#ifndef GPTC_TESTS_SUPPORT_COMMANDEXPECTATIONS_H
#define GPTC_TESTS_SUPPORT_COMMANDEXPECTATIONS_H

#include "tests/support/Command.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gptc {

/// One sentence of one line with that text in it, and exit code 1.
inline void expectFailure(const CommandResult &result,
                          const std::string &text) {
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_THAT(result.err, testing::StartsWith("gptc: "));
  EXPECT_THAT(result.err, testing::HasSubstr(text));
  EXPECT_THAT(result.err, testing::EndsWith("\n"));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1)
      << result.err;
}

inline void expectSuccess(const CommandResult &result) {
  EXPECT_EQ(result.code, 0) << result.err;
}

} // namespace gptc

#endif // GPTC_TESTS_SUPPORT_COMMANDEXPECTATIONS_H
