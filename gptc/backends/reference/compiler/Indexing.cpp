//===- Indexing.cpp - Indexed rows ----------------------------------------===//

#include "gptc/backends/reference/compiler/Operations.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gptc::reference {

/// The nearest index inside of [0, extent).
static int64_t clamped(double index, int64_t extent) {
  return std::clamp<int64_t>(int64_t(index), 0, extent - 1);
}

HostTensor evaluate(ir::GatherOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  const HostTensor &table = *operands[0], &indices = *operands[1];
  forEachIndex(result.shape, [&](const Index &index) {
    llvm::ArrayRef<int64_t> place(index);
    int64_t row = clamped(at(indices, place.drop_back()), table.shape[0]);
    at(result, index) = at(table, {row, index.back()});
  });
  return result;
}

HostTensor evaluate(ir::ScatterAddOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  const HostTensor &rows = *operands[0], &indices = *operands[1];
  forEachIndex(rows.shape, [&](const Index &index) {
    llvm::ArrayRef<int64_t> place(index);
    int64_t row = clamped(at(indices, place.drop_back()), result.shape[0]);
    at(result, {row, index.back()}) += at(rows, index);
  });
  return result;
}

HostTensor evaluate(ir::SelectRowOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  const HostTensor &x = *operands[0], &indices = *operands[1];
  forEachIndex(result.shape, [&](const Index &index) {
    int64_t row = clamped(at(indices, {index[0]}), x.shape[1]);
    at(result, index) = at(x, {index[0], row, index[1]});
  });
  return result;
}

HostTensor evaluate(ir::CacheAppendOp op, Operands operands) {
  HostTensor result = *operands[0];
  const HostTensor &rows = *operands[1];
  forEachIndex(rows.shape, [&](const Index &index) {
    size_t b = size_t(index[0]);
    int64_t to = int64_t(operands[2]->values[b]) + index[2];
    bool isValid = double(index[2]) < operands[3]->values[b];
    if (isValid && to >= 0 && to < result.shape[2])
      at(result, {index[0], index[1], to, index[3]}) = at(rows, index);
  });
  return result;
}

HostTensor evaluate(ir::IotaOp op, Operands) {
  HostTensor result = zerosOf(op.getType());
  forEachIndex(result.shape, [&](const Index &index) {
    at(result, index) = double(index[op.getDimension()]);
  });
  return result;
}

namespace {

constexpr double lowest = -std::numeric_limits<double>::infinity();

/// Where an element comes: 0 before all numbers, 1 among them, 2 after them.
int classOf(double value, double index, bool finite) {
  if (index < 0)
    return 2;
  return std::isnan(value) || (finite && value == lowest) ? 0 : 1;
}

} // namespace

std::vector<HostTensor> evaluate(ir::TopKOp op, Operands operands) {
  HostTensor values = zerosOf(op.getValues().getType());
  HostTensor indices = zerosOf(op.getIndices().getType());
  std::fill(values.values.begin(), values.values.end(), lowest);
  std::fill(indices.values.begin(), indices.values.end(), -1);
  int64_t length = op.getRowLength(), piece = op.getPieceLength();
  int64_t pieces = op.getPieceCount(), count = op.getCount();
  for (int64_t block = 0; block < op.getRows() * pieces; ++block) {
    int64_t row = block / pieces * length;
    int64_t begin = std::min(block % pieces * piece, length);
    int64_t end = std::min(begin + piece, length);
    std::vector<int64_t> order;
    for (int64_t i = begin; i < end; ++i)
      order.push_back(i);
    auto valueOf = [&](int64_t i) {
      return operands[0]->values[size_t(row + i)];
    };
    auto indexOf = [&](int64_t i) {
      return op.getCarried() ? operands[1]->values[size_t(row + i)] : double(i);
    };
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      int first = classOf(valueOf(a), indexOf(a), op.getFinite());
      int second = classOf(valueOf(b), indexOf(b), op.getFinite());
      if (first != second)
        return first < second;
      bool isEqual = first != 1 || valueOf(a) == valueOf(b);
      return isEqual ? a < b : valueOf(a) > valueOf(b);
    });
    for (int64_t i = 0; i < std::min(count, end - begin); ++i)
      if (indexOf(order[size_t(i)]) >= 0) {
        values.values[size_t(block * count + i)] = valueOf(order[size_t(i)]);
        indices.values[size_t(block * count + i)] = indexOf(order[size_t(i)]);
      }
  }
  return {std::move(values), std::move(indices)};
}

} // namespace gptc::reference
