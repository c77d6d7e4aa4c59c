//===- DeviceRecordsTest.cpp - What is done with what checks found --------===//

#include "gptc/backends/vulkan/runtime/DeviceRecords.h"

#include "gptc/backends/vulkan/Features.h"
#include "tests/support/TemporaryFolder.h"

#include <gmock/gmock.h>

namespace gptc::vulkan {
namespace {

using testing::HasSubstr;

DeviceSnapshot snapshot(const std::string &name, const std::string &driver) {
  DeviceSnapshot device;
  device.name = name;
  device.driverName = "Driver";
  device.driverInfo = driver;
  device.deviceUuid[0] = 7;
  device.subgroupSize = 32;
  return device;
}

VariantCheck check(const std::string &variant, double milliseconds = 0) {
  VariantCheck made{variant, "f32", "suite", false, 5, {}, {}};
  if (milliseconds > 0)
    made.milliseconds = {{"time/rows_256", milliseconds}, {"time/rows_1", 1}};
  return made;
}

TEST(DeviceRecords, ComeBackFromTheirText) {
  DeviceRecords records;
  DeviceSnapshot device = snapshot("GPU \"A\"", "1.2");
  VariantCheck wrong = check("hardware");
  wrong.wrong = {{"matmul/f32", "3 of 35 elements differ"}};
  records.put(device, wrong);
  records.put(device, check("software", 2.5));
  auto read = DeviceRecords::parse(records.text(), "devices.json");
  ASSERT_TRUE(read) << read.error().message();
  const DeviceRecord *found = read->find(device);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->driver, "Driver 1.2");
  const VariantCheck *hardware = found->find("hardware", "f32", "suite");
  ASSERT_TRUE(hardware);
  ASSERT_EQ(hardware->wrong.size(), 1u);
  EXPECT_EQ(hardware->wrong[0].name, "matmul/f32");
  EXPECT_EQ(hardware->wrong[0].reason, "3 of 35 elements differ");
  const VariantCheck *software = found->find("software", "f32", "");
  ASSERT_TRUE(software);
  EXPECT_DOUBLE_EQ(software->totalMilliseconds(), 3.5);
  EXPECT_EQ(read->text(), records.text());
}

TEST(DeviceRecords, AreOfOneDriverAndSuite) {
  DeviceRecords records;
  records.put(snapshot("A", "1.2"), check("hardware"));
  ASSERT_TRUE(records.find(snapshot("A", "1.2")));
  EXPECT_FALSE(records.find(snapshot("A", "1.3")));
  EXPECT_FALSE(records.find(snapshot("B", "1.2")));
  DeviceSnapshot wide = snapshot("A", "1.2");
  wide.subgroupSize = 64;
  EXPECT_FALSE(records.find(wide));
  const DeviceRecord &record = *records.find(snapshot("A", "1.2"));
  EXPECT_FALSE(record.find("hardware", "f32", "another suite"));
  EXPECT_FALSE(record.find("hardware", "bf16", "suite"));
}

TEST(DeviceRecords, TakeALaterCheckInTheEarliersPlace) {
  DeviceRecords records;
  DeviceSnapshot device = snapshot("A", "1.2");
  records.put(device, check("hardware"));
  VariantCheck later = check("hardware", 4);
  later.suite = "newer";
  records.put(device, later);
  ASSERT_EQ(records.devices().size(), 1u);
  ASSERT_EQ(records.devices()[0].checks.size(), 1u);
  EXPECT_EQ(records.devices()[0].checks[0].suite, "newer");
}

TEST(DeviceRecords, OfAnotherShapeAreNone) {
  for (const char *text :
       {"", "[]", "{}", "{\"devices\": 3}", "{\"devices\": [3]}",
        "{\"devices\": [{\"name\": \"A\"}]}",
        "{\"devices\": [{\"name\": 1}]}"}) {
    auto parsed = DeviceRecords::parse(text, "devices.json");
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::Corrupt);
    EXPECT_THAT(parsed.error().message(), HasSubstr("devices.json"));
  }
  DeviceRecords records;
  records.put(snapshot("A", "1"), check("hardware", 3));
  std::string text = records.text();
  for (const char *key : {"variant", "suite", "brief", "wrong", "milliseconds",
                          "checked", "subgroup_size", "driver_uuid"}) {
    std::string other = text;
    other.replace(other.find(key), 1, "X");
    EXPECT_FALSE(DeviceRecords::parse(other, "devices.json")) << key;
  }
  // More is wrong than was looked at.
  VariantCheck wrong = check("hardware");
  wrong.checked = 0;
  wrong.wrong = {{"matmul/f32", "all of it"}};
  records.put(snapshot("A", "1"), wrong);
  EXPECT_FALSE(DeviceRecords::parse(records.text(), "devices.json"));
}

TEST(DeviceRecords, OfADamagedFileAreEmpty) {
  TemporaryFolder folder;
  EXPECT_TRUE(DeviceRecords::load(folder / "absent.json").devices().empty());
  folder.write("devices.json", "{\"devices\": [");
  EXPECT_TRUE(DeviceRecords::load(folder / "devices.json").devices().empty());
  DeviceRecords records;
  records.put(snapshot("A", "1"), check("hardware"));
  std::string path = folder / "a/b/devices.json";
  Status saved = records.save(path);
  ASSERT_TRUE(saved) << saved.error().message();
  EXPECT_EQ(DeviceRecords::load(path).devices().size(), 1u);
}

/// A target with variants for GPUs, with f16 arithmetic and for any device.
artifact::TargetT target() {
  artifact::TargetT made;
  for (const auto &[name, features] :
       std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"half", {feature::hardware, feature::float16}},
           {"hardware", {feature::hardware}},
           {"software", {}}}) {
    made.variants.push_back(std::make_unique<artifact::VariantT>());
    made.variants.back()->name = name;
    made.variants.back()->features = features;
  }
  return made;
}

class ChooseVariant : public testing::Test {
protected:
  std::string choose(const std::vector<VariantCheck> &checks,
                     const std::string &name = "") {
    auto chosen =
        chooseVariant(made, features, name, checks, "GPU A", "model.gptc");
    if (chosen)
      return (*chosen)->name;
    code = chosen.error().code();
    return chosen.error().message();
  }
  static VariantCheck wrong(const std::string &variant) {
    VariantCheck one = check(variant);
    one.wrong = {{"softmax/f32", "all of it"}};
    return one;
  }

  artifact::TargetT made = target();
  std::vector<std::string> features = {feature::hardware, feature::float16};
  ErrorCode code = ErrorCode::Internal;
};

TEST_F(ChooseVariant, TakesTheFirstThatTheDeviceCanRun) {
  EXPECT_EQ(choose({}), "half");
  features = {feature::hardware};
  EXPECT_EQ(choose({}), "hardware");
  features = {};
  EXPECT_EQ(choose({}), "software");
}

TEST_F(ChooseVariant, LeavesOutWhatIsWrong) {
  EXPECT_EQ(choose({wrong("half")}), "hardware");
  EXPECT_EQ(choose({wrong("half"), check("hardware"), check("software")}),
            "hardware");
  EXPECT_EQ(choose({wrong("hardware"), wrong("half")}), "software");
  // A check could not even be run of the first.
  EXPECT_EQ(choose({check("hardware")}), "hardware");
}

TEST_F(ChooseVariant, TakesTheFastestWhereAllAreMeasured) {
  EXPECT_EQ(
      choose({check("half", 9), check("hardware", 4), check("software", 30)}),
      "hardware");
  EXPECT_EQ(choose({check("half", 9), check("hardware", 4)}), "half");
  EXPECT_EQ(
      choose({wrong("half"), check("hardware", 40), check("software", 30)}),
      "software");
}

TEST_F(ChooseVariant, LeavesTheUnprovenOutUntilAFullCheckFindsItRight) {
  made.variants.insert(made.variants.begin(),
                       std::make_unique<artifact::VariantT>());
  made.variants[0]->name = "matrix";
  made.variants[0]->features = {feature::hardware, feature::matrixBf16};
  EXPECT_TRUE(isUnproven(*made.variants[0]));
  EXPECT_FALSE(isUnproven(*made.variants[1]));
  features = {feature::hardware, feature::matrixBf16};
  EXPECT_EQ(choose({}), "hardware");
  VariantCheck brief = check("matrix");
  brief.isBrief = true;
  EXPECT_EQ(choose({brief}), "hardware");
  VariantCheck nothing = check("matrix");
  nothing.checked = 0;
  EXPECT_EQ(choose({nothing}), "hardware");
  EXPECT_EQ(choose({wrong("matrix")}), "hardware");
  EXPECT_EQ(choose({check("matrix")}), "matrix");
  // Being right is no reason to take the slower one.
  EXPECT_EQ(
      choose({check("matrix", 9), check("hardware", 4), check("software", 30)}),
      "hardware");
  EXPECT_EQ(
      choose({check("matrix", 2), check("hardware", 4), check("software", 30)}),
      "matrix");
  EXPECT_EQ(choose({}, "matrix"), "matrix");
  // One that is not measured keeps no time from counting.
  EXPECT_EQ(choose({check("hardware", 40), check("software", 30)}), "software");
  std::string sentence = choose({wrong("hardware"), wrong("software")});
  EXPECT_EQ(code, ErrorCode::Unsupported);
  EXPECT_THAT(sentence, HasSubstr("variant 'matrix' is unproven there"));
  EXPECT_THAT(sentence, HasSubstr("gptc devices --check"));
}

TEST_F(ChooseVariant, RunsWhateverIsNamed) {
  EXPECT_EQ(choose({wrong("half")}, "half"), "half");
  features = {};
  EXPECT_EQ(choose({}, "hardware"), "hardware");
  EXPECT_THAT(choose({}, "half"), HasSubstr("variant 'half' needs float16"));
  EXPECT_EQ(code, ErrorCode::Unsupported);
  EXPECT_THAT(choose({}, "other"), HasSubstr("no Vulkan variant 'other'"));
  EXPECT_EQ(code, ErrorCode::NotFound);
}

TEST_F(ChooseVariant, SaysWhatIsWrongWhereNothingIsRight) {
  std::string sentence =
      choose({wrong("half"), wrong("hardware"), wrong("software")});
  EXPECT_EQ(code, ErrorCode::Unsupported);
  for (const char *part : {"GPU A", "model.gptc",
                           "variant 'half' computes "
                           "softmax/f32 wrongly",
                           "--device", "--backend cpu", "gptc devices --check"})
    EXPECT_THAT(sentence, HasSubstr(part));
}

} // namespace
} // namespace gptc::vulkan
