//===- Metrics.h - How good predictions are --------------------*- C++ -*-===//
//
// The metrics of GLUE (https://arxiv.org/abs/1804.07461) and of the GPT papers'
// tasks, in double precision and in one fixed order of operations, so that
// equal inputs give equal bits. Where a metric is not defined, since there is
// nothing to divide by, it is 0: as scikit-learn has it, while SciPy gives NaN
// for a correlation.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_TRAINING_METRICS_H
#define GPTC_RUNTIME_TRAINING_METRICS_H

#include "gptc/runtime/base/Error.h"

#include <cstdint>
#include <span>
#include <vector>

namespace gptc {

/// Counts of labels against predictions, which all metrics of classes come
/// from. Takes any number of rows, in parts if need be; memory is for the
/// classes alone. Not for several threads while rows are added.
class ClassCounts {
public:
  /// For labels 0 to classes - 1.
  explicit ClassCounts(size_t classes);

  /// Counts rows, each with its right label and the predicted one.
  /// InvalidArgument, and nothing is counted, if there are not as many of one
  /// as of the other, or if one is no class.
  Status add(std::span<const int32_t> labels,
             std::span<const int32_t> predictions);

  uint64_t rows() const { return rows_; }
  size_t classes() const { return counts_.size(); }

  /// Share of rows whose prediction is right, 0 to 1. 0 without rows.
  double accuracy() const;

  /// 2 tp / (2 tp + fp + fn) of one class: the harmonic mean of the share of
  /// its predictions that are right and of its rows that are found. 0 where it
  /// is neither label nor prediction of any row, or no class. For two classes
  /// the positive one is 1, that of the label that sorts last.
  double f1(size_t positive = 1) const;

  /// Mean of f1 over the classes that are label or prediction of some row,
  /// which is what scikit-learn takes by default. 0 without rows.
  double macroF1() const;

  /// Matthews' correlation of labels and predictions, -1 to 1 for two classes;
  /// for more, R_K of Gorodkin, "Comparing two K-category assignments by a
  /// K-category correlation coefficient" (2004), whose least value lies between
  /// -1 and 0. 0 where all labels, or all predictions, are of one class.
  double matthews() const;

private:
  struct Counts {
    uint64_t labels = 0, predictions = 0, right = 0;
  };
  std::vector<Counts> counts_;
  uint64_t rows_ = 0;
};

/// Pearson's correlation of pairs of values, -1 to 1. 0 where all values of one
/// side are equal, for one row and for none; NaN where a value is not finite.
/// InvalidArgument if there are not as many of one as of the other.
Expected<double> pearson(std::span<const double> x, std::span<const double> y);

/// Spearman's correlation: Pearson's of the ranks, where equal values share the
/// mean of their ranks. Undefined cases and errors as for pearson.
Expected<double> spearman(std::span<const double> x, std::span<const double> y);

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_METRICS_H
