//===- Contraction.cpp ----------------------------------------------------===//

#include "gptc/backends/reference/compiler/Operations.h"

namespace gptc::reference {

HostTensor evaluate(ir::MatmulOp op, Operands operands) {
  HostTensor result = zerosOf(op.getType());
  int64_t extentK = op.getK();
  forEachIndex(result.shape, [&](const Index &index) {
    size_t rank = index.size();
    int64_t m = index[rank - 2], n = index[rank - 1];
    double sum = 0;
    for (int64_t k = 0; k < extentK; ++k) {
      Index left = index, right = index;
      left[rank - 2] = op.getTransposeLhs() ? k : m;
      left[rank - 1] = op.getTransposeLhs() ? m : k;
      right[rank - 2] = op.getTransposeRhs() ? n : k;
      right[rank - 1] = op.getTransposeRhs() ? k : n;
      if (op.sharesRhs())
        right.erase(right.begin(), right.end() - 2);
      sum += at(*operands[0], left) * at(*operands[1], right);
    }
    at(result, index) = sum;
  });
  return result;
}

} // namespace gptc::reference
