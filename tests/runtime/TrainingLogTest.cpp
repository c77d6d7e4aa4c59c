//===- TrainingLogTest.cpp ------------------------------------------------===//

#include "gptc/runtime/base/File.h"
#include "gptc/runtime/training/Plot.h"
#include "tests/support/Matchers.h"
#include "tests/support/TemporaryFolder.h"

#include <cmath>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gptc {
namespace {

using testing::HasSubstr;
using testing::Not;

LoggedStep stepOf(uint64_t number) {
  LoggedStep step{number, 5.0 / double(number), 1.5, 1e-4, 1000, 2, {}, {}, {}};
  if (number % 3 == 0)
    step.validationLoss = 4.25;
  if (number % 2 == 0)
    step.shareOfPeak = 0.125;
  return step;
}

std::string read(const std::string &path) {
  auto text = readTextFile(path);
  EXPECT_TRUE(text) << text.error().message();
  return text ? *text : "";
}

TEST(TrainingLog, WritesBothFilesStepByStep) {
  TemporaryFolder folder;
  ASSERT_VALUE(auto log, TrainingLog::open(folder / "", 0));
  ASSERT_TRUE(log.write(stepOf(1)));
  EXPECT_EQ(read(folder / "log.csv"),
            "step,loss,gradient_norm,learning_rate,tokens_per_s,gflop_s,"
            "share_of_peak,validation_loss,metrics\n"
            "1,5,1.5,0.0001,1000,2,,,\n");
  ASSERT_TRUE(log.write(stepOf(2)));
  ASSERT_TRUE(log.write(stepOf(3)));
  EXPECT_THAT(read(folder / "log.csv"),
              HasSubstr("\n2,2.5,1.5,0.0001,1000,2,0.125,,\n3,"
                        "1.6666666666666667,1.5,0.0001,1000,2,,4.25,\n"));
  EXPECT_THAT(read(folder / "log.jsonl"),
              HasSubstr("\"gflop_s\":2.0,\"share_of_peak\":0.125}"));
  EXPECT_THAT(read(folder / "log.jsonl"),
              HasSubstr("\"validation_loss\":4.25"));
}

TEST(TrainingLog, GoesOnAfterAState) {
  TemporaryFolder folder;
  std::string unbroken;
  {
    ASSERT_VALUE(auto log, TrainingLog::open(folder / "", 0));
    for (uint64_t i = 1; i <= 7; ++i)
      ASSERT_TRUE(log.write(stepOf(i)));
    unbroken = read(folder / "log.csv");
  }
  // Lines that are damaged, unfinished or none at all are dropped.
  std::ofstream(folder / "log.jsonl", std::ios::app)
      << "[1]\n{\"step\":\"3\"}\n{\"step\":8,\"lo";
  ASSERT_VALUE(auto log, TrainingLog::open(folder / "", 4));
  EXPECT_EQ(log.steps().size(), 4U);
  EXPECT_EQ(log.steps()[2].validationLoss, 4.25);
  EXPECT_EQ(log.steps()[1].shareOfPeak, 0.125);
  for (uint64_t i = 5; i <= 7; ++i)
    ASSERT_TRUE(log.write(stepOf(i)));
  EXPECT_EQ(read(folder / "log.csv"), unbroken);
}

TEST(TrainingLog, SaysWhatCannotBeWritten) {
  auto log = TrainingLog::open("/nowhere", 0);
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().message(), HasSubstr("/nowhere/log.jsonl"));
}

TEST(Plot, DrawsCurvesOfAnyLength) {
  for (uint64_t count : {0, 1, 2, 7, 5000}) {
    std::vector<LoggedStep> steps;
    for (uint64_t i = 1; i <= count; ++i)
      steps.push_back(stepOf(i));
    std::string svg = plotSvg("a <b> & c", steps);
    EXPECT_THAT(svg, HasSubstr("a &lt;b&gt; &amp; c"));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
    size_t curves = 0;
    for (size_t at = 0; (at = svg.find("<polyline", at)) != std::string::npos;
         ++at)
      ++curves;
    // Loss, validation from the third step on, norm, rate, speed.
    EXPECT_EQ(curves, count == 0 ? 0U : count < 3 ? 4U : 5U);
    EXPECT_LT(svg.size(), 60000U);
    std::string page = plotPage("t", steps);
    EXPECT_THAT(page, HasSubstr("</svg>"));
    EXPECT_LT(page.size(), 300000U);
  }
}

TEST(Plot, ReplacesFilesWhole) {
  TemporaryFolder folder;
  std::vector<LoggedStep> steps{stepOf(1), stepOf(2)};
  ASSERT_TRUE(writePlots(folder / "", "first", steps));
  ASSERT_TRUE(writePlots(folder / "", "second", steps));
  EXPECT_THAT(read(folder / "training.svg"), HasSubstr("second"));
  EXPECT_THAT(read(folder / "training.html"), HasSubstr("second"));
}

} // namespace
} // namespace gptc
