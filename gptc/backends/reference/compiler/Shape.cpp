//===- Shape.cpp - Views --------------------------------------------------===//

#include "gptc/backends/reference/compiler/Operations.h"

namespace gptc::reference {

static size_t linear(const HostTensor &tensor, llvm::ArrayRef<int64_t> index) {
  int64_t position = 0;
  for (size_t i = 0; i < index.size(); ++i)
    position = position * tensor.shape[i] + index[i];
  return size_t(position);
}

double &at(HostTensor &tensor, llvm::ArrayRef<int64_t> index) {
  return tensor.values[linear(tensor, index)];
}

double at(const HostTensor &tensor, llvm::ArrayRef<int64_t> index) {
  return tensor.values[linear(tensor, index)];
}

void forEachIndex(llvm::ArrayRef<int64_t> shape,
                  llvm::function_ref<void(const Index &)> visit) {
  if (llvm::is_contained(shape, 0))
    return;
  Index index(shape.size(), 0);
  while (true) {
    visit(index);
    size_t i = shape.size();
    while (i > 0 && ++index[i - 1] == shape[i - 1])
      index[--i] = 0;
    if (i == 0)
      return;
  }
}

HostTensor evaluate(mlir::tensor::SplatOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  for (double &value : result.values)
    value = operands[0]->values[0];
  return result;
}

HostTensor evaluate(ir::BroadcastOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  const HostTensor &x = *operands[0];
  forEachIndex(result.shape, [&](const Index &index) {
    Index source;
    for (auto [i, dimension] : llvm::enumerate(op.getDimensions()))
      source.push_back(x.shape[i] == 1 ? 0 : index[size_t(dimension)]);
    at(result, index) = at(x, source);
  });
  return result;
}

HostTensor evaluate(ir::ReshapeOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  result.values = operands[0]->values;
  return result;
}

HostTensor evaluate(ir::TransposeOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  forEachIndex(result.shape, [&](const Index &index) {
    Index source(index.size());
    for (auto [i, dimension] : llvm::enumerate(op.getPermutation()))
      source[size_t(dimension)] = index[i];
    at(result, index) = at(*operands[0], source);
  });
  return result;
}

HostTensor evaluate(ir::SliceOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  forEachIndex(result.shape, [&](const Index &index) {
    Index source = index;
    for (auto [i, offset] : llvm::enumerate(op.getOffsets()))
      source[i] += offset;
    at(result, index) = at(*operands[0], source);
  });
  return result;
}

HostTensor evaluate(ir::ConcatOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  auto dimension = size_t(op.getDimension());
  int64_t begin = 0;
  for (const HostTensor *input : operands) {
    forEachIndex(input->shape, [&](const Index &index) {
      Index to = index;
      to[dimension] += begin;
      at(result, to) = at(*input, index);
    });
    begin += input->shape[dimension];
  }
  return result;
}

} // namespace gptc::reference
