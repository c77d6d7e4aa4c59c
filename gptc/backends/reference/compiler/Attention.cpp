//===- Attention.cpp ------------------------------------------------------===//

#include "gptc/backends/reference/compiler/Operations.h"

#include <cmath>

namespace gptc::reference {

HostTensor evaluate(ir::AttentionOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  const HostTensor &query = *operands[0], &key = *operands[1];
  const HostTensor &value = *operands[2];
  double scale = operands[3]->values[0];
  const HostTensor *positions = op.getPositions() ? operands[4] : nullptr;
  const HostTensor *lengths = op.getLengths() ? operands[5] : nullptr;
  int64_t keys = key.shape[2], width = query.shape[3];

  auto isVisible = [&](int64_t b, int64_t i, int64_t j) {
    int64_t start = positions ? int64_t(positions->values[size_t(b)]) : 0;
    int64_t end = lengths ? start + int64_t(lengths->values[size_t(b)]) : keys;
    int64_t position = start + i;
    if (j >= end)
      return false;
    if (op.getCausal() && j > position)
      return false;
    return !op.getWindow() || position - j < int64_t(*op.getWindow());
  };

  llvm::ArrayRef<int64_t> perRow(query.shape);
  forEachIndex(perRow.drop_back(), [&](const Index &row) {
    int64_t b = row[0], h = row[1], i = row[2];
    // Scores of the visible keys; the others have probability zero.
    std::vector<std::pair<int64_t, double>> scores;
    double greatest = -std::numeric_limits<double>::infinity();
    for (int64_t j = 0; j < keys; ++j) {
      if (!isVisible(b, i, j))
        continue;
      double product = 0;
      for (int64_t d = 0; d < width; ++d)
        product += at(query, {b, h, i, d}) * at(key, {b, h, j, d});
      scores.push_back({j, scale * product});
      greatest = maximum(greatest, scale * product);
    }
    double sum = 0;
    for (auto [j, score] : scores)
      sum += std::exp(score - greatest);
    for (auto [j, score] : scores)
      for (int64_t d = 0; d < width; ++d)
        at(result, {b, h, i, d}) +=
            std::exp(score - greatest) / sum * at(value, {b, h, j, d});
  });
  return result;
}

} // namespace gptc::reference
