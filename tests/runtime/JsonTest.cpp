#include "gptc/runtime/base/Json.h"
#include "tests/support/Matchers.h"

#include <gtest/gtest.h>

namespace gptc {
namespace {

TEST(Json, ReadsWhatIsJson) {
  ASSERT_VALUE(nlohmann::json json,
               parseJson(R"({"a": [1, {"a": "[{\"["}], "b": {"a": 2}})", "f"));
  EXPECT_EQ(json["a"][1]["a"], "[{\"[");
  EXPECT_EQ(json["b"]["a"], 2);
}

TEST(Json, RefusesTheRest) {
  EXPECT_THAT(parseJson("", "f"), FailsWith(ErrorCode::Corrupt, "no JSON"));
  EXPECT_THAT(parseJson("[1, 2", "f"),
              FailsWith(ErrorCode::Corrupt, "'f' is no JSON from byte 6 on"));
  EXPECT_THAT(parseJson("[1] x", "f"),
              FailsWith(ErrorCode::Corrupt, "no JSON from byte 5"));
  EXPECT_THAT(parseJson(std::string_view("[1]\0", 4), "f"),
              FailsWith(ErrorCode::Corrupt, "no JSON from byte 4"));
  EXPECT_THAT(parseJson(R"(["\ud800"])", "f"),
              FailsWith(ErrorCode::Corrupt, "half of a character at byte 9"));
  EXPECT_THAT(parseJson("[1e999]", "f"),
              FailsWith(ErrorCode::Corrupt, "out of range"));
  EXPECT_THAT(parseJson("[\"\xff\"]", "f"),
              FailsWith(ErrorCode::Corrupt, "no JSON"));
  EXPECT_THAT(parseJson(R"([{"a": 1, "b": {"a": 1}, "a": 2}])", "f"),
              FailsWith(ErrorCode::Corrupt, "key 'a' twice"));
}

TEST(Json, DepthIsBounded) {
  auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parseJson(nested(deepestJson), "f"));
  EXPECT_THAT(parseJson(nested(deepestJson + 1), "f"),
              FailsWith(ErrorCode::Corrupt, "nests 33 deep"));
  EXPECT_THAT(parseJson(std::string(1'000'000, '['), "f"),
              FailsWith(ErrorCode::Corrupt, "nests 1000000 deep"));
}

} // namespace
} // namespace gptc
