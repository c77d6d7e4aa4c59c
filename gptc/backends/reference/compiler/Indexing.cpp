//===- Indexing.cpp - Indexed rows ----------------------------------------===//

#include "gptc/backends/reference/compiler/Operations.h"

#include <algorithm>

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

} // namespace gptc::reference
