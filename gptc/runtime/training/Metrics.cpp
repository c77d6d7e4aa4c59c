//===- Metrics.cpp --------------------------------------------------------===//

#include "gptc/runtime/training/Metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace gptc {

ClassCounts::ClassCounts(size_t classes) : counts_(classes) {}

static Status checkSizes(size_t left, size_t right, const char *what) {
  if (left == right)
    return {};
  return failure(ErrorCode::InvalidArgument,
                 "there are {} {} and {} predictions, expected as many of both",
                 left, what, right);
}

Status ClassCounts::add(std::span<const int32_t> labels,
                        std::span<const int32_t> predictions) {
  GPTC_CHECK(checkSizes(labels.size(), predictions.size(), "labels"));
  for (std::span<const int32_t> side : {labels, predictions})
    for (int32_t index : side)
      if (index < 0 || size_t(index) >= counts_.size())
        return failure(ErrorCode::InvalidArgument,
                       "a label or prediction is {}, expected 0 to {}, one for "
                       "each class",
                       index, int64_t(counts_.size()) - 1);
  for (size_t i = 0; i < labels.size(); ++i) {
    ++counts_[size_t(labels[i])].labels;
    ++counts_[size_t(predictions[i])].predictions;
    counts_[size_t(labels[i])].right += labels[i] == predictions[i];
  }
  rows_ += labels.size();
  return {};
}

double ClassCounts::accuracy() const {
  uint64_t right = 0;
  for (const Counts &one : counts_)
    right += one.right;
  return rows_ == 0 ? 0 : double(right) / double(rows_);
}

double ClassCounts::f1(size_t positive) const {
  if (positive >= counts_.size())
    return 0;
  const Counts &one = counts_[positive];
  uint64_t all = one.labels + one.predictions;
  return all == 0 ? 0 : 2 * double(one.right) / double(all);
}

double ClassCounts::macroF1() const {
  double sum = 0;
  uint64_t present = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    sum += f1(i);
    present += counts_[i].labels + counts_[i].predictions > 0;
  }
  return present == 0 ? 0 : sum / double(present);
}

double ClassCounts::matthews() const {
  // Of each class against all others, tp * tn - fp * fn is the covariance and
  // n * (rows - n) the variance of what tells the class, times rows squared.
  // Their sums are those of R_K, without the difference of two large numbers.
  double covariance = 0, ofLabels = 0, ofPredictions = 0;
  for (const Counts &one : counts_) {
    auto truePositive = double(one.right);
    auto falsePositive = double(one.predictions - one.right);
    auto falseNegative = double(one.labels - one.right);
    auto trueNegative =
        double(rows_ - one.labels - (one.predictions - one.right));
    covariance += truePositive * trueNegative - falsePositive * falseNegative;
    ofLabels += double(one.labels) * double(rows_ - one.labels);
    ofPredictions += double(one.predictions) * double(rows_ - one.predictions);
  }
  if (ofLabels == 0 || ofPredictions == 0)
    return 0;
  return std::clamp(covariance / std::sqrt(ofLabels * ofPredictions), -1.0,
                    1.0);
}

static bool allFinite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(),
                     [](double value) { return std::isfinite(value); });
}

static double mean(std::span<const double> values, double scale) {
  double sum = 0;
  for (double value : values)
    sum += value / scale;
  return sum / double(values.size());
}

/// The largest magnitude; 0 where all values are equal, exactly.
static double scaleOf(std::span<const double> values) {
  if (values.empty())
    return 0;
  auto [least, most] = std::minmax_element(values.begin(), values.end());
  return *least == *most ? 0 : std::max(std::abs(*least), std::abs(*most));
}

/// Of as many finite values of both.
static double correlation(std::span<const double> x,
                          std::span<const double> y) {
  // Values of magnitude 1 at most have squares and sums that overflow nothing.
  double scaleX = scaleOf(x), scaleY = scaleOf(y);
  if (scaleX == 0 || scaleY == 0)
    return 0;
  double meanX = mean(x, scaleX), meanY = mean(y, scaleY);
  double squaresX = 0, squaresY = 0, products = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    double dx = x[i] / scaleX - meanX, dy = y[i] / scaleY - meanY;
    squaresX += dx * dx;
    squaresY += dy * dy;
    products += dx * dy;
  }
  // Values that differ by less than their mean's rounding have no spread.
  if (squaresX == 0 || squaresY == 0)
    return 0;
  return std::clamp(products / (std::sqrt(squaresX) * std::sqrt(squaresY)),
                    -1.0, 1.0);
}

/// The place of each value among all, from 1; equal ones share their mean.
static std::vector<double> ranksOf(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0, end; begin < order.size(); begin = end) {
    end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]])
      ++end;
    for (size_t i = begin; i < end; ++i)
      ranks[order[i]] = double(begin + 1 + end) / 2;
  }
  return ranks;
}

Expected<double> pearson(std::span<const double> x, std::span<const double> y) {
  GPTC_CHECK(checkSizes(x.size(), y.size(), "values"));
  if (!allFinite(x) || !allFinite(y))
    return std::numeric_limits<double>::quiet_NaN();
  return correlation(x, y);
}

Expected<double> spearman(std::span<const double> x,
                          std::span<const double> y) {
  GPTC_CHECK(checkSizes(x.size(), y.size(), "values"));
  if (!allFinite(x) || !allFinite(y))
    return std::numeric_limits<double>::quiet_NaN();
  return correlation(ranksOf(x), ranksOf(y));
}

} // namespace gptc
