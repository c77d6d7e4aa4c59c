//===- Decompose.cpp ------------------------------------------------------===//

#include "gptc/ir/Decompose.h"

#include "gptc/ir/Dialect.h"

namespace gptc::ir {

void decomposeRowOps(mlir::Block &body) {
  for (mlir::Operation &op : llvm::make_early_inc_range(body)) {
    mlir::OpBuilder builder(&op);
    mlir::Value plain;
    if (auto norm = llvm::dyn_cast<LayerNormOp>(op))
      plain = norm.decompose(builder);
    else if (auto softmax = llvm::dyn_cast<SoftmaxOp>(op))
      plain = softmax.decompose(builder);
    else
      continue;
    op.getResult(0).replaceAllUsesWith(plain);
    op.erase();
  }
}

} // namespace gptc::ir
