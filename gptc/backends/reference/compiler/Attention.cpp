//===- Attention.cpp ------------------------------------------------------===//

#include "gptc/backends/reference/compiler/Operations.h"

#include <cmath>

namespace gptc::reference {

namespace {

/// Which probabilities count.
class Drop {
public:
  template <typename Op>
  Drop(Op op, Operands operands)
      : drops(op.getDropRate()),
        operands(drops ? operands.take_back(3) : Operands()),
        shape(op.getQuery().getType().getShape()),
        keys(op.getKey().getType().getDimSize(2)) {}

  bool keepsAt(int64_t b, int64_t h, int64_t i, int64_t j) const {
    return !drops ||
           keeps(uint64_t(((b * shape[1] + h) * shape[2] + i) * keys + j),
                 operands[0]->values[0], operands[1]->values[0],
                 operands[2]->values[0]);
  }

private:
  bool drops;
  Operands operands;
  llvm::ArrayRef<int64_t> shape;
  int64_t keys;
};

/// What a query sees, and with which probability.
class Probabilities {
public:
  template <typename Op>
  Probabilities(Op op, Operands operands, const HostTensor *positions,
                const HostTensor *lengths)
      : causal(op.getCausal()), window(op.getWindow()), query(*operands[0]),
        key(*operands[1]), positions(positions), lengths(lengths) {}

  struct Row {
    /// Pairs of key and probability; the other keys have none.
    std::vector<std::pair<int64_t, double>> pairs;
    double logSumExp = 0;
  };

  /// Of scores' own softmax, or by the logarithm that is known already.
  Row of(int64_t b, int64_t h, int64_t i, double scale,
         std::optional<double> known = {}) const {
    Row row;
    auto &found = row.pairs;
    double greatest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t j = 0; j < key.shape[2]; ++j) {
      if (!isVisible(b, i, j))
        continue;
      double product = 0;
      for (int64_t d = 0; d < query.shape[3]; ++d)
        product += at(query, {b, h, i, d}) * at(key, {b, h, j, d});
      found.push_back({j, scale * product});
      greatest = maximum(greatest, scale * product);
    }
    for (auto &[j, score] : found)
      sum += std::exp(score - greatest);
    if (!found.empty())
      row.logSumExp = known.value_or(greatest + std::log(sum));
    for (auto &[j, score] : found)
      score =
          known ? std::exp(score - *known) : std::exp(score - greatest) / sum;
    return row;
  }

  /// Whether anything may depend on a query.
  bool matters(int64_t b, int64_t i) const {
    return !lengths || double(i) < lengths->values[size_t(b)];
  }

private:
  bool causal;
  std::optional<uint64_t> window;
  const HostTensor &query, &key;
  const HostTensor *positions, *lengths;

  bool isVisible(int64_t b, int64_t i, int64_t j) const {
    int64_t start = positions ? int64_t(positions->values[size_t(b)]) : 0;
    int64_t end =
        lengths ? start + int64_t(lengths->values[size_t(b)]) : key.shape[2];
    int64_t position = start + i;
    if (j >= end || (causal && j > position))
      return false;
    return !window || position - j < int64_t(*window);
  }
};

} // namespace

std::vector<HostTensor> evaluate(ir::AttentionOp op, Operands operands) {
  std::vector<HostTensor> results{zerosOf(op.getResult().getType())};
  if (op.getLogSumExp())
    results.push_back(zerosOf(op.getLogSumExp().getType()));
  HostTensor &result = results[0];
  const HostTensor &value = *operands[2];
  Probabilities probabilities(op, operands,
                              op.getPositions() ? operands[4] : nullptr,
                              op.getLengths() ? operands[5] : nullptr);
  Drop drop(op, operands);
  llvm::ArrayRef<int64_t> perRow(result.shape);
  forEachIndex(perRow.drop_back(), [&](const Index &row) {
    int64_t b = row[0], h = row[1], i = row[2];
    auto seen = probabilities.of(b, h, i, operands[3]->values[0]);
    if (results.size() > 1)
      at(results[1], row) = seen.logSumExp;
    for (auto [j, p] : seen.pairs)
      for (int64_t d = 0; d < value.shape[3]; ++d)
        at(result, {b, h, i, d}) +=
            drop.keepsAt(b, h, i, j) ? p * at(value, {b, h, j, d}) : 0;
  });
  return results;
}

std::vector<HostTensor> evaluate(ir::AttentionBackwardOp op,
                                 Operands operands) {
  const HostTensor &query = *operands[0], &key = *operands[1];
  const HostTensor &value = *operands[2], &gradient = *operands[3];
  const HostTensor &result = *operands[4], &logSumExp = *operands[5];
  double scale = operands[6]->values[0];
  Probabilities probabilities(op, operands,
                              op.getPositions() ? operands[7] : nullptr,
                              op.getLengths() ? operands[8] : nullptr);
  Drop drop(op, operands);
  HostTensor queryGradient = zerosOf(op.getQueryGradient().getType());
  HostTensor keyGradient = zerosOf(op.getKeyGradient().getType());
  HostTensor valueGradient = zerosOf(op.getValueGradient().getType());
  llvm::ArrayRef<int64_t> perRow(query.shape);
  forEachIndex(perRow.drop_back(), [&](const Index &row) {
    int64_t b = row[0], h = row[1], i = row[2], width = query.shape[3];
    if (!probabilities.matters(b, i))
      return;
    auto seen = probabilities.of(b, h, i, scale, at(logSumExp, row)).pairs;
    // How the loss changes with each probability, and their mean.
    std::vector<double> slopes;
    double mean = 0;
    for (int64_t d = 0; d < width; ++d)
      mean += at(gradient, {b, h, i, d}) * at(result, {b, h, i, d});
    for (auto [j, p] : seen) {
      double slope = 0;
      for (int64_t d = 0; d < width && drop.keepsAt(b, h, i, j); ++d)
        slope += at(gradient, {b, h, i, d}) * at(value, {b, h, j, d});
      slopes.push_back(slope);
    }
    for (auto [k, pair] : llvm::enumerate(seen)) {
      auto [j, p] = pair;
      double score = scale * p * (slopes[k] - mean);
      double kept = drop.keepsAt(b, h, i, j) ? p : 0;
      for (int64_t d = 0; d < width; ++d) {
        at(queryGradient, {b, h, i, d}) += score * at(key, {b, h, j, d});
        at(keyGradient, {b, h, j, d}) += score * at(query, {b, h, i, d});
        at(valueGradient, {b, h, j, d}) += kept * at(gradient, {b, h, i, d});
      }
    }
  });
  return {queryGradient, keyGradient, valueGradient};
}

} // namespace gptc::reference
