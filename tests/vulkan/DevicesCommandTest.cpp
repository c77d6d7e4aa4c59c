//===- DevicesCommandTest.cpp - How gptc devices --check ends -------------===//

#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"
#include "tests/support/CommandExpectations.h"
#include "tests/vulkan/Driver.h"
#include "tests/vulkan/SampleProgram.h"

#include <nlohmann/json.hpp>

namespace gptc::vulkan {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

constexpr uint32_t tiles = 10;

/// A copy of the command beside suites of its own, which are the sample program
/// as the only op.
class DevicesCommand : public testing::Test {
protected:
  void SetUp() override {
    const char *before = std::getenv("XDG_CACHE_HOME");
    before_ = before ? before : "";
    if (std::string reason = reasonWithoutDevice(); !reason.empty())
      GTEST_SKIP() << reason;
    for (const char *made : {"bin", "share/gptc/device-check"})
      std::filesystem::create_directories(folder / made);
    std::filesystem::copy_file(GPTC_COMMAND, folder / "bin/gptc");
    ::setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);
  }
  void TearDown() override { ::setenv("XDG_CACHE_HOME", before_.c_str(), 1); }

  static PendingTensor tensorOf(const std::string &name, DataType type,
                                std::span<const std::byte> bytes) {
    std::vector<std::byte> copy(bytes.begin(), bytes.end());
    return {
        name, type, {bytes.size() / sizeOf(type)}, [copy](const auto &sink) {
          return sink(std::span<const std::byte>(copy));
        }};
  }
  template <typename T>
  static PendingTensor tensorOf(const std::string &name, DataType type,
                                const std::vector<T> &values) {
    return tensorOf(name, type, std::as_bytes(std::span(values)));
  }

  /// Writes the suite of a type, in which `off` is added to what is expected of
  /// element 7.
  void writeSuite(const std::string &type, SampleProgram &sample,
                  float off = 0) {
    ASSERT_TRUE(sample.open(folder));
    std::string stem = folder / "share/gptc/device-check/" + type;
    std::filesystem::copy_file(folder / "sample.gptc", stem + ".gptc");
    std::vector<float> x, y;
    for (size_t i = 0; i < size_t(64) * tiles; ++i) {
      x.push_back(float(i));
      y.push_back(3 * (0.5f * float(i) + 1));
    }
    y[7] += off;
    std::vector<PendingTensor> tensors{
        tensorOf("accumulate:argument:0", DataType::F32, x),
        tensorOf("accumulate:argument:1", DataType::F32,
                 std::vector<float>{0.5f}),
        tensorOf("accumulate:result:0", DataType::F32, y),
        tensorOf("accumulate:tolerance", DataType::F64,
                 std::vector<double>{1e-6}),
        tensorOf("suite:digest", DataType::U8, std::vector<uint8_t>(32, 7))};
    auto written = writeSafetensors(stem + ".safetensors", std::move(tensors));
    ASSERT_TRUE(written) << written.error().message();
  }

  CommandResult check(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"devices", "--check",   "--device",
                                       "0",       "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return runCommand(folder / "bin/gptc", arguments);
  }
  /// What the report says of the device, after a check that ends with `code`.
  Json checkJson(int code) {
    auto result = check({"--json"});
    EXPECT_EQ(result.code, code) << result.err;
    return Json::parse(result.out)["vulkan"]["devices"][0];
  }

  TemporaryFolder folder;
  std::string before_;
};

TEST_F(DevicesCommand, EndsWellWhereAllIsRight) {
  SampleProgram sample(tiles);
  for (const char *type : {"f32", "bf16", "f16"})
    writeSuite(type, sample);
  auto result = check();
  expectSuccess(result);
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, HasSubstr("variant 'baseline', f32: 1 of 1 ops "
                                    "right\n    variant 'baseline', bf16: 1 "
                                    "of 1 ops right\n    variant 'baseline', "
                                    "f16: 1 of 1 ops right\n"));
  Json device = checkJson(0);
  EXPECT_EQ(device["checks"].size(), 3u);
  EXPECT_EQ(device["unchecked"], Json::array());
  EXPECT_EQ(
      device["used"],
      Json({{"bf16", "baseline"}, {"f16", "baseline"}, {"f32", "baseline"}}));
}

TEST_F(DevicesCommand, FailsWhereACaseIsWrong) {
  SampleProgram sample(tiles);
  writeSuite("f32", sample);
  writeSuite("bf16", sample, 0.25);
  writeSuite("f16", sample);
  auto result = check();
  expectFailure(result,
                "variant 'baseline', bf16, computes 1 of 1 ops wrongly");
  EXPECT_THAT(result.err, testing::Not(HasSubstr("f32")));
  // The whole report is there.
  EXPECT_THAT(result.out,
              HasSubstr("variant 'baseline', f32: 1 of 1 ops right\n"));
  EXPECT_THAT(
      result.out,
      HasSubstr("variant 'baseline', bf16: 0 of 1 ops right\n"
                "      accumulate: result 0: 1 of 640 elements differ by more "
                "than 1e-06; element 7 is 13.5, expected 13.75\n"
                "      nothing is used in its place: no other variant is "
                "right\n"));
  EXPECT_THAT(result.out, HasSubstr("taken where no --device is given, and "
                                    "refused in bf16: nothing is right "
                                    "there\n"));
  Json device = checkJson(1);
  EXPECT_EQ(device["checks"][1]["wrong"][0]["case"], "accumulate");
  EXPECT_EQ(
      device["used"],
      Json({{"bf16", nullptr}, {"f16", "baseline"}, {"f32", "baseline"}}));
  // Only a check fails: what it found is listed later on.
  auto listed = runCommand(folder / "bin/gptc", {"devices", "--json"});
  expectSuccess(listed);
  EXPECT_EQ(Json::parse(listed.out)["vulkan"]["devices"][0]["checks"],
            device["checks"]);
}

TEST_F(DevicesCommand, FailsAndTellsWhatIsUsedWhereOneVariantIsWrong) {
  SampleProgram right(tiles), sample(tiles);
  writeSuite("f32", right);
  writeSuite("f16", right);
  sample.addVariant("plain", {});
  // Leaves most of the result undone.
  sample.target->variants[0]->implementations[0]->tiles = 1;
  writeSuite("bf16", sample);
  auto result = check();
  expectFailure(result,
                "variant 'baseline', bf16, computes 1 of 1 ops wrongly");
  EXPECT_THAT(result.out, HasSubstr("      'plain' is used in its place\n"
                                    "    variant 'plain', bf16: 1 of 1 ops "
                                    "right\n"));
  EXPECT_EQ(
      checkJson(1)["used"],
      Json({{"bf16", "plain"}, {"f16", "baseline"}, {"f32", "baseline"}}));
}

TEST_F(DevicesCommand, FailsAndGoesOnWhereAVariantCannotBeChecked) {
  SampleProgram large(tiles), sample(tiles);
  large.target->programs[0]->arena_bytes = uint64_t(1) << 47;
  writeSuite("f32", large);
  writeSuite("bf16", sample);
  writeSuite("f16", sample);
  auto result = check();
  expectFailure(result, "variant 'baseline', f32, of '");
  EXPECT_THAT(result.err, HasSubstr("' cannot be checked; update the driver"));
  EXPECT_THAT(result.out, HasSubstr("variant 'baseline', bf16: 1 of 1 ops "
                                    "right\n"));
  EXPECT_THAT(result.out, HasSubstr("variant 'baseline', f32: not checked: "));
  Json device = checkJson(1);
  EXPECT_EQ(device["checks"].size(), 2u);
  EXPECT_EQ(device["unchecked"][0]["variant"], "baseline");
  EXPECT_EQ(device["unchecked"][0]["type"], "f32");
  EXPECT_THAT(device["unchecked"][0]["reason"].get<std::string>(),
              HasSubstr("for activations"));
}

} // namespace
} // namespace gptc::vulkan
