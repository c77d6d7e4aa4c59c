// Values that no formula is noted for were computed with scikit-learn 1.9.1
// (accuracy_score, f1_score, matthews_corrcoef) and SciPy 1.17.1 (pearsonr,
// spearmanr).

#include "gptc/runtime/training/Metrics.h"
#include "tests/support/Matchers.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace gptc {
namespace {

using Labels = std::vector<int32_t>;
using Values = std::vector<double>;

constexpr double tolerance = 1e-14;

ClassCounts countsOf(size_t classes, const Labels &labels,
                     const Labels &predictions) {
  ClassCounts counts(classes);
  auto status = counts.add(labels, predictions);
  EXPECT_TRUE(status) << status.error().message();
  EXPECT_EQ(counts.rows(), labels.size());
  return counts;
}

double pearsonOf(const Values &x, const Values &y) {
  auto value = pearson(x, y);
  EXPECT_TRUE(value) << value.error().message();
  return *value;
}

double spearmanOf(const Values &x, const Values &y) {
  auto value = spearman(x, y);
  EXPECT_TRUE(value) << value.error().message();
  return *value;
}

/// Values without order, from whole numbers alone: 0 to modulus - 1.
int scattered(int i, int factor, int modulus) {
  return int(int64_t(i) * factor % modulus);
}

TEST(ClassCounts, TwoClasses) {
  auto counts = countsOf(2, {0, 0, 1, 1, 1, 0, 1, 0, 1, 1},
                         {0, 1, 1, 0, 1, 0, 1, 0, 0, 1});
  // tp = 4, tn = 3, fp = 1, fn = 2.
  EXPECT_NEAR(counts.accuracy(), 0.7, tolerance);
  EXPECT_NEAR(counts.f1(), 8.0 / 11, tolerance);
  EXPECT_NEAR(counts.f1(0), 6.0 / 9, tolerance);
  EXPECT_NEAR(counts.macroF1(), 0.696969696969697, tolerance);
  // (tp tn - fp fn) / sqrt((tp + fp) (tp + fn) (tn + fp) (tn + fn))
  EXPECT_NEAR(counts.matthews(), 10 / std::sqrt(5.0 * 6 * 4 * 5), tolerance);
  EXPECT_NEAR(counts.matthews(), 0.408248290463863, tolerance);
}

TEST(ClassCounts, ThreeClasses) {
  auto counts = countsOf(3, {2, 0, 2, 2, 0, 1, 1, 0, 2, 1, 0, 2},
                         {0, 0, 2, 2, 0, 2, 1, 0, 2, 1, 1, 1});
  EXPECT_NEAR(counts.accuracy(), 8.0 / 12, tolerance);
  EXPECT_NEAR(counts.f1(0), 0.75, tolerance);
  EXPECT_NEAR(counts.f1(1), 0.5714285714285714, tolerance);
  EXPECT_NEAR(counts.f1(2), 0.6666666666666666, tolerance);
  EXPECT_NEAR(counts.macroF1(), 0.6626984126984127, tolerance);
  EXPECT_NEAR(counts.matthews(), 0.5052911526399114, tolerance);
}

TEST(ClassCounts, FiveClassesInParts) {
  ClassCounts counts(5);
  for (int begin = 0; begin < 1000; begin += 300) {
    Labels labels, predictions;
    for (int i = begin; i < std::min(begin + 300, 1000); ++i) {
      labels.push_back(scattered(i, 7919, 1009) % 5);
      predictions.push_back(scattered(i, 104'729, 997) < 600 ? labels.back()
                                                             : i * 31 % 5);
    }
    ASSERT_SUCCESS(counts.add(labels, predictions));
  }
  EXPECT_NEAR(counts.accuracy(), 0.683, tolerance);
  EXPECT_NEAR(counts.macroF1(), 0.6829072550560813, tolerance);
  EXPECT_NEAR(counts.matthews(), 0.6037769347713599, tolerance);
}

TEST(ClassCounts, ClassesThatNoRowHasDoNotCount) {
  // Class 2 is predicted alone, classes 4 and 5 are neither.
  auto counts = countsOf(6, {0, 1, 0, 1, 3, 3}, {0, 1, 2, 1, 3, 0});
  EXPECT_NEAR(counts.macroF1(), 0.5416666666666666, tolerance);
  EXPECT_NEAR(counts.matthews(), 0.560448538317805, tolerance);
  EXPECT_EQ(counts.f1(2), 0);
  EXPECT_EQ(counts.f1(4), 0);
  EXPECT_EQ(counts.f1(6), 0);
}

TEST(ClassCounts, PerfectAndOpposite) {
  auto perfect = countsOf(3, {0, 1, 2, 2, 1, 2, 2}, {0, 1, 2, 2, 1, 2, 2});
  EXPECT_EQ(perfect.accuracy(), 1);
  EXPECT_EQ(perfect.macroF1(), 1);
  EXPECT_EQ(perfect.matthews(), 1);
  auto opposite = countsOf(2, {0, 1, 1}, {1, 0, 0});
  EXPECT_EQ(opposite.accuracy(), 0);
  EXPECT_EQ(opposite.f1(), 0);
  EXPECT_EQ(opposite.matthews(), -1);
}

TEST(ClassCounts, WhatIsNotDefinedIsZero) {
  auto nothingPositive = countsOf(2, {0, 1, 1}, {0, 0, 0});
  EXPECT_EQ(nothingPositive.f1(), 0);
  EXPECT_EQ(nothingPositive.matthews(), 0);
  // One class is right and positive both: F1 is defined, the correlation not.
  auto positive = countsOf(2, {1, 1}, {1, 1});
  EXPECT_EQ(positive.f1(), 1);
  EXPECT_EQ(positive.macroF1(), 1);
  EXPECT_EQ(positive.matthews(), 0);
  auto negative = countsOf(2, {0, 0}, {0, 0});
  EXPECT_EQ(negative.f1(), 0);
  EXPECT_EQ(negative.accuracy(), 1);
  EXPECT_EQ(negative.macroF1(), 1);
  auto labels = countsOf(2, {1, 1, 1}, {0, 1, 1});
  EXPECT_EQ(labels.matthews(), 0);
  auto single = countsOf(1, {0, 0}, {0, 0});
  EXPECT_EQ(single.accuracy(), 1);
  EXPECT_EQ(single.f1(), 0);
  EXPECT_EQ(single.matthews(), 0);
  auto row = countsOf(2, {1}, {0});
  EXPECT_EQ(row.accuracy(), 0);
  EXPECT_EQ(row.f1(), 0);
  EXPECT_EQ(row.macroF1(), 0);
  EXPECT_EQ(row.matthews(), 0);
  for (size_t classes : {0, 2}) {
    auto empty = countsOf(classes, {}, {});
    EXPECT_EQ(
        empty.accuracy() + empty.f1() + empty.macroF1() + empty.matthews(), 0);
  }
}

TEST(ClassCounts, ManyRowsDoNotOverflow) {
  // Counts as in TwoClasses, each a million times: the product of four of them
  // is beyond 64 bits.
  constexpr size_t rows = 1'000'000;
  const Labels zeros(rows, 0), ones(rows, 1);
  ClassCounts counts(2);
  auto add = [&](int times, const Labels &labels, const Labels &predictions) {
    for (int i = 0; i < times; ++i)
      ASSERT_SUCCESS(counts.add(labels, predictions));
  };
  add(4, ones, ones);
  add(3, zeros, zeros);
  add(1, zeros, ones);
  add(2, ones, zeros);
  EXPECT_EQ(counts.rows(), 10 * rows);
  EXPECT_NEAR(counts.accuracy(), 0.7, tolerance);
  EXPECT_NEAR(counts.f1(), 8.0 / 11, tolerance);
  EXPECT_NEAR(counts.matthews(), 0.408248290463863, tolerance);
}

TEST(ClassCounts, RefusesWhatDoesNotFit) {
  ClassCounts counts(2);
  EXPECT_THAT(counts.add(Labels{0, 1}, Labels{0}),
              FailsWith(ErrorCode::InvalidArgument,
                        "there are 2 labels and 1 predictions"));
  EXPECT_THAT(counts.add(Labels{0, 2}, Labels{0, 1}),
              FailsWith(ErrorCode::InvalidArgument, "is 2, expected 0 to 1"));
  EXPECT_THAT(counts.add(Labels{0, 1}, Labels{0, -1}),
              FailsWith(ErrorCode::InvalidArgument, "is -1, expected 0 to 1"));
  EXPECT_EQ(counts.rows(), 0U);
  EXPECT_EQ(counts.accuracy(), 0);
}

TEST(Correlation, OfSomeValues) {
  Values x = {1.5, 2.0, 3.25, -4.0, 0.5, 7.0};
  Values y = {2.0, 1.0, 4.5, -3.0, 1.25, 5.0};
  EXPECT_NEAR(pearsonOf(x, y), 0.9439039162604557, tolerance);
  // Without ties 1 - 6 sum d^2 / (n (n^2 - 1)), with sum d^2 = 6.
  EXPECT_NEAR(spearmanOf(x, y), 1 - 6 * 6.0 / (6 * 35), tolerance);
}

TEST(Correlation, EqualValuesShareTheirRanks) {
  Values x = {1, 2, 2, 3, 3, 3, 5, 0};
  Values y = {2.5, 2.5, 4, 1, 4, 4, 5, 0};
  EXPECT_NEAR(pearsonOf(x, y), 0.7158821966309585, tolerance);
  EXPECT_NEAR(spearmanOf(x, y), 0.6898734177215191, tolerance);
  // Ranks 2, 3.5, 3.5, 6, 6, 6, 8, 1 and 3.5, 3.5, 6, 2, 6, 6, 8, 1.
  EXPECT_NEAR(
      spearmanOf(x, y),
      pearsonOf({2, 3.5, 3.5, 6, 6, 6, 8, 1}, {3.5, 3.5, 6, 2, 6, 6, 8, 1}),
      tolerance);
  EXPECT_EQ(spearmanOf({0.0, -0.0}, {1, 2}), 0);
}

TEST(Correlation, OfManyValues) {
  Values x, y, tiedX, tiedY;
  for (int i = 0; i < 1000; ++i) {
    x.push_back(scattered(i, 7919, 1009));
    y.push_back(scattered(i, 104'729, 997) / 8.0 + x.back() / 2);
    tiedX.push_back(std::floor(x.back() / 100));
    tiedY.push_back(std::floor(y.back() / 50));
  }
  EXPECT_NEAR(pearsonOf(x, y), 0.9707079357752184, tolerance);
  EXPECT_NEAR(spearmanOf(x, y), 0.9724830364830365, tolerance);
  EXPECT_NEAR(spearmanOf(tiedX, tiedY), 0.9638714150704394, tolerance);
}

TEST(Correlation, PerfectAndOpposite) {
  Values x = {0.1, 0.2, 0.7, 1.1}, opposite = {-1, -2, -7, -11};
  EXPECT_NEAR(pearsonOf(x, x), 1, tolerance);
  EXPECT_NEAR(pearsonOf(x, opposite), -1, tolerance);
  EXPECT_LE(pearsonOf(x, x), 1);
  EXPECT_NEAR(spearmanOf(x, {1, 10, 100, 1000}), 1, tolerance);
  EXPECT_NEAR(spearmanOf(x, opposite), -1, tolerance);
}

TEST(Correlation, WhatIsNotDefinedIsZero) {
  // The mean of 0.1 three times is not 0.1 in double precision.
  Values equal = {0.1, 0.1, 0.1}, some = {1, 2, 4};
  for (const auto &[x, y] :
       {std::pair(equal, some), std::pair(some, equal), std::pair(equal, equal),
        std::pair(Values{3}, Values{4}), std::pair(Values(), Values())}) {
    EXPECT_EQ(pearsonOf(x, y), 0);
    EXPECT_EQ(spearmanOf(x, y), 0);
  }
}

TEST(Correlation, IsNoNumberWhereAValueIsNone) {
  Values some = {1, 2, 4};
  for (double odd : {std::numeric_limits<double>::quiet_NaN(),
                     std::numeric_limits<double>::infinity()}) {
    EXPECT_TRUE(std::isnan(pearsonOf({1, odd, 2}, some)));
    EXPECT_TRUE(std::isnan(pearsonOf(some, {1, odd, 2})));
    EXPECT_TRUE(std::isnan(spearmanOf({1, odd, 2}, some)));
    EXPECT_TRUE(std::isnan(spearmanOf(some, {1, odd, 2})));
  }
}

TEST(Correlation, NeitherManyNorExtremeValuesOverflow) {
  // y = x^2 over x = 0 .. n - 1: sqrt(15) / 4 (1 + O(1 / n)), ranks equal.
  constexpr int n = 2'000'000;
  Values x, y;
  for (int i = 0; i < n; ++i) {
    x.push_back(i);
    y.push_back(double(i) * i);
  }
  EXPECT_NEAR(pearsonOf(x, y), std::sqrt(15.0) / 4, 1e-6);
  EXPECT_NEAR(spearmanOf(x, y), 1, 1e-12);
  Values large = {1.5e308, -1.5e308, 1.0e308},
         small = {3e-308, -3e-308, 2e-308};
  double expected = pearsonOf({1.5, -1.5, 1}, {1, 2, 5});
  EXPECT_NEAR(pearsonOf(large, {1, 2, 5}), expected, tolerance);
  EXPECT_NEAR(pearsonOf({1, 2, 5}, small), expected, tolerance);
  // A mean that is large against the spread.
  EXPECT_NEAR(pearsonOf({1e9 + 1, 1e9 + 2, 1e9 + 4}, {1, 2, 5}),
              pearsonOf({1, 2, 4}, {1, 2, 5}), 1e-7);
}

TEST(Correlation, RefusesWhatDoesNotFit) {
  EXPECT_THAT(pearson(Values{1, 2}, Values{1}),
              FailsWith(ErrorCode::InvalidArgument,
                        "there are 2 values and 1 predictions"));
  EXPECT_THAT(spearman(Values{}, Values{1}),
              FailsWith(ErrorCode::InvalidArgument, "0 values and 1"));
}

} // namespace
} // namespace gptc
