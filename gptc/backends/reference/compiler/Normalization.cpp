//===- Normalization.cpp - Reductions, norms, likelihoods -----------------===//

#include "gptc/backends/reference/compiler/Operations.h"

#include <cmath>

namespace gptc::reference {

namespace {

using Row = llvm::MutableArrayRef<double>;

/// The rows of a tensor's last dimension.
llvm::SmallVector<Row> rowsOf(HostTensor &tensor) {
  size_t extent = size_t(tensor.shape.back());
  llvm::SmallVector<Row> rows;
  for (size_t start = 0; start < tensor.values.size(); start += extent)
    rows.push_back(Row(tensor.values).slice(start, extent));
  return rows;
}

double maximumOf(llvm::ArrayRef<double> row) {
  double result = -std::numeric_limits<double>::infinity();
  for (double value : row)
    result = maximum(result, value);
  return result;
}

/// log(sum(exp(row))), safe from overflow.
double logSumExp(llvm::ArrayRef<double> row) {
  double greatest = maximumOf(row), sum = 0;
  for (double value : row)
    sum += std::exp(value - greatest);
  return greatest + std::log(sum);
}

} // namespace

HostTensor evaluate(ir::ReduceOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  bool isMaximum = op.getKind() == ir::ReduceKind::Max;
  if (isMaximum)
    for (double &value : result.values)
      value = -std::numeric_limits<double>::infinity();
  const HostTensor &x = *operands[0];
  forEachIndex(x.shape, [&](const Index &index) {
    Index kept;
    for (auto [i, coordinate] : llvm::enumerate(index))
      if (!llvm::is_contained(op.getDimensions(), int64_t(i)))
        kept.push_back(coordinate);
    double &value = at(result, kept);
    value = isMaximum ? maximum(value, at(x, index)) : value + at(x, index);
  });
  return result;
}

HostTensor evaluate(ir::LayerNormOp op, Operands operands) {
  HostTensor result = *operands[0];
  const std::vector<double> &gain = operands[1]->values;
  const std::vector<double> &bias = operands[2]->values;
  double epsilon = operands[3]->values[0];
  for (Row row : rowsOf(result)) {
    double mean = 0, variance = 0;
    for (double value : row)
      mean += value / double(row.size());
    for (double value : row)
      variance += (value - mean) * (value - mean) / double(row.size());
    for (auto [i, value] : llvm::enumerate(row))
      value =
          (value - mean) / std::sqrt(variance + epsilon) * gain[i] + bias[i];
  }
  return result;
}

HostTensor evaluate(ir::SoftmaxOp op, Operands operands) {
  HostTensor result = *operands[0];
  for (Row row : rowsOf(result)) {
    double greatest = maximumOf(row), sum = 0;
    for (double value : row)
      sum += std::exp(value - greatest);
    for (double &value : row)
      value = std::exp(value - greatest) / sum;
  }
  return result;
}

HostTensor evaluate(ir::LogLikelihoodOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  HostTensor logits = *operands[0];
  for (auto [i, row] : llvm::enumerate(rowsOf(logits))) {
    int64_t target = int64_t(operands[1]->values[i]);
    if (target < 0)
      continue;
    target = std::min(target, int64_t(row.size()) - 1);
    result.values[i] = row[size_t(target)] - logSumExp(row);
  }
  return result;
}

} // namespace gptc::reference
