#include "gptc/runtime/base/Error.h"

#include <cerrno>
#include <gtest/gtest.h>

namespace gptc {
namespace {

Expected<int> half(int value) {
  if (value % 2 != 0)
    return failure(ErrorCode::InvalidArgument, "{} is odd", value);
  return value / 2;
}

Expected<int> quarter(int value) {
  GPTC_TRY(int once, half(value));
  return half(once);
}

TEST(Error, TryPassesValuesAndErrorsOn) {
  EXPECT_EQ(*quarter(12), 3);
  auto error = quarter(6);
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(error.error().message(), "3 is odd");
  EXPECT_EQ(error.error().in("here").message(), "here: 3 is odd");
}

TEST(Error, SystemErrorNamesPathAndReason) {
  Error error = systemError(ENOENT, "open", "a/b");
  EXPECT_EQ(error.code(), ErrorCode::NotFound);
  EXPECT_EQ(error.message(), "cannot open 'a/b': No such file or directory");
}

} // namespace
} // namespace gptc
